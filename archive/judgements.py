"""Where the rows of a ledger are written: parts of one hour, and what waits for the writer's next commit."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from archive import layout
from archive.disk import Disk, make_folder
from archive.ledgers import Ledger
from archive.parts import Cells
from archive.sources import open_finished
from protocol.clock import Now

Marks = list[tuple[Cells, int, bytes, bytes]]
"""(part, offset, presence bytes before, and after)."""
OPEN = 4
"""Hours whose parts are kept open at a time."""


class Shelf:
    """The parts of one hour, open for writing."""

    def __init__(self, ledger: Ledger, root: Path, hour: int, disk: Disk) -> None:
        self._ledger, self._folder, self._disk = ledger, layout.live_folder(root, hour), disk
        self._known = ledger.known()
        self.part: Cells | None = None
        """What takes more rows, None if all parts are full or sealed."""
        self._next = 0
        self._full: list[Cells] = []
        for _ in range(3):  # a finishing child may merge and delete sealed parts while we open them
            try:
                self._open(root, hour)
                break
            except FileNotFoundError:
                self.close()
        else:
            self._open(root, hour)

    def _open(self, root: Path, hour: int) -> None:
        """Sealed parts first, then the finished file: what is merged in between is then in the latter."""
        ledger = self._ledger
        self._known = ledger.known()
        for path in sorted(self._folder.glob(f"{ledger.name}.*{layout.SEALED}")):
            with closing(Cells(path, self._disk)) as part:
                ledger.note_all(self._known, ledger.of_part(part, ledger.key))
        for path in sorted(self._folder.glob(f"{ledger.name}.*{layout.PART}")):
            self._take_up(Cells(path, self._disk, writable=True))
        for path in (layout.finished_path(root, hour), layout.overview_path(root, hour)):
            if path.exists():
                with open_finished(path) as file:
                    ledger.note_all(self._known, ledger.of_file(file, ledger.key))

    def _take_up(self, part: Cells) -> None:
        """A part of ours from an earlier life."""
        self._ledger.note_all(self._known, self._ledger.of_part(part, self._ledger.key))
        used = np.flatnonzero(part.view("present"))
        after = int(used[-1]) + 1 if len(used) else 0
        if self.part is None and after < self._ledger.capacity():
            self.part, self._next = part, after
        else:
            self._full.append(part)

    def place(self, rows: Iterable[dict[str, Any]]) -> tuple[Marks, int]:
        """Write the rows that are new; returns (presence bytes to write, how many were twins)."""
        rows = list(rows)
        new = [row for row in rows if self._known.note(row)]
        marks: Marks = []
        capacity, texts = self._ledger.capacity(), self._ledger.texts
        at = 0
        while at < len(new):
            part = self._with_room()
            some = new[at : at + capacity - self._next]
            cells = np.arange(self._next, self._next + len(some), dtype=np.int64)
            for name, field in self._ledger.fields.items():
                column = [row[name].encode() if name in texts else row[name] for row in some]
                part.put(name, cells, np.array(column, field.dtype))
            marks += [(part, *mark) for mark in part.marks(cells)]
            self._next += len(some)
            at += len(some)
        return marks, len(rows) - len(new)

    def _with_room(self) -> Cells:
        """A part that takes another row; made if there is none."""
        if self.part is not None and self._next < self._ledger.capacity():
            return self.part
        if self.part is not None:
            self._full.append(self.part)
        make_folder(self._folder)
        path = self._folder / f"{self._ledger.name}.{secrets.token_hex(6)}{layout.PART}"
        self._ledger.create_part(path, self._disk)
        self.part, self._next = Cells(path, self._disk, writable=True), 0
        return self.part

    def close(self) -> None:
        for part in [*self._full, *([self.part] if self.part else [])]:
            part.close()
        self._full, self.part = [], None


class Taken:
    """Rows that were taken and wait for the next commit of a writer."""

    def __init__(self, ledger: Ledger, root: Path, disk: Disk, name: str = "") -> None:
        """`name` is that of its counter, if not the ledger's."""
        self._ledger, self._root, self._disk = ledger, root, disk
        self._name = name or ledger.name
        self._shelves: dict[int, Shelf] = {}
        self._rows: list[tuple[int, dict[str, Any]]] = []
        self._twins = 0
        self.counters = {self._name: 0, f"{ledger.row}_twins": 0}
        """Rows committed since this opening, and rows that came again."""

    @property
    def bytes(self) -> int:
        """What the next commit will write, at most."""
        return len(self._rows) * self._ledger.row_bytes

    def take(self, time: int, rows: Iterable[dict[str, Any]]) -> None:
        """For the next commit; `time` [ns] says in which hour."""
        hour = layout.hour_of(time)
        self._rows += [(hour, row) for row in rows]

    def place(self, now: Now) -> tuple[Marks, set[int]]:
        """Write what was taken; returns the presence bytes to write, and the hours with new rows. Raises OSError."""
        marks: Marks = []
        hours: set[int] = set()
        self._twins = 0
        for hour in sorted({hour for hour, _ in self._rows}):
            if hour not in self._shelves:
                self._shelves[hour] = Shelf(self._ledger, self._root, hour, self._disk)
            found, twins = self._shelves[hour].place(row | {"kept": now.utc} for at, row in self._rows if at == hour)
            marks += found
            self._twins += twins
            if found:
                hours.add(hour)
        return marks, hours

    def committed(self) -> None:
        """What was placed is on the disk."""
        self.counters[self._name] += len(self._rows) - self._twins
        self.counters[f"{self._ledger.row}_twins"] += self._twins
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
