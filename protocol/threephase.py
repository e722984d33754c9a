"""Which phasors of a device are the three phases of one voltage or current."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from protocol.messages import Configuration

PHASES = "ABC"
PLACE = re.compile(r"L[123]|[ABC]", re.IGNORECASE)
"""What may say the phase in a name."""
STAR = "*"
Named = Mapping[str, tuple[str, str, str]]
"""Name of the set -> names of its phasors A, B, C."""


class ThreePhase(NamedTuple):
    """Three phasors that belong together."""

    name: str
    """As `V`, `I`, `BUS 1 V`; no two of a device have the same."""
    unit: str
    """`V` or `A`."""
    phasors: tuple[int, ...]
    """Positions of A, B and C."""


def sets_of(known: Configuration, named: Named | None = None) -> list[ThreePhase]:
    """The sets that the settings name for a device; if None, those found by names, then by CFG-3's components."""
    if named is not None:
        return list(_named(known, named))
    found = list(_by_name(known))
    taken = {at for each in found for at in each.phasors}
    found += _by_component(known, taken)
    return _unique(sorted(found, key=lambda each: min(each.phasors)))


def _named(known: Configuration, named: Named) -> Iterator[ThreePhase]:
    """Without those whose phasors this device has not, or not all of one unit."""
    for name, phasors in named.items():
        places = tuple(known.phasors.index(each) for each in phasors if each in known.phasors)
        units = {known.phasor_units[at] for at in places}
        if len(set(places)) == len(PHASES) and len(units) == 1:
            yield ThreePhase(name, units.pop(), places)


def _by_name(known: Configuration) -> Iterator[ThreePhase]:
    """Names that are the same but for one letter A, B, C (or L1, L2, L3), of one unit."""
    stems: dict[tuple[str, str], dict[str, int]] = {}
    texts: dict[tuple[str, str], str] = {}
    for at, (name, unit) in enumerate(zip(known.phasors, known.phasor_units, strict=True)):
        for match in PLACE.finditer(name):
            stem = name[: match.start()] + STAR + name[match.end() :]
            phase = match[0].upper()
            key = unit, stem.upper() + ("#" if phase.startswith("L") else "")
            phase = PHASES[int(phase[1]) - 1] if phase.startswith("L") else phase
            stems.setdefault(key, {}).setdefault(phase, at)
            texts.setdefault(key, stem)
    taken: set[int] = set()
    for key, phases in stems.items():
        places = tuple(phases[phase] for phase in PHASES if phase in phases)
        if len(places) == len(PHASES) and not taken & set(places):
            taken |= set(places)
            yield ThreePhase(texts[key].replace(STAR, "").strip(" _-.") or key[0].replace("A", "I"), key[0], places)


def _by_component(known: Configuration, taken: set[int]) -> Iterator[ThreePhase]:
    """The first A, B and C of a unit that CFG-3 tells, the second ones, and so on."""
    told = known.detail.get("phasor_channels", [])
    for unit, name in (("V", "V"), ("A", "I")):
        places: dict[str, list[int]] = {phase: [] for phase in PHASES}
        for at, each in enumerate(told[: len(known.phasors)]):
            phase = each.get("component", "")
            if phase in places and known.phasor_units[at] == unit and at not in taken:
                places[phase].append(at)
        for phasors in zip(*places.values(), strict=False):
            yield ThreePhase(name, unit, phasors)


def _unique(found: Sequence[ThreePhase]) -> list[ThreePhase]:
    """The second of a name is called `V (2)`."""
    seen: dict[str, int] = {}
    told = []
    for each in found:
        seen[each.name] = seen.get(each.name, 0) + 1
        told.append(each if seen[each.name] == 1 else each._replace(name=f"{each.name} ({seen[each.name]})"))
    return told


def pairs(sets: Sequence[ThreePhase]) -> list[tuple[ThreePhase, ThreePhase]]:
    """(voltage, current) of each current: the voltage whose name differs only in V, U or I; else the one at the same
    place, if there are as many; else the first. None without a voltage."""
    volts = [each for each in sets if each.unit == "V"]
    amperes = [each for each in sets if each.unit == "A"]
    if not volts:
        return []
    by_name = {_plain(each.name): each for each in reversed(volts)}
    even = volts if len(volts) == len(amperes) else [volts[0]] * len(amperes)
    return [(by_name.get(_plain(one.name), other), one) for one, other in zip(amperes, even, strict=True)]


def _plain(name: str) -> str:
    return re.sub("[VUI]", "", name.upper())
