"""Folders of labelled scenarios: windows of several devices, with or without the truth.

`labels.json` is a list of windows: `id`, `file` (an npz), `system`, `seed`, `devices` (identities); what else is there
is the truth, and not read here. `devices.json` has the devices of each system with `id`, `lat`,
`lon`, `v2_base`, `v0_base`. A window's samples are in the npz under `id/…`:

- `f`, `v`, `a`: [2, m, n] u1, low and high bytes of the differences along time, modulo 2^16, of i2 in units of
  0.1 mHz (from nominal), 1e-4 per unit and 2 pi / 65536 rad;
- `v2`, `v0`: [m, k] in 1e-4 per unit, from sample `sq0` on: the sequence voltages of a fault, which are added (in
  square) to the device's own level and its noise; the noise follows from the seed;
- `gaps`: [g, 3] device, first sample, sample after the last of what is missing.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.observations import Observations

RATE = 50.0
NOMINAL = 50.0
FREQUENCY, VOLTAGE, ANGLE = 1e-4, 1e-4, 2 * np.pi / 65536
"""Units of the packed samples."""
SEQUENCE_NOISE = 2e-4
SEQUENCE_LEVEL = 0.002
"""Of a device that says none."""

F8 = NDArray[np.float64]


class ScenarioError(ValueError):
    """A folder that holds no scenarios; says what is wrong and where."""


@dataclass(frozen=True)
class Scenario:
    """A window."""

    id: str
    file: str
    system: str
    seed: int
    devices: list[str]


class Folder:
    """See the module. Raises ScenarioError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.scenarios = [self._scenario(entry) for entry in self._json("labels.json", list)]
        self._known: dict[str, dict[str, dict[str, Any]]] = {
            system: self._devices(system, devices) for system, devices in self._json("devices.json", dict).items()
        }

    def _json(self, name: str, form: type) -> Any:
        path = self.path / name
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ScenarioError(f"{path}: {error.strerror}; want a folder of scenarios") from None
        except ValueError as error:
            raise ScenarioError(f"{path}: not JSON: {error}") from None
        if not isinstance(found, form):
            want = "a list of windows" if form is list else "the devices of each system, by its name"
            raise ScenarioError(f"{path}: holds {type(found).__name__}; want {want}")
        return found

    def _devices(self, system: str, entries: Any) -> dict[str, dict[str, Any]]:
        try:
            return {device["id"]: device for device in entries}
        except (KeyError, TypeError):
            raise ScenarioError(f"{self.path / 'devices.json'}: a device of {system} lacks 'id'") from None

    def _scenario(self, entry: dict[str, Any]) -> Scenario:
        try:
            return Scenario(entry["id"], entry["file"], entry["system"], int(entry["seed"]), list(entry["devices"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ScenarioError(f"{self.path / 'labels.json'}: a window lacks {error}: {str(entry)[:80]}") from None

    def devices(self, system: str) -> dict[str, dict[str, Any]]:
        """What `devices.json` tells of those of a system, by identity."""
        return self._known.get(system, {})

    @property
    def unplaced(self) -> list[str]:
        """Devices of windows whose position `devices.json` does not tell."""
        listed = {(scenario.system, device) for scenario in self.scenarios for device in scenario.devices}
        known = {(system, name) for system, some in self._known.items() for name, each in some.items() if _placed(each)}
        return sorted({device for _, device in listed - known})

    def scenario(self, window: str) -> Scenario:
        """The window of this name. Raises ScenarioError."""
        for scenario in self.scenarios:
            if scenario.id == window:
                return scenario
        names = ", ".join(scenario.id for scenario in self.scenarios[:3])
        raise ScenarioError(f"{self.path / 'labels.json'}: no window is called {window!r}; there are {names}, …")

    def observations(self, scenario: Scenario) -> Observations:
        """What the devices measured. Raises ScenarioError."""
        path = self.path / scenario.file
        try:
            with path.open("rb") as file, np.load(file) as packed:
                return self._unpacked(packed, scenario)
        except FileNotFoundError:
            raise ScenarioError(f"{path}: no such file; want the npz that labels.json names") from None
        except KeyError as error:
            raise ScenarioError(f"{path}: {scenario.id}: no {error}") from None
        except (OSError, ValueError, IndexError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            what = f"{scenario.id} can't be read: {error}"
            raise ScenarioError(f"{path}: {what}; want the npz that labels.json names, whole") from None

    def _unpacked(self, packed: Any, scenario: Scenario) -> Observations:
        key, known = scenario.id, self.devices(scenario.system)
        frequency, voltage, angle = (_integers(packed[f"{key}/{name}"]) for name in ("f", "v", "a"))
        if len(scenario.devices) != len(frequency):
            raise ValueError(f"it has {len(frequency)} devices, labels.json names {len(scenario.devices)}")
        noise = np.random.default_rng(abs(scenario.seed) % (1 << 32))
        sequences = []
        for name in ("v2", "v0"):
            level = [known.get(device, {}).get(f"{name}_base", SEQUENCE_LEVEL) for device in scenario.devices]
            x = np.array(level)[:, None] + SEQUENCE_NOISE * noise.standard_normal(frequency.shape)
            if f"{key}/{name}" in packed:
                _add(x, packed[f"{key}/{name}"] * VOLTAGE, int(packed[f"{key}/sq0"][0]))
            sequences.append(np.abs(x))
        series = [NOMINAL + FREQUENCY * frequency, VOLTAGE * voltage, ANGLE * angle, *sequences]
        for device, start, stop in packed[f"{key}/gaps"]:
            for x in series:
                x[device, start:stop] = np.nan
        place = [[known.get(device, {}).get(name) for device in scenario.devices] for name in ("lat", "lon")]
        latitude, longitude = np.array(place, dtype=np.float64)
        frequency, voltage, angle, negative, zero = series
        return Observations(RATE, frequency, voltage, angle, negative, zero, latitude, longitude, NOMINAL)


def _placed(device: dict[str, Any]) -> bool:
    return device.get("lat") is not None and device.get("lon") is not None


def _integers(packed: NDArray[np.uint8]) -> F8:
    """[m, n] of [2, m, n] bytes of differences."""
    differences = packed[0].astype(np.uint16) | (packed[1].astype(np.uint16) << 8)
    return np.cumsum(differences, axis=1, dtype=np.uint16).view(np.int16).astype(np.float64)


def _add(x: F8, more: F8, first: int) -> None:
    """Add in square to x [m, n] from sample `first` on."""
    stop = min(x.shape[1], first + more.shape[1])
    x[:, first:stop] = np.hypot(x[:, first:stop], more[:, : stop - first])
