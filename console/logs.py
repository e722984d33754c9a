"""The end of a process's log, and what is written to it meanwhile."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

REACH = 512 << 10
"""Bytes from the end that are looked at."""
AT_MOST = 4000
"""Characters of a line that are shown."""


@dataclass
class Tail:
    """Follows one file, through being begun anew."""

    path: Path
    _at: int = 0
    _inode: int = 0
    _rest: bytes = b""
    """A line that has no end yet."""

    def last(self, lines: int, holding: str = "") -> list[str]:
        """The last lines, of those that hold a text (in any case). Raises OSError."""
        with open(self.path, "rb") as file:
            self._inode, end = os.fstat(file.fileno()).st_ino, file.seek(0, os.SEEK_END)
            begin = max(0, end - REACH)
            file.seek(begin)
            raw = file.read(end - begin)
        self._at = begin + len(raw)
        whole, _, self._rest = raw.rpartition(b"\n")
        found = whole.split(b"\n")[begin > 0 :] if whole else []
        return _holding(found, holding)[-lines:]

    def more(self, holding: str = "") -> list[str]:
        """What was written since. Raises OSError."""
        with open(self.path, "rb") as file:
            inode, end = os.fstat(file.fileno()).st_ino, file.seek(0, os.SEEK_END)
            if inode != self._inode or end < self._at:
                self._inode, self._at, self._rest = inode, 0, b""
            file.seek(max(self._at, end - REACH))
            raw = self._rest + file.read(REACH)
            self._at = file.tell()
        whole, found, self._rest = raw.rpartition(b"\n")
        return _holding(whole.split(b"\n"), holding) if found else []


def _holding(lines: list[bytes], text: str) -> list[str]:
    shown = [line.decode(errors="replace")[:AT_MOST] for line in lines]
    return [line for line in shown if text.lower() in line.lower()]
