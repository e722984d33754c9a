"""Rows that are kept once each beside those of the devices: verdicts, statistics.

A ledger's rows stand in the parts of an hour as `archive/parts.py` makes them (`<name>.<serial>.part.h5`: `present
[row]`, the others as its fields say), then in the finished file's group of its name. A row with the key of another one
is its twin; the first of them counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from archive import layout
from archive.disk import Disk
from archive.folder import ArchiveError
from archive.layout import Field
from archive.parts import Cells, Datasets, create
from archive.sources import open_finished

Columns = dict[str, NDArray[Any]]
"""Field to [n]; texts as str, which takes less memory than their room on disk."""
PACKED = {"shuffle": True, "compression": "gzip", "compression_opts": 4}


class Known(Protocol):
    """Which rows of an hour there are already."""

    def note(self, row: dict[str, Any]) -> bool:
        """Whether a row is new; it is known from now on."""


class Once:
    """Every row that has another key is new."""

    def __init__(self, key: Sequence[str]) -> None:
        self._key = key
        self._noted: set[tuple[Any, ...]] = set()

    def note(self, row: dict[str, Any]) -> bool:
        """Whether a row is new; it is known from now on."""
        before = len(self._noted)
        self._noted.add(tuple(row[name] for name in self._key))
        return len(self._noted) > before


@dataclass(frozen=True)
class Ledger:
    """One kind of such rows."""

    name: str
    """Of the group, and what its parts' names begin with."""
    row: str
    """Name of the group's one dimension."""
    about: str
    """What a row is, in which order."""
    fields: Mapping[str, Field]
    key: tuple[str, ...]
    """What `known` looks at."""
    order: tuple[str, ...]
    """By which rows are sorted, the most important field first."""
    known: Callable[[], Known]
    capacity: Callable[[], int]
    """Rows of one part."""

    @property
    def texts(self) -> set[str]:
        """Fields that are texts."""
        return {name for name, field in self.fields.items() if "S" in field.dtype}

    @property
    def row_bytes(self) -> int:
        """Of one row of a part."""
        return 1 + sum(np.dtype(field.dtype).itemsize for field in self.fields.values())

    def create_part(self, path: Path, disk: Disk) -> None:
        """An empty part."""
        shape = (self.capacity(),)
        fields: Datasets = {name: (field, shape) for name, field in self.fields.items()}
        fields["present"] = (Field("|u1", (), f"1 = there is a {self.row}; 0 = the other fields say nothing"), shape)
        create(path, fields, {"format": layout.FORMAT, "about": f"SYMS archive part; {self.name}, live"}, disk)

    def fitting(self, value: str, field: str) -> str:
        """A text, cut to what a field takes as UTF-8."""
        room = np.dtype(self.fields[field].dtype).itemsize
        return value.encode(errors="replace")[:room].decode(errors="ignore").rstrip("\0")

    def note_all(self, known: Known, rows: Columns) -> NDArray[np.bool_]:
        """[n] Which of some rows were new."""
        columns = (rows[name].tolist() for name in self.key)
        return np.array([known.note(dict(zip(self.key, row, strict=True))) for row in zip(*columns, strict=True)], bool)

    def of_part(self, part: Cells, fields: Iterable[str] = ()) -> Columns:
        """Some fields (all if none is named) of all rows that a part holds."""
        taken = np.flatnonzero(part.view("present"))
        names, texts = list(fields or self.fields), self.texts
        found = {name: np.array(part.view(name)[taken]) for name in names if name not in texts}
        return found | {name: _texts(part.view(name)[taken].tolist()) for name in names if name in texts}

    def of_file(self, file: Any, fields: Iterable[str] = ()) -> Columns:
        """The same of a finished file; none if an older release made it."""
        names, texts = list(fields or self.fields), self.texts
        if self.name not in file:
            return {name: values for name, values in self.empty().items() if name in names}
        group = file[self.name]
        found = {name: group[name][:].astype(self.fields[name].dtype) for name in names if name not in texts}
        return found | {name: _texts(group[name][:].tolist()) for name in names if name in texts}

    def empty(self) -> Columns:
        """No rows."""
        texts = self.texts
        return {name: np.zeros(0, object if name in texts else field.dtype) for name, field in self.fields.items()}

    def joined(self, found: Sequence[Columns]) -> Columns:
        """Several as one, each row once, in order; the first of twins speaks."""
        found = [self.empty(), *found]
        rows = {name: np.concatenate([each[name] for each in found]) for name in self.fields}
        order = np.flatnonzero(self.note_all(self.known(), rows))
        order = order[np.lexsort([rows[name][order] for name in reversed(self.order)])]
        return {name: values[order] for name, values in rows.items()}

    def write_group(self, out: Any, rows: Columns) -> None:
        """The group of a finished file."""
        count = len(rows[self.order[0]])
        group = out.create_group(self.name)
        scale = group.create_dataset(self.row, data=np.arange(count))
        scale.attrs["long_name"] = self.about
        scale.make_scale(self.row)
        texts = self.texts
        for name, field in self.fields.items():
            if name in texts:
                data = group.create_dataset(name, data=rows[name], dtype=h5py.string_dtype())
            else:
                data = group.create_dataset(name, data=rows[name], chunks=(min(count, 1 << 16),), **PACKED)
            data.attrs["long_name"] = field.about
            data.dims[0].attach_scale(scale)
            if name in ("start", "stop", "kept", "time", "raised"):
                data.attrs["units"] = layout.TIME_TEXT
                data.attrs["calendar"] = "proleptic_gregorian"

    def hours(self, root: Path, start: int, end: int) -> Iterator[Columns]:
        """The rows of every hour that has files and touches (start, end] ns. Raises ArchiveError."""
        files = layout.finished_hours, layout.overview_hours
        hours = layout.live_hours(root).keys() | {
            hour for of in files for hour in of(root, start - layout.SPAN, end + 1)
        }
        for hour in sorted(hour for hour in hours if start - layout.SPAN < hour <= end):
            yield self.of_hour(root, hour)

    def figures(self, root: Path, hour: int, fields: Sequence[str]) -> Columns:
        """Some fields of an hour's rows: of one finished file alone, where each row stands once, in less time."""
        parts = layout.has_parts(root, hour)  # looked for first: what is merged meanwhile is then in the file
        if parts or layout.overview_path(root, hour).exists():
            rows = self.of_hour(root, hour)
            return {name: rows[name] for name in fields}
        try:
            with closing(open_finished(layout.finished_path(root, hour))) as file:
                return self.of_file(file, fields)
        except FileNotFoundError:
            return {name: values for name, values in self.empty().items() if name in fields}

    def of_hour(self, root: Path, hour: int) -> Columns:
        """The rows of an hour, in order. Raises ArchiveError."""
        folder = layout.live_folder(root, hour)
        files = layout.finished_path(root, hour), layout.overview_path(root, hour)  # in this order, for the same reason
        for _ in range(5):  # a finishing child may merge and delete sealed parts while we open them
            with suppress(FileNotFoundError), ExitStack() as stack:
                live = sorted(folder.glob(f"{self.name}.*.h5"))  # first: what is merged meanwhile is in the file then
                parts = [stack.enter_context(closing(Cells(path, Disk()))) for path in live]
                found = [self.of_file(stack.enter_context(open_finished(path))) for path in files if path.exists()]
                return self.joined(found + [self.of_part(part) for part in parts])
        raise ArchiveError(f"{root}: the files of {layout.hour_name(hour)} are changing; try again")


def _texts(found: list[bytes]) -> NDArray[Any]:
    """[n] str; those that are the same share their memory."""
    known = {each: each.decode(errors="replace") for each in set(found)}
    return np.array([known[each] for each in found], dtype=object)


def some(rows: Columns, which: NDArray[np.bool_]) -> Columns:
    """Those of [n] that are chosen."""
    return {name: values[which] for name, values in rows.items()}
