"""Which channels of a device tell the quantities that several devices are judged by (`algorithms/quantities.py`).

The positive sequence of the voltage: the phasor that CFG-3 calls so, or whose name does (V1, VPOS, U+); else the three
phases of the first set of voltages (`nodes/_phases.py`); else the first voltage, whatever it is. V1 is no sequence
where a V3 stands beside it; V0 and V2 are where all three are there. Power: of the first set of currents with its
voltages, or of the positive sequences.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from algorithms.quantities import Sources
from protocol.messages import FIXED_CHANNELS, Configuration, Table
from protocol.threephase import pairs, sets_of

SEQUENCES = ("zero", "positive", "negative")
"""0, 1, 2"""
WORDS = {"zero": r"ZERO|ZER", "positive": r"POSITIVE|POS|\+", "negative": r"NEGATIVE|NEG|-"}
"""What a name ends in that says a sequence, maybe with SEQ behind it."""
DIGIT = re.compile(r"(?:.*[ _.-])?[VUEI][ _.]?(?P<digit>[0-9])", re.IGNORECASE)


def sources_of(known: Configuration) -> Sources | None:
    """Of one device; None if its rows are spectra."""
    if Table(*known.table).spectrum:
        return None
    told = {(sequence, unit): _told(known, sequence, unit) for sequence in SEQUENCES for unit in "VA"}
    sets = sets_of(known)
    voltage = next((each for each in sets if each.unit == "V"), None)
    positive, current = told["positive", "V"], told["positive", "A"]
    powers = pairs(sets)
    power: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    if powers:
        power = _channels(powers[0][0].phasors), _channels(powers[0][1].phasors)
    elif positive is not None and current is not None:
        power = _channels((positive,)), _channels((current,))
    if positive is None and voltage is None and "V" in known.phasor_units:
        positive = known.phasor_units.index("V")
    return Sources(
        _channel(positive),
        _channel(told["negative", "V"]),
        _channel(told["zero", "V"]),
        _channels(voltage.phasors) if voltage else (),
        power,
    )


def _channel(phasor: int | None) -> int | None:
    return None if phasor is None else FIXED_CHANNELS + 2 * phasor


def _channels(phasors: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(FIXED_CHANNELS + 2 * phasor for phasor in phasors)


def _told(known: Configuration, sequence: str, unit: str) -> int | None:
    """The first phasor of a unit that is this sequence."""
    notes = known.detail.get("phasor_channels", [])
    mine = [place for place, told in enumerate(known.phasor_units) if told == unit]
    for place in mine:
        if place < len(notes) and notes[place].get("component") == sequence:
            return place
    names = {known.phasors[place].strip().upper(): place for place in reversed(mine)}
    word = re.compile(rf"(.*[^A-Z])?[VUEI]?({WORDS[sequence]})[ _.-]?(SEQ)?")
    said = (place for name, place in reversed(names.items()) if word.fullmatch(name) or _counts(name, names, sequence))
    return next(said, None)


def _counts(name: str, names: Collection[str], sequence: str) -> bool:
    """Whether a name such as `V1` counts sequences: V0, V1 and V2 do, V1 alone, and not V1, V2 and V3."""
    match = DIGIT.fullmatch(name)
    if match is None or int(match["digit"]) != SEQUENCES.index(sequence):
        return False
    stem = name[:-1]
    return stem + "3" not in names and (sequence == "positive" or all(stem + digit in names for digit in "012"))
