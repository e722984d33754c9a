"""Every verdict, once: which window of which device was judged when, by what, and how it ended.

A verdict is kept in the hour of its window's `stop`, as a row for each of its devices, in a part as `archive/parts.py`
makes them (`present [row]`, the others as in `layout.VERDICT_FIELDS`), then in the finished file's group `verdicts`.
It goes through the same commit as rows. A twin changes nothing: a verdict of the same trigger, device and start, by
the same version of the same algorithm, or one of the two without any (a window that nobody judged).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from archive import layout
from archive.disk import Disk, make_folder
from archive.layout import Field
from archive.parts import Cells, Datasets, create
from archive.sources import open_finished
from protocol.clock import Now
from protocol.messages import Verdict

GROUP = "verdicts"
ROW_BYTES = 1 + sum(np.dtype(field.dtype).itemsize for field in layout.VERDICT_FIELDS.values())
"""Of one row of a part."""
Verdicts = dict[str, NDArray[Any]]
"""Field of `layout.VERDICT_FIELDS` to [n]; texts as bytes."""
Window = tuple[bytes, int, int]
"""(trigger, device, start)"""
Judge = tuple[bytes, int]
"""(algorithm, its version); `NOBODY` if the window was not judged."""
NOBODY: Judge = (b"", 0)
Marks = list[tuple[Cells, int, bytes, bytes]]
"""(part, offset, presence bytes before, and after)."""
OPEN = 4
"""Hours whose parts are kept open at a time."""
PACKED = {"shuffle": True, "compression": "gzip", "compression_opts": 4}


def text(value: str, field: str) -> bytes:
    """UTF-8 of a text, cut to what a field takes."""
    room = np.dtype(layout.VERDICT_FIELDS[field].dtype).itemsize
    return value.encode()[:room].decode(errors="ignore").encode()


def detail_text(detail: dict[str, Any]) -> bytes:
    """JSON of an algorithm's figures; those that do not fit are left out and named in `left_out`."""
    room = np.dtype(layout.VERDICT_FIELDS["detail"].dtype).itemsize
    whole = json.dumps(detail, separators=(",", ":"))
    if len(whole) <= room:
        return whole.encode()
    kept: dict[str, Any] = {}
    for name, value in detail.items():
        if len(json.dumps(kept | {name: value}, separators=(",", ":"))) <= room - 32:
            kept[name] = value
    return json.dumps(kept | {"left_out": len(detail) - len(kept)}, separators=(",", ":")).encode()


def rows_of(verdict: Verdict, name_of: Callable[[int], str]) -> Iterator[dict[str, Any]]:
    """A verdict as rows of `layout.VERDICT_FIELDS`, without `kept`."""
    said = {name: getattr(verdict, name, 0) for name in layout.VERDICT_FIELDS}
    for name in ("outcome", "algorithm", "trigger", "worker", "error"):
        said[name] = text(str(said[name]), name)
    said["detail"] = detail_text(verdict.detail)
    for device in verdict.device.tolist():
        yield said | {"device": device, "name": text(name_of(device), "name")}


class Known:
    """Which windows of an hour have a verdict already."""

    def __init__(self) -> None:
        self._judged: dict[Window, set[Judge]] = {}

    def note(self, row: dict[str, Any]) -> bool:
        """Whether a row is new; it is known from now on."""
        judges = self._judged.setdefault((row["trigger"], row["device"], row["start"]), set())
        judge = (row["algorithm"], row["version"])
        if judges and (judge in judges or judge == NOBODY or NOBODY in judges):
            return False
        judges.add(judge)
        return True

    def note_all(self, rows: Verdicts) -> NDArray[np.bool_]:
        """[n] Which of some rows were new."""
        names = ("trigger", "device", "start", "algorithm", "version")
        columns = (rows[name].tolist() for name in names)
        return np.array([self.note(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)], bool)


def of_part(part: Cells) -> Verdicts:
    """All verdicts that a part holds."""
    taken = np.flatnonzero(part.view("present"))
    return {name: np.array(part.view(name)[taken]) for name in layout.VERDICT_FIELDS}


def of_file(file: Any) -> Verdicts:
    """All verdicts of a finished file; none if an older release made it."""
    if GROUP not in file:
        return empty()
    group = file[GROUP]
    return {
        name: np.array([each.encode() for each in group[name].asstr()[:]], field.dtype) if "S" in field.dtype
        else group[name][:].astype(field.dtype)
        for name, field in layout.VERDICT_FIELDS.items()
    }  # fmt: skip


def empty() -> Verdicts:
    """No verdicts."""
    return {name: np.zeros(0, field.dtype) for name, field in layout.VERDICT_FIELDS.items()}


def joined(found: Sequence[Verdicts]) -> Verdicts:
    """Several as one, each verdict once, in order of window, device and arrival; the first of twins speaks."""
    found = [empty(), *found]
    rows = {name: np.concatenate([each[name] for each in found]) for name in layout.VERDICT_FIELDS}
    new = Known().note_all(rows)
    order = np.flatnonzero(new)
    order = order[np.lexsort((rows["kept"][order], rows["device"][order], rows["start"][order], rows["stop"][order]))]
    return {name: values[order] for name, values in rows.items()}


class Shelf:
    """The parts of verdicts of one hour, open for writing."""

    def __init__(self, root: Path, hour: int, disk: Disk) -> None:
        self._folder, self._disk = layout.live_folder(root, hour), disk
        self._known = Known()
        self.part: Cells | None = None
        """What takes more rows, None if all parts are full or sealed."""
        self._next = 0
        self._full: list[Cells] = []
        for _ in range(3):  # a finishing child may merge and delete sealed parts while we open them
            try:
                self._open(layout.finished_path(root, hour))
                break
            except FileNotFoundError:
                self.close()
        else:
            self._open(layout.finished_path(root, hour))

    def _open(self, finished: Path) -> None:
        """Sealed parts first, then the finished file: what is merged in between is then in the latter."""
        self._known = Known()
        for path in sorted(self._folder.glob(f"verdicts.*{layout.SEALED}")):
            with closing(Cells(path, self._disk)) as part:
                self._known.note_all(of_part(part))
        for path in sorted(self._folder.glob(f"verdicts.*{layout.PART}")):
            self._take_up(Cells(path, self._disk, writable=True))
        if finished.exists():
            with open_finished(finished) as file:
                self._known.note_all(of_file(file))

    def _take_up(self, part: Cells) -> None:
        """A part of ours from an earlier life."""
        self._known.note_all(of_part(part))
        used = np.flatnonzero(part.view("present"))
        after = int(used[-1]) + 1 if len(used) else 0
        if self.part is None and after < layout.VERDICT_ROWS:
            self.part, self._next = part, after
        else:
            self._full.append(part)

    def place(self, rows: Iterable[dict[str, Any]]) -> tuple[Marks, int]:
        """Write the rows that are new; returns (presence bytes to write, how many were twins)."""
        rows = list(rows)
        new = [row for row in rows if self._known.note(row)]
        marks: Marks = []
        at = 0
        while at < len(new):
            part = self._with_room()
            some = new[at : at + layout.VERDICT_ROWS - self._next]
            cells = np.arange(self._next, self._next + len(some), dtype=np.int64)
            for name, field in layout.VERDICT_FIELDS.items():
                part.put(name, cells, np.array([row[name] for row in some], field.dtype))
            marks += [(part, *mark) for mark in part.marks(cells)]
            self._next += len(some)
            at += len(some)
        return marks, len(rows) - len(new)

    def _with_room(self) -> Cells:
        """A part that takes another row; made if there is none."""
        if self.part is not None and self._next < layout.VERDICT_ROWS:
            return self.part
        if self.part is not None:
            self._full.append(self.part)
        make_folder(self._folder)
        path = self._folder / layout.verdicts_name(secrets.token_hex(6))
        create_part(path, self._disk)
        self.part, self._next = Cells(path, self._disk, writable=True), 0
        return self.part

    def close(self) -> None:
        for part in [*self._full, *([self.part] if self.part else [])]:
            part.close()
        self._full, self.part = [], None


class Taken:
    """Verdicts that were taken and wait for the next commit of a writer."""

    def __init__(self, root: Path, disk: Disk) -> None:
        self._root, self._disk = root, disk
        self._shelves: dict[int, Shelf] = {}
        self._rows: list[tuple[int, dict[str, Any]]] = []
        self._twins = 0
        self.counters = {"verdicts": 0, "verdict_twins": 0}
        """Rows committed since this opening, and rows that came again."""

    @property
    def bytes(self) -> int:
        """What the next commit will write, at most."""
        return len(self._rows) * ROW_BYTES

    def take(self, verdict: Verdict, name_of: Callable[[int], str]) -> None:
        """For the next commit."""
        hour = layout.hour_of(verdict.stop)
        self._rows += [(hour, row) for row in rows_of(verdict, name_of)]

    def place(self, now: Now) -> tuple[Marks, set[int]]:
        """Write what was taken; returns the presence bytes to write, and the hours with new rows. Raises OSError."""
        marks: Marks = []
        hours: set[int] = set()
        self._twins = 0
        for hour in sorted({hour for hour, _ in self._rows}):
            if hour not in self._shelves:
                self._shelves[hour] = Shelf(self._root, hour, self._disk)
            found, twins = self._shelves[hour].place(row | {"kept": now.utc} for at, row in self._rows if at == hour)
            marks += found
            self._twins += twins
            if found:
                hours.add(hour)
        return marks, hours

    def committed(self) -> None:
        """What was placed is on the disk."""
        self.counters["verdicts"] += len(self._rows) - self._twins
        self.counters["verdict_twins"] += self._twins
        self._rows, self._twins = [], 0
        for hour in sorted(self._shelves)[:-OPEN]:
            self.forget(hour)

    def forget(self, hour: int) -> None:
        """Open the files of an hour anew when next needed."""
        if hour in self._shelves:
            self._shelves.pop(hour).close()

    def close(self) -> None:
        """Open all files anew when next needed; what was taken and not committed is still waiting."""
        for hour in list(self._shelves):
            self.forget(hour)


def create_part(path: Path, disk: Disk) -> None:
    """An empty part of verdicts."""
    shape = (layout.VERDICT_ROWS,)
    fields: Datasets = {name: (field, shape) for name, field in layout.VERDICT_FIELDS.items()}
    fields["present"] = (Field("|u1", (), "1 = there is a verdict; 0 = the other fields say nothing"), shape)
    create(path, fields, {"format": layout.FORMAT, "about": "SYMS archive part; verdicts, live"}, disk)


def write_group(out: Any, rows: Verdicts) -> None:
    """The group `verdicts` of a finished file: one dimension, `verdict`."""
    count = len(rows["start"])
    group = out.create_group(GROUP)
    scale = group.create_dataset("verdict", data=np.arange(count))
    scale.attrs["long_name"] = "verdict, in order of its window's end"
    scale.make_scale("verdict")
    for name, field in layout.VERDICT_FIELDS.items():
        if "S" in field.dtype:
            texts = np.array([each.decode(errors="replace") for each in rows[name].tolist()], dtype=object)
            data = group.create_dataset(name, data=texts, dtype=h5py.string_dtype())
        else:
            data = group.create_dataset(name, data=rows[name], chunks=(min(count, 1 << 16),), **PACKED)
        data.attrs["long_name"] = field.about
        data.dims[0].attach_scale(scale)
        if name in ("start", "stop", "kept"):
            data.attrs["units"] = layout.TIME_TEXT
            data.attrs["calendar"] = "proleptic_gregorian"


def of_hour(root: Path, hour: int) -> Verdicts:
    """All verdicts of an hour. Raises FileNotFoundError if its files are changing meanwhile."""
    paths = sorted(layout.live_folder(root, hour).glob("verdicts.*.h5"))
    finished = layout.finished_path(root, hour)
    with ExitStack() as stack:  # parts first: those merged and deleted meanwhile are then in the finished file
        parts = [stack.enter_context(closing(Cells(path, Disk()))) for path in paths]
        found = [of_file(stack.enter_context(open_finished(finished)))] if finished.exists() else []
        return joined(found + [of_part(part) for part in parts])
