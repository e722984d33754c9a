"""What a simulated substation of Q/GDW 131 or GB/T 26865.2 is, and what it streams by the CFG-2 it was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from nodes._simstreams import Pick, Stream
from nodes._simulated import DIGITAL, Shape, analog, next_name, phasor
from protocol.c37118.configuration import LABELS
from protocol.gbt26865 import ConfigurationFrame, Device, Digital, Station, compile_codec
from protocol.gbt26865.common import IDENTITY, V2
from protocol.gbt26865.configuration import CYCLES
from protocol.messages import FIXED_CHANNELS

Channel = TypeVar("Channel")
Fits = Callable[[ConfigurationFrame], bool]
LATIN, CHINESE = "SIM", "仿真站"
LONGEST = 0xFFFF
"""PERIOD has 16 bits."""


def period(rate: int, nominal: int) -> int:
    """PERIOD of a reporting rate. Raises ValueError where there is none."""
    counts = nominal * CYCLES
    found, rest = divmod(counts, rate) if rate > 0 else (counts * -rate, 0)
    if rest or not 0 < found <= LONGEST:
        raise ValueError(f"no PERIOD, a count of {1 / CYCLES} cycles of {nominal} Hz up to {LONGEST}, says it")
    return found


@dataclass(frozen=True)
class Identities:
    """IDCODEs by a pattern: `SIM#####` is SIM00001 for number 1."""

    pattern: str

    def __post_init__(self) -> None:
        digits = self.pattern.count("#")
        if len(self.pattern) != IDENTITY or not self.pattern.isascii() or not self.pattern.isprintable():
            raise ValueError(f"{self.pattern!r} has not {IDENTITY} ASCII characters")
        if not digits or "#" * digits not in self.pattern:
            raise ValueError(f"{self.pattern!r} has no place for the number, or several")

    def of(self, number: int, station: int = 0) -> bytes:
        """Of a device, which is that of its first station; another station's begins with its place.

        Raises ValueError if the number has no room.
        """
        digits = self.pattern.count("#")
        text = self.pattern.replace("#" * digits, f"{number:0{digits}d}")
        if len(text) > IDENTITY or (station and self.pattern.index("#") < 2):
            raise ValueError(f"{self.pattern!r} has no room for device {number}, station {station + 1}")
        return (f"{station:02d}" + text[2:] if station else text).encode()


def device(shape: Shape, number: int, identities: Identities, chinese: bool, fits: Fits = lambda cfg: True) -> Device:
    """The substation of this number; its edition is the shape's version. fits: what else a CFG-2 has to."""
    pace = period(shape.rate, shape.nominal)
    stations = tuple(
        Station(
            name=_name(number, place if shape.stations > 1 else None, chinese),
            identity=identities.of(number, place),
            format=shape.format,
            phasors=tuple(replace(phasor(each), component=0) for each in range(shape.phasors)),
            analogs=tuple(analog(each) for each in range(shape.analogs)),
            digitals=tuple(_word(each) for each in range(shape.digitals)),
            nominal=shape.nominal,
            period=pace,
        )
        for place in range(shape.stations)
    )
    cfg = ConfigurationFrame(
        identity=b"" if shape.version == V2 else identities.of(number),
        version=shape.version,
        kind=1,
        time_base=shape.time_base,
        stations=stations,
    )
    return Device(
        cfg, f"simulated substation {number}", takes=lambda chosen: _chosen(chosen, cfg) is not None and fits(chosen)
    )


def _name(number: int, place: int | None, chinese: bool) -> str:
    return f"{CHINESE if chinese else LATIN} {number:05d}" + ("" if place is None else f" {place + 1}")


def _word(number: int) -> Digital:
    """Labels differ between words: the CFG-2 of a station names them."""
    return replace(DIGITAL, labels=tuple(f"status {LABELS * number + bit}" for bit in range(LABELS)))


def stream(device: Device) -> Stream:
    """What it sends by the CFG-2 in force."""
    chosen = _chosen(device.cfg, device.capability)
    assert chosen is not None  # it took no other
    picks, every = chosen
    return Stream(
        compile_codec(device.cfg), None if device.cfg.stations == device.capability.stations else picks, every
    )


def _chosen(cfg: ConfigurationFrame, told: ConfigurationFrame) -> tuple[tuple[Pick, ...], int] | None:
    """(what a CFG-2 wants of each station, at every which reporting instant); None if that is not to be had.

    `told` is the CFG-1. PERIOD has to be a multiple of what that says: there is nothing between its instants.
    """
    known = {station.identity: place for place, station in enumerate(told.stations)}
    every, rest = divmod(min(station.period for station in cfg.stations), told.stations[0].period)
    if rest or any(station.nominal != told.stations[0].nominal for station in cfg.stations):
        return None
    try:
        places = [known[station.identity] for station in cfg.stations]
        pairs = [(place, told.stations[place]) for place in places]
        picks = [_pick(place, mine, wanted) for (place, mine), wanted in zip(pairs, cfg.stations, strict=True)]
    except (KeyError, ValueError):
        return None
    return tuple(picks), every


def _pick(place: int, mine: Station, wanted: Station) -> Pick:
    """Channels are known by their names. Raises ValueError if there is no such channel."""
    phasors = _places([each.name for each in wanted.phasors], [each.name for each in mine.phasors])
    analogs = _places([each.name for each in wanted.analogs], [each.name for each in mine.analogs])
    words = _places([each.labels for each in wanted.digitals], [each.labels for each in mine.digitals])
    pairs = [FIXED_CHANNELS + 2 * each + part for each in phasors for part in (0, 1)]
    end = FIXED_CHANNELS + 2 * len(mine.phasors)
    return Pick(place, (*range(FIXED_CHANNELS), *pairs, *(end + each for each in analogs)), tuple(words))


def _places(wanted: Sequence[Channel], mine: Sequence[Channel]) -> list[int]:
    return [mine.index(each) for each in wanted]


def rename(device: Device) -> None:
    """Rename its first station, in what it can send as in what DATA carry."""
    first = device.capability.stations[0]
    name = next_name(first.name)

    def renamed(cfg: ConfigurationFrame) -> ConfigurationFrame:
        stations = (replace(each, name=name) if each.identity == first.identity else each for each in cfg.stations)
        return replace(cfg, stations=tuple(stations))

    device.capability, device.cfg = renamed(device.capability), renamed(device.cfg)
