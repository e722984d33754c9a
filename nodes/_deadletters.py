"""Dead letters: windows that nobody could judge, one JSON object to a line, each window once."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from protocol.clock import Now
from protocol.messages import Window

FORMAT = 1
LIMIT = 64 << 20
"""Bytes of the file: then it is put aside under a name ending in `.1`, and the one that was there before is gone."""


Key = tuple[int, int, int]
"""(first device, start, number of samples) of a window."""


def letter_key(window: Window) -> Key:
    """What tells a window from others of its trigger."""
    return int(window.device[0]) if window.device.size else -1, window.start, window.values.shape[-1]


def _written(window: Window) -> dict[str, Any]:
    """Values and what was filled in; those of several devices, which are many, as base64 of little-endian float32."""
    if len(window.quantities) == 1:
        return {"values": window.values.tolist(), "filled": window.filled.tolist()}
    packed = base64.b64encode(np.ascontiguousarray(window.values, "<f4").tobytes()).decode()
    return {"values_base64": packed, "detail": window.detail}


class DeadLetters:
    """The file of one trigger. `trouble` says why it can't be written, "" if it can."""

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self.path, self.older, self._limit = path, path.with_name(path.name + ".1"), limit
        self.trouble = ""
        self._there: set[Key] = set()

    def expect(self, keys: Iterable[Key]) -> None:
        """These windows may have been written here in a life that ended before it could say so."""
        asked = set(keys)
        if not asked:
            return
        for path in (self.older, self.path):
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    self._there |= asked & {key for line in file for key in _keys(line)}
            except FileNotFoundError:
                continue
            except OSError as fault:
                self._tell(fault)

    def keep(self, window: Window, lease: int, attempts: int, error: str, now: Now) -> None:
        """Write a window down."""
        if letter_key(window) in self._there:
            return
        letter = {
            "format": FORMAT,
            "buried": now.utc,
            "lease": lease,
            "attempts": attempts,
            "error": error,
            "device": window.device.tolist(),
            "start": window.start,
            "rate": window.rate,
            "quantities": window.quantities,
            "samples": window.values.shape[-1],
            **_written(window),
        }
        try:
            self._append(json.dumps(letter).encode() + b"\n")
            self.trouble = ""
        except OSError as fault:
            self._tell(fault)

    def _append(self, line: bytes) -> None:
        """A line that a kill or a full disk left torn ends before the new one begins."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            if self.path.stat().st_size >= self._limit:
                os.replace(self.path, self.older)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            size = os.fstat(fd).st_size
            torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
            rest = memoryview(b"\n" + line if torn else line)
            while rest.nbytes:
                rest = rest[os.write(fd, rest) :]
        finally:
            os.close(fd)

    def _tell(self, fault: OSError) -> None:
        self.trouble = f"{self.path}: {fault.strerror}: dead letters are not kept; make room or rights"


def _keys(line: str) -> list[Key]:
    """Of a line; none if it is torn."""
    try:
        letter = json.loads(line)
        samples = letter["samples"] if "samples" in letter else len(letter["values"][0][0])
        return [(int(device), int(letter["start"]), int(samples)) for device in letter["device"][:1] or [-1]]
    except (ValueError, KeyError, TypeError, IndexError):
        return []
