"""Where verdicts are written: parts of one hour, and what waits for the writer's next commit."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from archive import layout
from archive.disk import Disk, make_folder
from archive.layout import Field
from archive.parts import Cells, Datasets, create
from archive.sources import open_finished
from archive.verdicts import KEY, TEXTS, Known, of_file, of_part, rows_of
from protocol.clock import Now
from protocol.messages import Verdict

ROW_BYTES = 1 + sum(np.dtype(field.dtype).itemsize for field in layout.VERDICT_FIELDS.values())
"""Of one row of a part."""
Marks = list[tuple[Cells, int, bytes, bytes]]
"""(part, offset, presence bytes before, and after)."""
OPEN = 4
"""Hours whose parts are kept open at a time."""


def create_part(path: Path, disk: Disk) -> None:
    """An empty part of verdicts."""
    shape = (layout.VERDICT_ROWS,)
    fields: Datasets = {name: (field, shape) for name, field in layout.VERDICT_FIELDS.items()}
    fields["present"] = (Field("|u1", (), "1 = there is a verdict; 0 = the other fields say nothing"), shape)
    create(path, fields, {"format": layout.FORMAT, "about": "SYMS archive part; verdicts, live"}, disk)


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
                self._known.note_all(of_part(part, KEY))
        for path in sorted(self._folder.glob(f"verdicts.*{layout.PART}")):
            self._take_up(Cells(path, self._disk, writable=True))
        if finished.exists():
            with open_finished(finished) as file:
                self._known.note_all(of_file(file, KEY))

    def _take_up(self, part: Cells) -> None:
        """A part of ours from an earlier life."""
        self._known.note_all(of_part(part, KEY))
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
                column = [row[name].encode() if name in TEXTS else row[name] for row in some]
                part.put(name, cells, np.array(column, field.dtype))
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
