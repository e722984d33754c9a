"""What an output stream tells: which devices and channels, as which stations, in which format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from nodes._settings import Number, Settings
from protocol.c37118 import Analog, ConfigurationFrame, Digital, Phasor, Station, encode_configuration
from protocol.c37118.configuration import FLOAT_ANALOGS, FLOAT_FREQUENCY, FLOAT_PHASORS, POLAR
from protocol.messages import FIXED_CHANNELS, Configuration, Table

COMPONENTS = {"zero": 0, "positive": 1, "negative": 2, "A": 4, "B": 5, "C": 6}
HIGHEST_SCALE = 0xFFFFFF / 100_000
"""V or A per bit: PHUNIT has 24 bits of 10 uV."""


class Format(Settings):
    """How numbers are written (FORMAT)."""

    polar: bool = True
    """Phasors as magnitude and angle, else as real and imaginary part."""
    phasors: Annotated[str, Field(pattern="^(float|int)$")] = "float"
    """float or int (16 bits)."""
    analogs: Annotated[str, Field(pattern="^(float|int)$")] = "float"
    frequency: Annotated[str, Field(pattern="^(float|int)$")] = "float"
    """Frequency and ROCOF."""
    volts: Annotated[Number, Field(gt=0, le=HIGHEST_SCALE)] = 10.0
    """V per bit of voltages as integers, where the device has no scale of its own; beyond 32767 bits they are cut."""
    amperes: Annotated[Number, Field(gt=0, le=HIGHEST_SCALE)] = 0.1
    """The same of currents, A per bit."""

    @property
    def word(self) -> int:
        """FORMAT."""
        bits = ((self.phasors, FLOAT_PHASORS), (self.analogs, FLOAT_ANALOGS), (self.frequency, FLOAT_FREQUENCY))
        return POLAR * self.polar + sum(bit for how, bit in bits if how == "float")


@dataclass(frozen=True)
class Choice:
    """What of all that comes is told; patterns as of file names."""

    devices: list[str]
    """By the name in the site file or their own."""
    channels: list[str]
    """Of phasors, analogs, and digital words (any of their labels)."""
    rate: int | None
    """DATA_RATE told; None: that of the fastest device."""

    def takes(self, known: Configuration) -> bool:
        """Whether a device is told."""
        return _matches((known.link, known.name), self.devices)


def _matches(names: Iterable[str], patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


@dataclass(frozen=True)
class Part:
    """Devices of one table, from which the same channels are told."""

    table: Table
    devices: NDArray[np.uint32]
    """[m] in the order of the stream."""
    channels: NDArray[np.intp]
    """[c] which of the table's value channels."""
    digitals: NDArray[np.intp]
    """[d] which of its digital words."""


@dataclass(frozen=True)
class Layout:
    """An output stream as it is told at a time."""

    cfg: ConfigurationFrame
    parts: list[Part]
    """Their stations stand in `cfg` in this order; parts with the same shape stand together only by chance."""
    left_out: list[str]
    """Devices that there is no room for, by name."""

    def same_as(self, other: Layout) -> bool:
        """Whether nothing differs for a client, and devices stand in the same places."""
        devices = [part.devices.tolist() for part in self.parts]
        return self.cfg == other.cfg and devices == [part.devices.tolist() for part in other.parts]


@dataclass(frozen=True)
class Stream:
    """What the site says of a stream, whoever is in it."""

    idcode: int
    version: int
    time_base: int
    choice: Choice
    format: Format

    @property
    def empty(self) -> ConfigurationFrame:
        """Before anybody is known."""
        return self._frame([], 1)

    def layout(self, known: Mapping[int, Configuration]) -> Layout | None:
        """The stream of these devices, ascending by table and number; None if there is none.

        What a CFG-2 can't tell in 65,535 bytes is left out, last devices first.
        """
        told = [each for _, each in sorted(known.items()) if self.choice.takes(each)]
        if not told:
            return None
        rate = self.choice.rate or max((each.table[0] for each in told), key=_pace)
        parts: dict[tuple[Any, ...], list[Configuration]] = {}
        for each in told:
            phasors, analogs, digitals = self._chosen(each)
            parts.setdefault((Table(*each.table), phasors, analogs, digitals), []).append(each)
        ordered = sorted(parts.items(), key=lambda item: item[0])
        stations = [self._station(each, key[1:]) for key, group in ordered for each in group]
        fit = self._fitting(stations, rate)
        names = [each.link for _, group in ordered for each in group]
        laid, left = [], fit
        for (table, phasors, analogs, digitals), group in ordered:
            devices = np.array([each.device for each in group[:left]], np.uint32)
            left -= len(devices)
            if len(devices):
                laid.append(Part(table, devices, _columns(table, phasors, analogs), np.array(digitals, np.intp)))
        return Layout(self._frame(stations[:fit], rate), laid, names[fit:])

    def _frame(self, stations: list[Station], rate: int) -> ConfigurationFrame:
        return ConfigurationFrame(
            stream=self.idcode,
            version=self.version,
            kind=2,
            time_base=self.time_base,
            rate=rate,
            stations=tuple(stations),
        )

    def _fitting(self, stations: list[Station], rate: int) -> int:
        """How many of these stations a CFG-2 and a DATA frame can tell."""
        low, high = 0, len(stations)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._fits(self._frame(stations[:middle], rate)) else (low, middle - 1)
        return low

    def _fits(self, cfg: ConfigurationFrame) -> bool:
        try:
            encode_configuration(cfg, 2)
        except ValueError:
            return False
        return cfg.data_size <= 0xFFFF

    def _chosen(self, known: Configuration) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Positions of the phasors, analogs and digital words that are told."""
        patterns = self.choice.channels

        def those(names: Iterable[Iterable[str]]) -> tuple[int, ...]:
            return tuple(k for k, each in enumerate(names) if patterns == ["*"] or _matches(each, patterns))

        return those([name] for name in known.phasors), those([name] for name in known.analogs), those(known.digitals)

    def _station(self, known: Configuration, chosen: tuple[tuple[int, ...], ...]) -> Station:
        phasors, analogs, digitals = chosen
        return Station(
            name=known.name,
            idcode=known.station,
            format=self.format.word,
            phasors=tuple(self._phasor(known, k) for k in phasors),
            analogs=tuple(self._analog(known, k) for k in analogs),
            digitals=tuple(
                Digital(tuple(known.digitals[k]), known.digital_normal[k], known.digital_valid[k]) for k in digitals
            ),
            nominal=known.nominal,
            changes=known.count,
            global_id=bytes.fromhex(known.detail.get("global_id", "")).ljust(16, b"\0")[:16],
            latitude=known.latitude,
            longitude=known.longitude,
            elevation=known.elevation,
            service=known.detail.get("service_class", ""),
            window=known.detail.get("window_us", 0),
            delay=known.detail.get("group_delay_us", 0),
        )

    def _phasor(self, known: Configuration, k: int) -> Phasor:
        current = known.phasor_units[k] == "A"
        told = known.detail.get("phasor_channels", [])
        more = told[k] if k < len(told) else {}
        own = 0.0 if _format_of(known) & FLOAT_PHASORS else abs(_at(known.detail.get("phasor_scales"), k))
        scale = own if 0 < own <= HIGHEST_SCALE else self.format.amperes if current else self.format.volts
        if self.format.phasors == "float":
            scale = 1.0  # floats are V and A already
        return Phasor(
            known.phasors[k],
            kind=int(current),
            scale=scale,
            component=COMPONENTS.get(more.get("component", ""), 3),
            modified=more.get("modified", 0),
            user=more.get("user", 0),
        )

    def _analog(self, known: Configuration, k: int) -> Analog:
        own = 0.0 if _format_of(known) & FLOAT_ANALOGS else _at(known.detail.get("analog_scales"), k)
        word = known.analog_units[k]
        kind = {"instantaneous": 0, "rms": 1, "peak": 2}.get(word, 0)
        if word.startswith("user "):
            kind = int(word.removeprefix("user "))
        whole = own != 0 and own == round(own) and abs(own) < 1 << 23
        return Analog(known.analogs[k], kind=kind, scale=own if whole else 1.0)


def _pace(rate: int) -> float:
    return float(rate) if rate > 0 else -1.0 / rate


def _columns(table: Table, phasors: tuple[int, ...], analogs: tuple[int, ...]) -> NDArray[np.intp]:
    """Value channels of these phasors and analogs, frequency and ROCOF first."""
    ends = [FIXED_CHANNELS + 2 * k + part for k in phasors for part in (0, 1)]
    first_analog = FIXED_CHANNELS + 2 * table.phasors
    return np.array([*range(FIXED_CHANNELS), *ends, *(first_analog + k for k in analogs)], np.intp)


def _format_of(known: Configuration) -> int:
    """FORMAT of the device's own frames; floats if it is not known."""
    word = known.detail.get("format", {}).get("word", FLOAT_PHASORS | FLOAT_ANALOGS)
    return int(word)


def _at(scales: list[float] | None, k: int) -> float:
    return scales[k] if scales and k < len(scales) else 0.0
