"""Numbers for devices that the site admits but does not list: given once, kept in a file, never given again.

A disk takes its time to make a file safe, and devices come in crowds: numbers are given first and saved together.
Nobody is told a number before it is saved.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Container
from pathlib import Path
from typing import Any

FORMAT = 1
FIRST = 32_768
"""Admitted devices are numbered from here, so that a site file can list its own from 1 without clashing."""
LAST = 65_535
PER_ADDRESS_AT_MOST = 4096
"""Numbers for one address: somebody who tries all IDCODEs leaves some to others."""


class RegistryError(Exception):
    """The registry file can't be used; says which file and what to do."""


class Registry:
    """Identity (address, stream) -> link number. The file is replaced as a whole, so a kill leaves old or new."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.numbers: dict[tuple[str, int], int] = {}
        self._identities: dict[int, tuple[str, int]] = {}
        self._unsaved: dict[int, tuple[str, int]] = {}
        self._of_address: Counter[str] = Counter()
        self._free = FIRST
        if path.exists():
            self._read()

    def _read(self) -> None:
        try:
            content = json.loads(self.path.read_text())
            if content["format"] > FORMAT:
                raise RegistryError(
                    f"{self.path}: format {content['format']}, this release knows up to {FORMAT}; use a newer one"
                )
            self.numbers = {(each["address"], each["stream"]): each["number"] for each in content["devices"]}
            self._identities = {number: identity for identity, number in self.numbers.items()}
            self._of_address = Counter(address for address, _ in self.numbers)
        except (ValueError, KeyError, TypeError, OSError) as fault:
            raise RegistryError(
                f"{self.path}: not a device registry ({fault}); restore it from a backup, or move it away and "
                "admitted devices get new numbers"
            ) from fault

    def identity(self, number: int) -> tuple[str, int] | None:
        """(address, stream) that has this number."""
        return self._identities.get(number)

    def number(self, address: str, stream: int, taken: Container[int]) -> int | None:
        """The number of this identity, a new one if it has none, which is to be saved; None if all are given.

        `taken` are numbers that the site file gives itself.
        """
        known = self.numbers.get((address, stream))
        if known is not None:
            return known
        while self._free <= LAST and (self._free in self._identities or self._free in taken):
            self._free += 1
        if self._free > LAST or self._of_address[address] >= PER_ADDRESS_AT_MOST:
            return None
        self._of_address[address] += 1
        self.numbers[address, stream] = self._free
        self._identities[self._free] = self._unsaved[self._free] = address, stream
        return self._free

    def is_saved(self, number: int) -> bool:
        """Whether it may be told."""
        return number not in self._unsaved

    def save(self) -> None:
        """Write down what is new. Raises RegistryError: then the new numbers are nobody's again."""
        unsaved, self._unsaved = self._unsaved, {}
        if not unsaved:
            return
        try:
            self._write()
        except OSError as fault:
            for number, identity in unsaved.items():
                del self.numbers[identity], self._identities[number]
                self._of_address[identity[0]] -= 1
            self._free = FIRST
            raise RegistryError(f"{self.path}: {fault.strerror}") from fault

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
