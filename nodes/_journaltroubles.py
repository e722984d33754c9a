"""What is wrong with a journal, and what to do about it: a sentence for each trouble, as long as it lasts."""

from __future__ import annotations

import errno
from pathlib import Path

from protocol.clock import MILLISECOND, SECOND

REMEMBER = 60 * SECOND
"""How long the alarm stays after words had to be deleted."""
TELL_CUT = 3600 * SECOND
"""How long the alarm stays after a damaged journal was opened."""
FULL = (errno.ENOSPC, errno.EDQUOT)


class JournalTroubles:
    """Of one journal. Times are monotonic ns."""

    def __init__(self, folder: Path, cut: str, now: int) -> None:
        """`cut`: what was found damaged when it was opened."""
        self._folder, self._opened_at = folder, now
        self._bound_at = now - REMEMBER
        self._told: dict[str, str] = {}
        if cut:
            self._told["cut"] = f"{folder}: found damaged at the start: {cut}; all before that is used"

    def __contains__(self, trouble: str) -> bool:
        return trouble in self._told

    def told(self, now: int) -> str:
        """All of them, "" if there is none."""
        if now - self._opened_at > TELL_CUT:
            self.over("cut")
        return "; ".join(self._told.values())

    def over(self, trouble: str) -> None:
        """One of `slow`, `write`, `trim`, `sync`."""
        self._told.pop(trouble, None)

    def slow(self, patience: int) -> None:
        """A write takes longer than the node waits for it [ns]."""
        self._told["slow"] = (
            f"{self._folder}: a write takes longer than {patience // MILLISECOND} ms, words are sent "
            "before they are written; find what else keeps this disk busy, or use another one"
        )

    def write(self, fault: OSError) -> None:
        """The disk refuses to write."""
        remedy = "free space" if fault.errno in FULL else "check the disk"
        self._told["write"] = f"{self._folder}: {fault.strerror}, words are sent that no restart will have; {remedy}"

    def trim(self, fault: OSError) -> None:
        """The disk refuses to delete."""
        self._told["trim"] = f"{self._folder}: {fault.strerror}, nothing is deleted; check the disk"

    def sync(self, fault: OSError) -> None:
        """The disk refuses to make safe what was written."""
        self._told["sync"] = f"{self._folder}: {fault.strerror}, a power cut takes what was not synced; check the disk"

    def bound(self, dropped: int, now: int) -> None:
        """So many words had to be deleted just now, if any."""
        if dropped:
            self._bound_at = now
            self._told["bound"] = (
                f"{self._folder}: {dropped} words were deleted that a reader did not have yet; "
                "start the readers, or let the journal keep more"
            )
        elif now - self._bound_at > REMEMBER:
            self.over("bound")

    def ours(self, fault: Exception) -> None:
        """What is no fault of the disk."""
        self._told["fault"] = f"{self._folder}: {fault!r}, words were not written; report this"

    def stopped(self, fault: BaseException) -> None:
        """A thread has ended."""
        self._told["thread"] = f"{self._folder}: the journal has stopped ({fault!r}); restart this process"
