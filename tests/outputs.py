"""What a concentrator says, for tests of output streams: devices of several tables, and slots of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from protocol import clock
from protocol.messages import Configuration, Snapshots, Table

START = 1_700_000_000 * clock.SECOND
WIDE, NARROW = Table(50, 3, 1, 1), Table(50, 1, 0, 2)


def configuration(device: int, table: Table = WIDE, **more: Any) -> Configuration:
    """A device of a table; its name tells its number."""
    told = {
        "device": device,
        "version": 1,
        "link": f"link {device >> 16}",
        "stream": device >> 16,
        "station": device >> 16,
        "name": f"PMU {device >> 16}",
        "protocol": "c37118",
        "table": table,
        "time_base": 1_000_000,
        "nominal": 50,
        "count": 3,
        "phasors": [f"{'VI'[k % 2]}{k}" for k in range(table.phasors)],
        "phasor_units": ["VA"[k % 2] for k in range(table.phasors)],
        "analogs": [f"AN{k}" for k in range(table.analogs)],
        "analog_units": ["rms"] * table.analogs,
        "digitals": [[f"word {k} bit {bit}" for bit in range(16)] for k in range(table.digitals)],
        "digital_normal": [7] * table.digitals,
        "digital_valid": [0xFFFF] * table.digitals,
    }
    return Configuration(**(told | more))


def number(device: int) -> int:
    """The number of the one station of a link."""
    return device << 16


def values_of(table: Table, devices: list[int], slots: list[int]) -> np.ndarray[Any, Any]:
    """[k, m, c] that tell device, slot and channel."""
    made = np.zeros((len(slots), len(devices), table.channels), np.float32)
    made += np.array(slots, np.float32)[:, None, None] % 100
    made += np.array([each >> 16 for each in devices], np.float32)[None, :, None] / 64
    return made + 10 * np.arange(table.channels, dtype=np.float32)


def snapshots(devices: list[int], slots: list[int], table: Table = WIDE, **more: Any) -> Snapshots:
    """Slots counted from START, all present unless `present` [k, m] says otherwise."""
    k, m = len(slots), len(devices)
    first = int(clock.slot_of(START, table.rate))
    told: dict[str, Any] = {
        "table": table,
        "slot": np.array([first + slot for slot in slots], np.int64),
        "device": np.array(devices, np.uint32),
        "present": np.ones((k, m), np.uint8),
        "quality": np.zeros((k, m), np.uint8),
        "status": np.zeros((k, m), np.uint16),
        "values": values_of(table, devices, slots),
        "digital": np.full((k, m, table.digitals), 5, np.uint16),
        "latency": np.zeros(k, np.int64),
    }
    return Snapshots(**(told | more))
