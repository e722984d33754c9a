"""Gap filling: the rows of one device stand beside those of another one, as its *shadow*, in the other's table.

A slot waits for a shadow as for any device, or it would be gone when its gap can be filled. A shadow goes no further
than the release: there it stands in where the row of the other device is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algorithms.slotring import Rows
from nodes._telling import Telling
from protocol.messages import FIXED_CHANNELS, Configuration, Table, device_number, split_device

At = NDArray[np.intp]


@dataclass(frozen=True)
class Shadow:
    """Rows of `source` as they would be if `device` had sent them."""

    number: int
    """Its own device number: links begin at 1, so those below 65536 are of nobody."""
    source: int
    device: int
    table: Table
    """That `device` is told in."""
    channels: tuple[At, At]
    """(where values go, where they are)"""
    digitals: tuple[At, At]

    def of(self, rows: Rows) -> Rows:
        """Rows [n] of the source; channels that it has not are NaN."""
        n = rows.slot.size
        values = np.full((n, self.table.channels), np.nan, np.float32)
        digital = np.zeros((n, self.table.digitals), np.uint16)
        values[:, self.channels[0]] = rows.values[:, self.channels[1]]
        digital[:, self.digitals[0]] = rows.digital[:, self.digitals[1]]
        number = np.full(n, self.number, np.uint32)
        return Rows(number, rows.slot, rows.arrival, rows.quality, rows.status, values, digital)


class Shadows:
    """Those of all pairs of links, station by station."""

    def __init__(self, fill: Mapping[str, str]) -> None:
        """`fill`: link -> the link that its missing rows are taken from."""
        self._pairs: dict[str, list[tuple[str, str]]] = {}
        """Link -> (link that is filled, its source) of the pairs that it is in."""
        for pair in fill.items():
            for link in pair:
                self._pairs.setdefault(link, []).append(pair)
        self._links: dict[str, int] = {}
        self._numbers: dict[tuple[int, int], int] = {}
        self.all: dict[int, Shadow] = {}
        """By their numbers."""
        self._troubles: dict[tuple[int, int], str] = {}

    def note(self, device: int, tellings: Mapping[int, Telling]) -> Iterator[Shadow]:
        """The rows of a device mean something else now; yields the shadows that it casts or has."""
        link, (number, station) = tellings[device].link, split_device(device)
        self._links[link] = number
        for pair in self._pairs.get(link, ()):
            both = [tellings.get(device_number(self._links.get(each, 0), station)) for each in pair]
            if both[0] is not None and both[1] is not None:
                yield from self._made(both[0], both[1])

    def _made(self, each: Telling, source: Telling) -> Iterator[Shadow]:
        pair = each.known.device, source.known.device
        number = self._numbers.setdefault(pair, len(self._numbers) + 1)
        self.all.pop(number, None)
        self._troubles.pop(pair, None)
        if source.table.rate != each.table.rate or source.source.spectrum != each.source.spectrum:
            self._troubles[pair] = (
                f"fill: {source.known.link} has another rate than {each.known.link}: it fills no gap; name a source "
                "with the same rate"
            )
            return
        self.all[number] = Shadow(
            number, pair[1], pair[0], each.table, _channels(each, source), _digitals(each.known, source.known)
        )
        yield self.all[number]

    def of(self, device: NDArray[np.uint32]) -> Iterator[tuple[Shadow, At]]:
        """(shadow, which rows it is made of) for rows of devices [n]."""
        for shadow in self.all.values():
            mine = np.flatnonzero(device == shadow.source)
            if mine.size:
                yield shadow, mine

    @property
    def alarms(self) -> list[str]:
        """Pairs that can't be."""
        return list(self._troubles.values())


def _keys(known: Configuration, source: Table) -> dict[tuple[str, ...], int]:
    """What a channel is called -> where it stands in the rows as they come."""
    pairs = source.phasors * source.components
    units = [unit for unit in known.phasor_units[: source.phasors] for _ in range(source.components)]
    told: dict[tuple[str, ...], int] = {("frequency",): 0, ("rocof",): 1}
    for at, (name, unit) in enumerate(zip(known.phasor_channels[:pairs], units, strict=True)):
        for part, quantity in enumerate(("magnitude", "angle")):
            told.setdefault((quantity, name, unit), FIXED_CHANNELS + 2 * at + part)
    for at, name in enumerate(known.analogs[: source.analogs]):
        told.setdefault(("analog", name, known.analog_units[at]), FIXED_CHANNELS + 2 * pairs + at)
    return told


def _channels(device: Telling, source: Telling) -> tuple[At, At]:
    mine, theirs = _keys(device.known, device.source), _keys(source.known, source.source)
    both = [(mine[key], theirs[key]) for key in mine if key in theirs]
    to, at = (np.array(column, np.intp) for column in zip(*both, strict=True))
    return device.channels[to], at


def _digitals(device: Configuration, source: Configuration) -> tuple[At, At]:
    """Words whose labels are the same."""
    labels = [tuple(each) for each in source.digitals]
    both = [(k, labels.index(tuple(each))) for k, each in enumerate(device.digitals) if tuple(each) in labels]
    return np.array([k for k, _ in both], np.intp), np.array([k for _, k in both], np.intp)
