"""Events that have no file yet: from suspicious verdicts alone, or from the answers of an event trigger.

Where an event trigger reads the trigger of a verdict, the answers say what came of it, and the verdict makes no event
of its own. What waits stands in the watermark: of verdicts all, of answers where they are in the ledger.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from archive import answers
from archive.configurations import Register
from archive.disk import Disk
from archive.events import Pending, Said, key_of, matters, plain, unwritten, write_event
from archive.records import is_filed, write_record
from archive.waiting import Waiting, entry_of
from protocol.clock import Now
from protocol.messages import Event, Verdict


class OpenEvents:
    """Of one archive, which commits them with its rows."""

    def __init__(self, root: Path, register: Register, disk: Disk, state: dict[str, Any],
                 judged: Collection[str] = (), data: Path | None = None) -> None:  # fmt: skip
        """`state` is that of the watermark. `judged` are the event triggers, and the triggers that they read. `data` is
        the archive that has the raw data, if that is another one."""
        self._root, self._register, self._disk, self._judged = root, register, disk, set(judged)
        self._data = data
        self.pending = Pending({key_of(said): said for said in state.get("events", [])})
        """Suspicious verdicts that are not in an event file yet."""
        self.waiting = Waiting(dict(state.get("waiting", {})))
        """Events of event triggers whose file is not made yet."""
        self._verdicts: list[Said] = []
        self._answers: list[answers.Said] = []
        self.counters = {"events": 0, "events_rejected": 0, "events_unfinished": 0, "events_lost": 0}
        """Files written since this opening; those that were no disturbance, and those without a final answer; events
        whose answers were gone."""

    def verdict(self, message: Verdict) -> None:
        """It becomes, or joins, an event if it is suspicious and no event trigger sees to that."""
        if matters(message) and message.trigger not in self._judged:
            names = [self._register.name(int(device)) or str(device) for device in message.device]
            self._verdicts.append(plain(message, names))

    def event(self, message: Event) -> dict[str, Any]:
        """An answer of an event trigger. Returns its row in the ledger."""
        said = answers.plain(message, self._register.current)
        self._answers.append(said)
        return answers.row_of(message, said)

    def settle(self, now: Now) -> dict[str, Any]:
        """What was taken waits from now on, unless a file has it. Returns the state for the watermark."""
        for each in unwritten(self._root, self._verdicts):
            self.pending.add(each, now.monotonic)
        for each in self._answers:
            entry = entry_of(each)
            if not is_filed(self._root, each["id"], entry["hour"], entry["answer"], entry["final"]):
                self.waiting.add(each["id"], entry, now.monotonic)
        return {"events": list(self.pending.verdicts.values()), "waiting": self.waiting.events}

    def committed(self) -> None:
        """What waits is on the disk."""
        self._verdicts, self._answers = [], []

    def write(self, now: Now, newest: int, settle: int, before: int, after: int, everything: bool) -> Iterator[Path]:
        """See `Archive.write_events`; `newest` [ns] is the time of the newest row. Raises OSError, ArchiveError."""
        settle = 0 if everything else settle
        for verdicts in self.pending.due(now.monotonic, settle):
            there = newest >= max(said["onset"] for said in verdicts) + after
            if everything or there or self.pending.quiet(verdicts, now.monotonic) >= settle + after:
                path = write_event(self._root, verdicts, before, after, self._disk, self._data)
                self.pending.forget(verdicts)
                self.counters["events"] += 1
                yield path
        due = self.waiting.due(now.monotonic, settle, after, newest)
        for name in list(self.waiting.events) if everything else due:
            written = self._write_record(name, before, after)
            if written is not None:
                yield written

    def _write_record(self, name: str, before: int, after: int) -> Path | None:
        entry = self.waiting.events[name]
        written = write_record(self._root, name, entry["hour"], before, after, self._disk, self._data)
        self.waiting.forget(name)
        if written is None:  # somebody removed files of that hour
            self.counters["events_lost"] += 1
            return None
        self.counters["events"] += 1
        self.counters["events_unfinished"] += not written.final
        self.counters["events_rejected"] += written.rejected
        return written.path
