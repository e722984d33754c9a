"""Files that leave the page cache to others while they grow."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from archive import settling
from archive.settling import UNSETTLED, Settling


@pytest.mark.parametrize("keep", [True, False])
def test_a_file_is_written_out_whenever_it_has_grown_so_much(
    keep: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[str, int]] = []
    monkeypatch.setattr(settling, "write_out", lambda fd: said.append(("out", fd)))
    monkeypatch.setattr(settling, "forget", lambda fd: said.append(("forget", fd)))
    files = Settling(keep)
    grown = [("a", -1), ("b", -1), ("a", 0), ("a", 9), ("a", UNSETTLED), ("b", 0)]
    for name, more in grown:
        files.grown(tmp_path / name, {"a": 1, "b": 2}[name], UNSETTLED + more)
    expected = [[("out", fd), ("forget", fd)][: 2 - keep] for fd in (1, 1, 2)]
    assert said == [each for some in expected for each in some]


def test_what_is_written_out_is_whole(tmp_path: Path) -> None:
    path, data = tmp_path / "file", os.urandom(3 << 20)
    with path.open("wb", buffering=0) as out:
        out.write(data)
        settling.write_out(out.fileno())
        settling.forget(out.fileno(), 1 << 20)
        out.write(data)
        settling.settle(out.fileno())
    settling.forget_file(path)
    assert path.read_bytes() == data + data


def test_a_disk_that_does_not_write_is_told() -> None:
    reader, writer = os.pipe()
    try:
        with pytest.raises(OSError, match="Illegal seek") as fault:
            settling.write_out(writer)
    finally:
        os.close(reader)
        os.close(writer)
    assert fault.value.errno == errno.ESPIPE


def test_a_file_that_is_gone_is_forgotten_already(tmp_path: Path) -> None:
    settling.forget_file(tmp_path / "gone")
