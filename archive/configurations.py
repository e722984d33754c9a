"""What the columns of the archive mean: configurations as JSON, their identity, and the register of all of them.

Rows do not say which configuration they were decoded by: it is the last one that stood before them in
their stream. A device that moved to another receiver may have its old rows come after its new configuration: they
are of different streams. The register is an append-only file of lines `crc32 json`, synced before the rows that need it
are committed; a torn last line was never needed and is cut off.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archive.disk import Disk
from protocol.messages import U4, Configuration, Numbered, Table, split_device

NUMBERING = {spec.name for spec in dataclasses.fields(Numbered)} | {"again"}
COUNTED = {"version", "count"}
"""Fields that may change while the rows still mean the same."""
POSITION = {"latitude", "longitude", "elevation"}
"""Fields where JSON's null is NaN."""

STREAMS = 64
"""Tables of streams whose numbers are kept at hand; a writer's every epoch is a stream."""

NO_DEVICES, NO_NUMBERS = np.zeros(0, np.uint32), np.zeros(0, np.int64)


def to_json(configuration: Configuration) -> str:
    """All fields but the numbering; the same text for the same content."""
    fields = _fields(configuration, NUMBERING)
    return json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def from_json(text: str) -> Configuration:
    """Inverse of `to_json`; unknown fields (of a newer release) are ignored. Raises ValueError."""
    known = {spec.name for spec in dataclasses.fields(Configuration)}
    fields = {key: value for key, value in json.loads(text).items() if key in known}
    for key in POSITION & fields.keys():
        fields[key] = math.nan if fields[key] is None else fields[key]
    try:
        return Configuration(**fields | {"table": tuple(fields["table"])})
    except (KeyError, TypeError) as fault:
        raise ValueError(f"not a configuration: {fault}") from fault


def identity(configuration: Configuration) -> str:
    """The same for two configurations whose rows may stand in one column."""
    text = json.dumps(_fields(configuration, NUMBERING | COUNTED), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _fields(configuration: Configuration, without: set[str]) -> dict[str, Any]:
    without = without if configuration.components else without | {"components"}  # as before there were any
    told = {key: _plain(value) for key, value in vars(configuration).items() if key not in without}
    return told | {"table": list(Table(*configuration.table).key)}


@lru_cache(maxsize=16384)
def recognised(text: str) -> tuple[str, Configuration]:
    """(identity, configuration) of its JSON: hour after hour holds the same ones. Raises ValueError."""
    found = from_json(text)
    return identity(found), found


def _plain(value: Any) -> Any:
    """What JSON can say, and reads back as the same."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def placeholder(device: int, table: Table) -> Configuration:
    """For rows whose configuration never came: kept under names that say so."""
    link, station = split_device(device)
    return Configuration(
        device=device, version=0, link=f"link {link}", stream=0, station=0, name=f"device {link}.{station}",
        protocol="unknown", table=table.key,
        time_base=0, nominal=0, count=0,
        phasors=[f"phasor {number}" for number in range(1, table.phasors + 1)], phasor_units=["V"] * table.phasors,
        analogs=[f"analog {number}" for number in range(1, table.analogs + 1)],
        analog_units=["instantaneous"] * table.analogs,
        digitals=[[f"bit {bit}" for bit in range(16)] for _ in range(table.digitals)],
        digital_normal=[0] * table.digitals, digital_valid=[0] * table.digitals,
        components=[float(number) for number in range(1, table.components + 1)] if table.spectrum else [],
    )  # fmt: skip


class Register:
    """Every configuration of an archive, each with a number that holds while the register is open."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self.all: list[Configuration] = []
        self.keys: list[str] = []
        """Identity of each."""
        self._texts: dict[int, bytes] = {}
        self._number: dict[str, int] = {}
        self._current: dict[int, int] = {}
        self._looked: dict[tuple[Table, tuple[str, int]], tuple[NDArray[Any], NDArray[np.int64]]] = {}
        """(table, (writer, epoch)) -> (devices asked for, ascending; their numbers)."""
        self._said: dict[tuple[str, int, int], int] = {}
        """(writer, epoch, device) -> the last one in that stream; older ones are known by device alone."""
        self._disk = disk
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self._length = self._load(path.read_bytes())
        os.ftruncate(self._fd, self._length)
        self._unwritten = b""
        """Lines taken since the last `sync`: only there may the disk be full."""

    def _load(self, content: bytes) -> int:
        """Take all whole lines; returns where a torn one begins. A damaged line among them is passed over."""
        *lines, torn = content.split(b"\n")
        for line in lines:
            crc, _, text = line.partition(b" ")
            if crc == b"%08x" % zlib.crc32(text):
                self._take(from_json(text.decode()))
        return len(content) - len(torn)

    def _take(self, configuration: Configuration) -> int:
        number = self._current[configuration.device] = self.number(configuration)
        return number

    def take(self, configuration: Configuration) -> int:
        """This configuration holds from now on for its device. Returns its number."""
        before = self._current.get(configuration.device)
        fresh = len(self.all)
        number = self._take(configuration)
        self._said[configuration.node, configuration.epoch, configuration.device] = number
        self._look_again(configuration.device)
        if number != before:
            text = self.text(number) if number == fresh else to_json(configuration).encode()
            self._unwritten += b"%08x %s\n" % (zlib.crc32(text), text)
        return number

    def _look_again(self, device: int) -> None:
        """What `numbers` knows of it may hold no more."""
        for (table, writer), (known, numbers) in self._looked.items():
            at = int(known.searchsorted(device))
            if at < known.size and known[at] == device:
                numbers[at] = self._in_force(device, table, writer)

    def number(self, configuration: Configuration) -> int:
        """Number of a configuration found in a file, whether it is in force or not."""
        key = identity(configuration)
        number = self._number.setdefault(key, len(self.all))
        if number == len(self.all):
            self.all.append(configuration)
            self.keys.append(key)
        return number

    def text(self, number: int) -> bytes:
        """JSON of a configuration, made once: every new part needs that of every device."""
        if number not in self._texts:
            self._texts[number] = to_json(self.all[number]).encode()
        return self._texts[number]

    def numbers(self, device: U4, table: Table, writer: tuple[str, int] = ("", 0)) -> NDArray[np.int64]:
        """[n] Number of the configuration in force for each row of a table in a (writer, epoch)'s stream."""
        known, numbers = self._looked.get((table, writer), (NO_DEVICES, NO_NUMBERS))
        at = known.searchsorted(device)
        if not len(known) or (known.take(at, mode="clip") != device).any():
            fresh = np.setdiff1d(device, known)
            found = np.array([self._in_force(each, table, writer) for each in fresh.tolist()], dtype=np.int64)
            place = known.searchsorted(fresh)
            known, numbers = np.insert(known, place, fresh), np.insert(numbers, place, found)
            self._looked[table, writer] = known, numbers
            if len(self._looked) > STREAMS:
                del self._looked[next(iter(self._looked))]
            at = known.searchsorted(device)
        return numbers[at]

    def _in_force(self, device: int, table: Table, writer: tuple[str, int]) -> int:
        number = self._said.get((*writer, device), self._current.get(device))
        if number is not None and Table(*self.all[number].table) == table:
            return number
        return self.number(placeholder(device, table))

    def expected(self, table: Table) -> int:
        """How many devices have a configuration of this table in force."""
        return sum(Table(*self.all[number].table) == table for number in self._current.values())

    def name(self, device: int) -> str:
        """Name of a device, "" if it has none yet."""
        held = self.current(device)
        return "" if held is None else held.name

    def current(self, device: int) -> Configuration | None:
        """The last configuration of a device, None if it has none yet."""
        number = self._current.get(device)
        return None if number is None else self.all[number]

    def sync(self) -> None:
        """Returns when all that was taken is on disk. Raises OSError, to be tried again."""
        if self._unwritten:
            self._disk.pwrite(self._fd, self._unwritten, self._length)
            self._disk.sync(self._fd)
            self._length += len(self._unwritten)
            self._unwritten = b""

    def close(self) -> None:
        os.close(self._fd)
