"""Packed chunks are what HDF5's own filters undo, and smaller than what they make."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from archive.packing import FILTERS, TRIALS, Packer, planes

RANDOM = np.random.default_rng(1)


def noisy(count: int = 15_000) -> Any:
    """A magnitude as a device measures it."""
    return (127_000 * (1 + 0.0003 * RANDOM.standard_normal(count))).astype("<f4")


CHUNKS = {
    "noise": noisy(), "nothing": np.full(3000, np.nan, "<f4"), "few values": np.round(noisy(), -2),
    "counting": np.arange(70_000, dtype="<i8"), "bytes": RANDOM.integers(0, 256, 140_000).astype("|u1"),
    "one": np.array([7], "<u2"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHUNKS)
def test_any_zlib_reads_it(name: str) -> None:
    packer, chunk = Packer(), planes(CHUNKS[name][:, None])
    for _ in range(TRIALS + 1):
        assert zlib.decompress(packer.pack(chunk)) == chunk.tobytes()


def test_what_suited_one_chunk_need_not_suit_the_next() -> None:
    packer = Packer()
    for name in ("noise", "few values", "nothing", "noise"):
        chunk = planes(CHUNKS[name][:, None])
        assert zlib.decompress(packer.pack(chunk)) == chunk.tobytes()


def test_hdf5_reads_it(tmp_path: Path) -> None:
    rows = np.stack([noisy(), noisy()], axis=1)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("values", (2, 15_000), "<f4", chunks=(1, 15_000), **FILTERS)
        both, packer = planes(rows), Packer()
        for channel in range(2):
            data.id.write_direct_chunk((channel, 0), packer.pack(both[4 * channel : 4 * channel + 4], channel))
    with h5py.File(tmp_path / "x.h5") as file:
        assert (file["values"].compression, file["values"].shuffle) == ("gzip", True)
        np.testing.assert_array_equal(file["values"][:], rows.T)


def test_noise_packs_smaller_than_with_one_setting_for_all() -> None:
    chunk = planes(noisy()[:, None])
    assert len(Packer().pack(chunk)) < len(zlib.compress(chunk.tobytes(), 6))
