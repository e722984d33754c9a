"""Numbers for devices that the site admits but does not list: given once, kept in a file, never given again."""

from __future__ import annotations

import json
import os
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
        if path.exists():
            self._read()

    def _read(self) -> None:
        try:
            content = json.loads(self.path.read_text())
            if content["format"] != FORMAT:
                raise RegistryError(f"{self.path}: format {content['format']}, this release reads {FORMAT}")
            self.numbers = {(each["address"], each["stream"]): each["number"] for each in content["devices"]}
        except (ValueError, KeyError, TypeError, OSError) as fault:
            raise RegistryError(
                f"{self.path}: not a device registry ({fault}); restore it from a backup, or move it away and "
                "admitted devices get new numbers"
            ) from fault

    def number(self, address: str, stream: int, taken: set[int]) -> int | None:
        """The number of this identity, a new one if it has none; None if all are given.

        `taken` are numbers that the site file gives itself.
        """
        known = self.numbers.get((address, stream))
        if known is not None:
            return known
        used = taken | set(self.numbers.values())
        free = next((number for number in range(FIRST, LAST + 1) if number not in used), None)
        if free is not None:
            self.numbers[address, stream] = free
            self._write()
        return free

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
