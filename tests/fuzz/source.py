"""Bytes of a fuzzer as choices: whatever they are, they mean something."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
SCRATCH = "syms-fuzz-{}-"


def scratch() -> Path:
    """A new folder, in memory where there is one; its name tells the process, since libFuzzer ends without a word."""
    prefix = SCRATCH.format(os.getpid())
    return Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY if MEMORY.is_dir() else None))


def left_by(process: int) -> list[Path]:
    """Folders of a process that is gone."""
    folder = MEMORY if MEMORY.is_dir() else Path(tempfile.gettempdir())
    return list(folder.glob(SCRATCH.format(process) + "*"))


class Source:
    """Takes from the front; what is not there any more is 0 or empty."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    @property
    def left(self) -> int:
        """Bytes not taken yet."""
        return len(self.data) - self.at

    def take(self, size: int) -> bytes:
        """Up to so many bytes."""
        found = self.data[self.at : self.at + size]
        self.at += len(found)
        return found

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.left)

    def below(self, limit: int) -> int:
        """A number in [0, limit)."""
        size = 1 if limit <= 1 << 8 else 2 if limit <= 1 << 16 else 4
        return int.from_bytes(self.take(size), "big") % limit
