"""Numbers for devices that the site admits but does not list: given once, kept in a file, never given again."""

from __future__ import annotations

import json
import os
from collections.abc import Container
from pathlib import Path
from typing import Any

FORMAT = 1
FIRST = 32_768
"""Admitted devices are numbered from here, so that a site file can list its own from 1 without clashing."""
LAST = 65_535


class RegistryError(Exception):
    """The registry file can't be used; says which file and what to do."""


class Registry:
    """Identity (address, stream) -> link number. The file is replaced as a whole, so a kill leaves old or new."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.numbers: dict[tuple[str, int], int] = {}
        self._identities: dict[int, tuple[str, int]] = {}
        self._free = FIRST
        if path.exists():
            self._read()

    def _read(self) -> None:
        try:
            content = json.loads(self.path.read_text())
            if content["format"] != FORMAT:
                raise RegistryError(f"{self.path}: format {content['format']}, this release reads {FORMAT}")
            self.numbers = {(each["address"], each["stream"]): each["number"] for each in content["devices"]}
            self._identities = {number: identity for identity, number in self.numbers.items()}
        except (ValueError, KeyError, TypeError, OSError) as fault:
            raise RegistryError(
                f"{self.path}: not a device registry ({fault}); restore it from a backup, or move it away and "
                "admitted devices get new numbers"
            ) from fault

    def identity(self, number: int) -> tuple[str, int] | None:
        """(address, stream) that has this number."""
        return self._identities.get(number)

    def number(self, address: str, stream: int, taken: Container[int]) -> int | None:
        """The number of this identity, a new one if it has none; None if all are given.

        `taken` are numbers that the site file gives itself. Raises RegistryError if it can't be written down.
        """
        known = self.numbers.get((address, stream))
        if known is not None:
            return known
        while self._free <= LAST and (self._free in self._identities or self._free in taken):
            self._free += 1
        if self._free > LAST:
            return None
        self.numbers[address, stream] = self._free
        try:
            self._write()
        except OSError as fault:
            del self.numbers[address, stream]
            raise RegistryError(f"{self.path}: {fault.strerror}") from fault
        self._identities[self._free] = address, stream
        return self._free

    def _write(self) -> None:
        devices: list[dict[str, Any]] = [
            {"address": address, "stream": stream, "number": number}
            for (address, stream), number in sorted(self.numbers.items(), key=lambda item: item[1])
        ]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(self.path.name + ".new")
        with open(fresh, "w") as file:
            json.dump({"format": FORMAT, "devices": devices}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
