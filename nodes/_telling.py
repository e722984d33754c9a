"""What a device's rows are told as: its configuration with derived channels and notes of what was corrected."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.derived import Recipe
from nodes._patterns import chosen
from nodes._treatsettings import Correction, Treating
from protocol.messages import FIXED_CHANNELS, Configuration, Table
from protocol.threephase import ThreePhase, pairs, sets_of

CALIBRATED_MAGNITUDE, CALIBRATED_PHASE, PSEUDO = 1 << 7, 1 << 8, 1 << 10
"""Modification flags of a phasor (PHSCALE of CFG-3, C37.118.2-2011)."""
SEQUENCES = (("0", "zero"), ("1", "positive"), ("2", "negative"))


@dataclass(frozen=True)
class Telling:
    """How rows of one device become rows that are told."""

    known: Configuration
    """As told."""
    link: str
    """What the settings call its link."""
    source: Table
    """Of its rows as they come."""
    corrections: tuple[Correction | None, ...]
    """Of each of its own phasor channels."""
    recipe: Recipe

    @property
    def table(self) -> Table:
        """Of its rows as they are told."""
        return Table(*self.known.table)

    @property
    def channels(self) -> NDArray[np.intp]:
        """[c] where the channels of its rows as they come stand in those that are told."""
        return own_channels(self.source, self.table)


def own_channels(source: Table, told: Table) -> NDArray[np.intp]:
    """[c] where the channels of a table stand in another one that has more phasors and analogs."""
    first = FIXED_CHANNELS + 2 * source.phasors * source.components
    shift = 2 * (told.phasors * told.components - source.phasors * source.components)
    at = np.arange(source.channels, dtype=np.intp)
    return np.where(at < first, at, at + shift)


def telling(known: Configuration, settings: Treating, names: Sequence[str]) -> Telling:
    """What the settings make of a device, which they call by one of these names; by the first where links are meant."""
    table = Table(*known.table)
    mine = chosen(settings.correct, *names) or {}
    corrections = tuple(chosen(mine, name) for name in known.phasor_channels)
    if any(corrections):
        known = _noted(known, corrections)
    recipe = Recipe()
    if settings.derive and not table.spectrum:
        known, recipe = _derived(known, sets_of(known, chosen(settings.sets, *names)), settings.derive)
    if any(corrections) or recipe != Recipe():
        known = replace(known, version=_version(known, corrections))
    return Telling(known, names[0], table, corrections, recipe)


def _version(known: Configuration, corrections: Sequence[Correction | None]) -> int:
    """Of the same content the same, as that of the device's own."""
    told = [known.version, known.phasors, known.analogs, [each and each.model_dump() for each in corrections]]
    return zlib.crc32(json.dumps(told).encode())


def _channel_notes(known: Configuration) -> list[dict[str, Any]]:
    """One of each phasor; a configuration older than CFG-3 has none."""
    told = [dict(each) for each in known.detail.get("phasor_channels", [])][: len(known.phasors)]
    return told + [{} for _ in known.phasors[len(told) :]]


def _noted(known: Configuration, corrections: Sequence[Correction | None]) -> Configuration:
    notes = _channel_notes(known)
    for at, each in enumerate(corrections):
        if each is not None:
            note = notes[at // Table(*known.table).components]
            flags = CALIBRATED_MAGNITUDE * (each.magnitude != 1) | CALIBRATED_PHASE * (each.angle != 0)
            note["modified"] = note.get("modified", 0) | flags
    return replace(known, detail={**known.detail, "phasor_channels": notes})


def _derived(known: Configuration, sets: Sequence[ThreePhase], wanted: Sequence[str]) -> tuple[Configuration, Recipe]:
    """The configuration with the derived channels behind the device's own, and how they are computed."""
    table = Table(*known.table)
    phasors = [(each, digit, component) for each in sets for digit, component in SEQUENCES] * ("sequences" in wanted)
    powers = pairs(sets) if "power" in wanted else []
    uneven = [each for each in sets if each.unit == "V"] if "unbalance" in wanted else []
    names = _names([f"{each.name}{' ' * each.name[-1:].isdigit()}{digit}" for each, digit, _ in phasors], known.phasors)
    some = len(powers) > 1
    analogs = [text + f" {current.name}" * some for _, current in powers for text in ("P", "Q")]
    analogs = _names([*analogs, *(f"unbalance {each.name}" for each in uneven)], known.analogs)
    told = Table(table.rate, table.phasors + len(phasors), table.analogs + len(analogs), table.digitals)
    notes = _channel_notes(known) + [{"component": word, "modified": PSEUDO} for *_, word in phasors]
    if phasors or analogs:
        known = replace(
            known,
            table=told.key,
            phasors=known.phasors + names,
            phasor_units=known.phasor_units + [each.unit for each, *_ in phasors],
            analogs=known.analogs + analogs,
            analog_units=known.analog_units + ["W", "var"] * len(powers) + ["%"] * len(uneven),
            detail={**known.detail, "phasor_channels": notes},
        )
    return known, _recipe(table, told, sets if phasors else [], powers, uneven)


def _recipe(table: Table, told: Table, sets: Sequence[ThreePhase], powers: Sequence[tuple[ThreePhase, ThreePhase]],
            uneven: Sequence[ThreePhase]) -> Recipe:  # fmt: skip
    def at(phasor: int) -> int:
        return FIXED_CHANNELS + 2 * phasor

    def of(each: ThreePhase) -> tuple[int, ...]:
        return tuple(at(phasor) for phasor in each.phasors)

    def out(k: int) -> tuple[int, int, int]:
        first = table.phasors + 3 * k
        return at(first), at(first + 1), at(first + 2)

    analog = at(told.phasors) + table.analogs
    behind = analog + 2 * len(powers)
    return Recipe(
        tuple((of(each), out(k)) for k, each in enumerate(sets)),
        tuple((of(u), of(i), (analog + 2 * k, analog + 2 * k + 1)) for k, (u, i) in enumerate(powers)),
        tuple((of(each), behind + k) for k, each in enumerate(uneven)),
    )


def _names(wanted: Sequence[str], taken: Sequence[str]) -> list[str]:
    """Names that the device has not itself."""
    return [f"{name} derived" if name in taken else name for name in wanted]
