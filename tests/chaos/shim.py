"""The preloaded library `shim.c`: building it, giving it commands, and undoing what was not synced (a power cut)."""

from __future__ import annotations

import mmap
import os
import random
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LAYOUT = struct.Struct("<10iqq64s")
NAMES = ("kill", "stride", "first", "after_ms", "lives", "kills", "error", "delay_us", "undo", "last_k", "clock_ns",
         "calls", "who")  # fmt: skip
SOURCE = Path(__file__).with_name("shim.c")


def build(folder: Path) -> Path:
    """The library, made with the machine's C compiler."""
    library = folder / "shim.so"
    command = ["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl", "-lpthread"]
    subprocess.run(command, check=True, capture_output=True)
    return library


class Shim:
    """Its commands. `folder` holds library, control file and undo logs; it watches everything below `below`."""

    def __init__(self, folder: Path, below: list[Path], **settings: int | str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.library = build(self.folder)
        path = self.folder / "control"
        path.write_bytes(bytes(LAYOUT.size))
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), LAYOUT.size)
        usual: dict[str, int | str] = {"stride": 1, "first": 1, "after_ms": 2500}
        self.set(**(usual | settings))
        self.environment = {
            "LD_PRELOAD": str(self.library),
            "CHAOS_CONTROL": str(path),
            "CHAOS_BELOW": ":".join(str(each.resolve()) for each in below),
            "CHAOS_UNDO": str(self.folder),
        }

    def get(self, name: str) -> int:
        """What stands there now; the library counts there too."""
        offset, size = _place(name)
        return int.from_bytes(self._map[offset : offset + size], "little", signed=True)

    def set(self, **settings: int | str) -> None:
        """New commands, in force at once."""
        for name, value in settings.items():
            offset, size = _place(name)
            raw = value.encode().ljust(size, b"\0") if isinstance(value, str) else value.to_bytes(
                size, "little", signed=True)  # fmt: skip
            self._map[offset : offset + size] = raw


def _place(name: str) -> tuple[int, int]:
    """(offset, bytes) of a field of `struct control`."""
    at = NAMES.index(name)
    if name == "who":
        return 56, 64
    return (at * 4, 4) if at < 10 else (40 + (at - 10) * 8, 8)


class Record(NamedTuple):
    """One line of an undo log."""

    what: str
    path: str
    other: str = ""
    offset: int = 0
    size: int = 0
    """Of the file before."""
    old: bytes = b""
    length: int = 0
    """Bytes that were to be written."""


def records(log: Path) -> Iterator[Record]:
    """What an undo log says, oldest first; a last line that was cut off is none."""
    data, at = log.read_bytes(), 0
    while (end := data.find(b"\n", at)) >= 0:
        words = data[at:end].decode().split("\t")
        at = end + 1
        if words[0] == "W":
            length = int(words[3])
            if at + length > len(data):
                return
            yield Record("W", words[1], "", int(words[2]), int(words[4]), data[at : at + length], int(words[5]))
            at += length
        elif words[0] == "S":
            yield Record("S", words[1])
        else:
            yield Record("R", words[1], words[2])


def power_cut(folder: Path, dice: random.Random) -> tuple[int, int]:
    """Take back what was not synced when the power went: all processes are dead. Returns (writes undone, left).

    A disk may have written any of it on its own, in any order: each is taken back by the throw of a coin, except that
    a file's size never says more than what was written there. A rename whose folder was not synced may be undone too.
    """
    undone = left = 0
    for log in sorted(folder.glob("*.undo")):
        found = list(records(log))
        log.unlink()
        open_: dict[str, list[Record]] = {}
        moves: list[Record] = []
        for each in found:
            if each.what == "S":
                open_.pop(each.path, None)
                moves = [move for move in moves if os.path.dirname(move.other) != each.path]
            elif each.what == "W":
                open_.setdefault(each.path, []).append(each)
            else:
                if each.path in open_:
                    open_[each.other] = open_.pop(each.path)
                moves.append(each)
        for path, writes in open_.items():
            a, b = _undo_file(path, writes, dice)
            undone, left = undone + a, left + b
        for move in reversed(moves):
            if dice.random() < 0.5 and os.path.exists(move.other) and not os.path.exists(move.path):
                os.rename(move.other, move.path)
                undone += 1
    return undone, left


def _undo_file(path: str, writes: list[Record], dice: random.Random) -> tuple[int, int]:
    if not os.path.exists(path):
        return 0, 0
    undone = 0
    everything = dice.random() < 0.5
    with open(path, "r+b") as file:
        for each in reversed(writes):
            if everything or dice.random() < 0.5:
                file.seek(each.offset)
                file.write(each.old.ljust(each.length, b"\0"))  # what was appended and never came reads as zeros
                undone += 1
        if everything:
            file.truncate(writes[0].size)
    return undone, len(writes) - undone
