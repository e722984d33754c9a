"""The archive's writer: takes the words of numbered streams, commits them about once a second.

    archive = Archive("data")
    archive.take(message)            # Configuration, Measurements, Tally, Verdict, Event, … in order
    archive.commit(now)              # rows -> undo -> presence -> watermark, see archive/watermark.py
    archive.standing()               # what is durable: where readers go on, what writers may forget

Killed at any moment, it opens again with exactly what its last commit held. What was taken and not committed is
given to it again by whoever holds the streams. A commit that fails (disk full) changes nothing and can be tried again.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from archive import folder, layout
from archive.alarms import ALARMS, row_of
from archive.answers import EVENTS, hour_of
from archive.books import Books
from archive.configurations import Register
from archive.disk import Disk, sync_folder
from archive.flags import FLAGS
from archive.flags import rows_of as rows_of_flags
from archive.judgements import Taken
from archive.openevents import OpenEvents
from archive.placing import Marks
from archive.rack import Batches, Rack
from archive.shelves import seal_part
from archive.statistics import STATISTICS, statistics_of
from archive.verdicts import VERDICTS, rows_of
from archive.watermark import Change, Watermark
from protocol.clock import Now
from protocol.messages import Alarm, Configuration, Event, Flags, Measurements, Minutes, Numbered, Table, Tally, Verdict

RESERVE = 64 << 20
"""Bytes that stay free on the disk."""


class Archive:
    """An archive folder, open for writing. Raises folder.ArchiveError if another process has it."""

    def __init__(self, path: str | os.PathLike[str], site: str = "", *, limit: int = layout.PART_LIMIT,
                 reserve: int = RESERVE, disk: Disk | None = None, judged: Collection[str] = (),
                 data: Path | None = None) -> None:  # fmt: skip
        """`site` is the text of the site file; `limit` bounds a part [bytes], `reserve` stays free [bytes]; of the
        suspicious verdicts of the triggers `judged` an event trigger makes events (see `OpenEvents`); `data` is the
        archive that has the raw data of events, if that is another one."""
        self.root = Path(path)
        self._disk, self._reserve = disk or Disk(), reserve
        folder.prepare(self.root, self._disk)
        self._lock = folder.writer_lock(self.root)
        try:
            folder.keep_site(self.root, site, self._disk)
            for left in (self.root / "live").glob("*/*.tmp"):
                left.unlink()
            self.register = Register(self.root / "configurations.jsonl", self._disk)
            self._watermark = Watermark(self.root, self._disk)
            self._watermark.undo()
            self._rack = Rack(self.root, self.register, self._disk, limit)
            sync_folder(self.root)
        except BaseException:
            self._lock.close()
            raise
        self.books = Books.from_json(self._watermark.state.get("books", {}))
        self._last: dict[int, int] = {int(k): v for k, v in self._watermark.state.get("last", {}).items()}
        self.open_events = OpenEvents(self.root, self.register, self._disk, self._watermark.state, judged, data)
        self._next = {key: stream.next for key, stream in self.books.streams.items()}
        self.verdicts = Taken(VERDICTS, self.root, self._disk)
        """All verdicts, suspicious or not."""
        self.statistics = Taken(STATISTICS, self.root, self._disk)
        self.answers = Taken(EVENTS, self.root, self._disk, "event_answers")
        """All answers of event triggers."""
        self.flags = Taken(FLAGS, self.root, self._disk)
        self.alarms = Taken(ALARMS, self.root, self._disk)
        self._failed = False
        self._clear()
        self.touched: dict[int, int] = {}
        """Hour [ns] -> monotonic [ns] of the last commit with rows for it."""

    def _clear(self) -> None:
        self._rows: Batches = {}
        self._tallies: list[Tally] = []
        self._gaps: set[tuple[str, int]] = set()
        self.held = 0
        """Rows taken and not committed."""
        self._changed = False

    def keep_site(self, text: str) -> None:
        """The site file has changed: events and finished files made from now on carry this one. Raises OSError."""
        folder.keep_site(self.root, text, self._disk)

    # taking

    def take(self, message: Numbered) -> bool:
        """Take a word of a stream; False if it was taken before, or is none that the archive keeps."""
        if isinstance(message, Configuration):
            return self.configure(message)
        if isinstance(message, Measurements):
            return self.add(message)
        if isinstance(message, Verdict):
            return self.verdict(message)
        if isinstance(message, Event):
            return self.event(message)
        if isinstance(message, Tally):
            return self.tally(message)
        if isinstance(message, Minutes):
            return self.minutes(message)
        if isinstance(message, Flags):
            return self.flag(message)
        if isinstance(message, Alarm):
            return self.alarm(message)
        self._is_new(message)
        return False

    def configure(self, message: Configuration) -> bool:
        """What the rows of a device mean from now on; also repeated for words that are gone."""
        if message.again or self._is_new(message):
            self._changed = True
            self.register.take(message)
            return True
        return False

    def add(self, message: Measurements) -> bool:
        """Rows; kept in memory until the next commit."""
        if not self._is_new(message):
            return False
        if len(message.device):
            table = Table(*message.table)
            number = self.register.numbers(message.device, table, (message.node, message.epoch))
            self._rows.setdefault(table, []).append((number, message))
            self.held += len(message.device)
        return True

    def tally(self, message: Tally) -> bool:
        """A receiver's own counts."""
        if self._is_new(message):
            self._tallies.append(message)
            return True
        return False

    def verdict(self, message: Verdict) -> bool:
        """It is kept; a suspicious one becomes, or joins, an event too."""
        if self._is_new(message):
            self.verdicts.take(message.stop, rows_of(message, self.register.name))
            self.open_events.verdict(message)
            return True
        return False

    def event(self, message: Event) -> bool:
        """An answer of an event trigger: it is kept, and its event gets a file."""
        if self._is_new(message):
            self.answers.take(hour_of(message.id, message.start), [self.open_events.event(message)])
            return True
        return False

    def minutes(self, message: Minutes) -> bool:
        """A concentrator's statistics."""
        if self._is_new(message):
            self.statistics.take(message.start, statistics_of(message, self.register.name))
            return True
        return False

    def flag(self, message: Flags) -> bool:
        """Spans of bad data."""
        if self._is_new(message):
            for time, row in rows_of_flags(message, self.register.name):
                self.flags.take(time, [row])
            return True
        return False

    def alarm(self, message: Alarm) -> bool:
        """A change of an alarm."""
        if self._is_new(message):
            self.alarms.take(message.time, [row_of(message)])
            return True
        return False

    @property
    def _ledgers(self) -> tuple[Taken, ...]:
        return self.verdicts, self.statistics, self.answers, self.flags, self.alarms

    def _is_new(self, message: Numbered) -> bool:
        """Words without a writer's name (offline use) are always new."""
        self._changed = True
        if not message.node:
            return True
        key = (message.node, message.epoch)
        expected = self._next.get(key, 0)
        if message.number < expected:
            return False
        if message.number > expected:
            self._gaps.add(key)
        self._next[key] = message.number + 1
        return True

    def standing(self) -> dict[tuple[str, int], int]:
        """(writer, epoch) -> all below this number is on disk."""
        return {key: stream.next for key, stream in self.books.streams.items()}

    # committing

    def commit(self, now: Now) -> bool:
        """Bring all that was taken to the disk; False if there was nothing. Raises OSError, to be tried again."""
        if not self._changed:
            return False
        if self._failed:
            self._forget_shelves()
            self._watermark.undo()
        self._failed = True
        books = self.books.copy()
        last = dict(self._last)
        self._check_room()
        marks, hours = self._rack.put(self._rows, books, last)
        said = [ledger.place(now) for ledger in self._ledgers]
        self._say(books)
        state = {"books": books.to_json(), "last": {str(device): time for device, time in last.items()},
                 **self.open_events.settle(now)}  # fmt: skip
        self._make_durable([*marks, *(mark for found, _ in said for mark in found)], state)
        self.books, self._last, self._failed = books, last, False
        self.touched.update(dict.fromkeys(hours.union(*(at for _, at in said)), now.monotonic))
        for ledger in self._ledgers:
            ledger.committed()
        self.open_events.committed()
        self._clear()
        self._rack.close_unused()
        return True

    def _say(self, books: Books) -> None:
        """Numbers, gaps and tallies into the books."""
        for key in self._gaps:
            books.stream(*key).gaps = True
        for word in self._tallies:
            if word.of:
                books.close(word.node, word.of, word)
            else:
                books.tally(word.node, word.epoch, word)
        for key, number in self._next.items():
            books.stream(*key).next = number
        books.sum_up()
        self._next = {key: stream.next for key, stream in books.streams.items()}

    def _make_durable(self, marks: Marks, state: dict[str, Any]) -> None:
        changes: list[Change] = [
            (str(part.path.relative_to(self.root)), offset, before) for part, offset, before, _ in marks
        ]
        self.register.sync()
        self._watermark.prepare(changes)
        for part, offset, _, after in marks:
            part.write_raw(offset, after)
        for part in {id(part): part for part, *_ in marks}.values():
            part.sync()
        self._watermark.commit(state)

    def _check_room(self) -> None:
        """Raises OSError if the disk has no room for what was taken."""
        need = sum(ledger.bytes for ledger in self._ledgers)
        for table, batches in self._rows.items():
            need += layout.row_bytes(table) * sum(len(number) for number, _ in batches)
        free = self._disk.free(self.root)
        if free < self._reserve + need:
            raise OSError(28, f"{self.root}: {free >> 20} MiB free, {self._reserve >> 20} MiB are kept; make room")

    def write_events(self, now: Now, settle: int, before: int, after: int, everything: bool = False) -> list[Path]:
        """Write events with their clips, from `before` ns before to `after` ns after the onset; commit afterwards.

        An event is due when nothing of it was heard for `settle` ns, and the data after it have come or are late; one
        of an event trigger also later, if its final answer does not come. `everything`: all events, as they are.
        """
        newest = max(self._last.values(), default=0)
        files = []
        for path in self.open_events.write(now, newest, settle, before, after, everything):
            files.append(path)
            self._changed = True
        return files

    # closing

    def _forget_shelves(self) -> None:
        self._rack.close()
        for ledger in self._ledgers:
            ledger.close()

    def seal(self, hour: int) -> int:
        """Seal the parts of an hour, so that they can be merged. Nothing may wait for commit. Returns how many."""
        if self._failed or self._changed:
            raise RuntimeError("seal before commit")
        self.forget(hour)
        paths = list(layout.live_folder(self.root, hour).glob(f"*{layout.PART}"))
        for path in paths:
            seal_part(path)
        self.touched.pop(hour, None)
        return len(paths)

    def forget(self, hour: int) -> None:
        """Open the files of an hour anew when next needed (a finishing process changed them)."""
        self._rack.forget(hour)
        for ledger in self._ledgers:
            ledger.forget(hour)
        folder.remove_empty(layout.live_folder(self.root, hour))

    def close(self) -> None:
        """Free files and the lock. Does not commit."""
        self._forget_shelves()
        self._watermark.close()
        self.register.close()
        self._lock.close()
