from __future__ import annotations

import numpy as np
import pytest

from console.quantities import Wanted, difference, names, source
from tests.console.browser.feeding import HARMONICS, PHASORS, TABLE, configuration

KNOWN = configuration(65536, "North 01", "north", (47.0, 119.0))


@pytest.mark.parametrize(
    "wanted", [Wanted(65536, "frequency"), Wanted(65536, "magnitude", "V.A 1"), Wanted(7, "analog", "ü")]
)
def test_a_link_says_what_was_chosen(wanted: Wanted) -> None:
    assert Wanted.of(wanted.id) == wanted


@pytest.mark.parametrize("text", ["", "65536", "65536.volts.VA", "x.frequency"])
def test_what_a_link_says_wrongly_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of int() or our own
        Wanted.of(text)


def test_quantities_of_a_device() -> None:
    assert names(KNOWN, "magnitude") == PHASORS
    assert names(KNOWN, "active") == ["I"]
    assert names(configuration(1, "L", "", (0, 0), HARMONICS), "magnitude") == []
    assert source(KNOWN, "magnitude", "VX") is None


def test_power_of_three_phases() -> None:
    row = np.zeros((TABLE.channels, 2), np.float32)
    for place, name in enumerate(PHASORS):
        turn = {"A": 0, "B": -120, "C": 120}[name[-1]]
        row[2 + 2 * place] = 100_000 if name[0] == "V" else 200
        row[3 + 2 * place] = turn - (30 if name[0] == "I" else 0)
    for quantity, expected in (("active", 60 * np.cos(np.pi / 6)), ("reactive", 60 * np.sin(np.pi / 6))):
        told = source(KNOWN, quantity, "I")
        assert told is not None
        assert told.compute(row[told.channels]) == pytest.approx([expected] * 2, rel=1e-5)


def test_voltages_are_told_in_kilovolts() -> None:
    told = source(KNOWN, "magnitude", "VB")
    assert told is not None
    assert (told.unit, told.channels) == ("kV", [4])
    assert told.compute(np.float32([[127_000]])) == pytest.approx([127])


def test_differences_go_the_shorter_way() -> None:
    assert difference(np.float32([179, -170]), np.float32([-179, 170])).tolist() == [-2, 20]
