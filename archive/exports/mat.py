"""MATLAB's files of version 7.3: HDF5 behind a header of 512 bytes, with MATLAB's classes as attributes.

A variable is a struct for each table, called as it. In MATLAB (whose dimensions are those of HDF5 the other way round):

    time [n x 1] int64, ns UTC since 1970; seconds [n x 1] double, from `about.seconds_from` on
    values [n x channel x station] single, NaN where there is no row, or the device said invalid
    status, quality, offset [n x station], digital [n x word x station], present [n x station], as far as asked for
    station {station x 1}, channel, unit {channel x station}, word {word x station}: cells of text
    text: the same as bytes of UTF-8, a line for each station, for Octave, which can't read cells from such files

Data sets are contiguous: MATLAB's `matfile` reads a part of one without the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from archive.exports.blocks import Block, Part
from archive.exports.csvfiles import iso
from archive.exports.formats import BlockWriter
from archive.exports.plan import Plan, Sheet, Track
from archive.exports.target import Target
from archive.exports.wishes import told
from archive.settling import Settling
from protocol.clock import SECOND

HEADER = 512
ABOUT = "MATLAB 7.3 MAT-file, Platform: SYMS, Created on: {} HDF5 schema 1.00 ."
VERSION = b"\x00\x02IM"
"""0x0200, little-endian."""
CLASSES = {"f4": "single", "f8": "double", "i8": "int64", "u2": "uint16", "u1": "uint8"}
FIELDS = {"status": "<u2", "quality": "|u1", "offset": "<i8"}


class Mat(BlockWriter):
    """One file."""

    def __init__(self, plan: Plan, target: Target) -> None:
        super().__init__(plan, target)
        self._path = target.file("", ".mat")
        self._settling = Settling()
        self._file = h5py.File(self._path, "w", locking=False, userblock_size=HEADER)
        self._refs = self._file.create_group("#refs#")
        self._at = 0
        """Instants of the table that were written."""

    def begin(self, sheet: Sheet) -> None:
        self._at = 0
        group, tracks, many = self._file.create_group(sheet.table.name), sheet.tracks, sheet.instants
        self._add(group, "time", "<i8", (1, many))
        self._add(group, "seconds", "<f8", (1, many))
        self._add(group, "present", "|u1", (len(tracks), many))
        for name, dtype in FIELDS.items():
            wanted = any(not t.on_grid if name == "offset" else _named(t, name) for t in tracks)
            if wanted:
                self._add(group, name, dtype, (len(tracks), many))
        for name, dtype in (("values", "<f4"), ("digital", "<u2")):
            if widest := max(len(_named(track, name)) for track in tracks):
                self._add(group, name, dtype, (len(tracks), widest, many))
        self._write_names(group, tracks)
        _struct(group)

    def _add(self, group: Any, name: str, dtype: str, shape: tuple[int, ...]) -> None:
        data = group.create_dataset(name, shape, dtype, fill_time="never")
        data.attrs["MATLAB_class"] = np.bytes_(CLASSES[dtype[1:]])

    def _write_names(self, group: Any, tracks: Sequence[Track]) -> None:
        self._cells(group, "station", [[track.label for track in tracks]])
        titles = [[f"{c.name} {c.quantity}".strip() if c.quantity != "analog" else c.name for c in _named(t, "values")]
                  for t in tracks]  # fmt: skip
        units = [[channel.unit for channel in _named(track, "values")] for track in tracks]
        words = [[channel.name for channel in _named(track, "digital")] for track in tracks]
        for name, cells in (("channel", titles), ("unit", units), ("word", words)):
            if widest := max(map(len, cells)):
                self._cells(group, name, [each + [""] * (widest - len(each)) for each in cells])
        lines = ["\t".join([t.label, *(channel.title for channel in t.channels)]) for t in tracks]
        data = group.create_dataset("text", data=np.frombuffer("\n".join(lines).encode(), np.uint8).reshape(-1, 1))
        data.attrs["MATLAB_class"] = np.bytes_("uint8")

    def _cells(self, group: Any, name: str, texts: list[list[str]]) -> None:
        """Texts as a cell array, HDF5's dimensions."""
        refs = np.empty((len(texts), len(texts[0])), h5py.ref_dtype)
        for place in np.ndindex(refs.shape):
            refs[place] = _char(self._refs, f"r{len(self._refs)}", texts[place[0]][place[1]]).ref
        group.create_dataset(name, data=refs).attrs["MATLAB_class"] = np.bytes_("cell")

    def write(self, sheet: Sheet, block: Block) -> None:
        group, here = self._file[sheet.table.name], slice(self._at, self._at + len(block.time))
        group["time"][0, here] = block.time
        group["seconds"][0, here] = (block.time - self.plan.reference) / SECOND
        for at, part in enumerate(block.parts):
            group["present"][at, here] = part.present
            for name in FIELDS.keys() & group.keys():
                group[name][at, here] = getattr(part, name)
            for name, fill in (("values", np.nan), ("digital", 0)):
                if name in group:
                    group[name][at, :, here] = _padded(part, name, group[name].shape[1], fill)
        self._at = here.stop
        self._file.flush()
        self._settling.grown(self._path, int(self._file.id.get_vfd_handle()), self._path.stat().st_size)

    def finish(self) -> None:
        plan, about = self.plan, self._file.create_group("about")
        first, stop, reference = iso(np.array([plan.start, plan.end, plan.reference]))
        texts = {"from": first, "to": stop, "seconds_from": reference, "asked": told(plan.wish),
                 "archive": str(plan.root.resolve())}  # fmt: skip
        for name, text in texts.items():
            _char(about, name, text)
        _struct(about)
        self.close()
        with open(self._path, "r+b") as file:
            file.write(ABOUT.format(first).encode().ljust(116) + bytes(8) + VERSION)

    def close(self) -> None:
        self._file.close()


def _named(track: Track, field: str) -> list[Any]:
    return [channel for channel in track.channels if channel.field == field]


def _padded(part: Part, name: str, widest: int, fill: float) -> NDArray[Any]:
    """[widest, n] Channels of a track, and fill where others have more."""
    values = getattr(part, name).T
    return np.pad(values, ((0, widest - len(values)), (0, 0)), constant_values=fill)


def _char(group: Any, name: str, text: str) -> Any:
    """A row of characters (UTF-16)."""
    units = np.frombuffer(text.encode("utf-16-le"), "<u2").reshape(-1, 1)
    data = group.create_dataset(name, data=units if text else np.zeros(2, np.uint64))
    data.attrs["MATLAB_class"] = np.bytes_("char")
    data.attrs["MATLAB_int_decode"] = np.int32(2)
    if not text:
        data.attrs["MATLAB_empty"] = np.uint8(1)
    return data


def _struct(group: Any) -> None:
    """Make a group a struct whose fields stand in the order of their names here."""
    group.attrs["MATLAB_class"] = np.bytes_("struct")
    names = np.empty(len(group), object)
    for at, name in enumerate(group):
        names[at] = np.frombuffer(name.encode(), "S1")
    group.attrs.create("MATLAB_fields", names, dtype=h5py.vlen_dtype("S1"))
