from __future__ import annotations

from typing import Any

import pytest

from algorithms.quantities import Sources
from nodes._sources import sources_of
from protocol.messages import Configuration, Table

PHASES, CURRENTS = (2, 4, 6), (8, 10, 12)


def known(names: list[str], components: list[str] | None = None, **more: Any) -> Configuration:
    units = ["A" if name.startswith("I") else "V" for name in names]
    told = {"phasor_channels": [{"component": each} for each in components]} if components else {}
    table = more.pop("table", Table(50, len(names), 0, 0))
    return Configuration(
        1 << 16, 1, "l", 1, 1, "x", "c37118", table.key, 1, 50, 1, names, units, [], [], [], [], [], detail=told, **more
    )


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["VA", "VB", "VC", "IA", "IB", "IC"], Sources(phases=PHASES, power=(PHASES, CURRENTS))),
        (["V1", "I1"], Sources(2, power=((2,), (4,)))),
        (["VPOS", "VNEG", "VZERO"], Sources(2, 4, 6)),
        (["BUS 1 V+"], Sources(2)),
        (["V0", "V1", "V2"], Sources(4, 6, 2)),
        (["V1", "V2"], Sources(2)),
        (["V2", "V1", "V3"], Sources(2)),
        (["LINE 2", "LINE 1"], Sources(2)),
        (["VA", "VB", "VC", "V1"], Sources(8, phases=PHASES)),
        (["IA", "IB", "IC"], Sources()),
        ([], Sources()),
    ],
)
def test_what_names_say(names: list[str], wanted: Sources):
    assert sources_of(known(names)) == wanted


def test_components_of_cfg_3_go_before_names():
    told = known(["X", "Y", "Z"], ["negative", "zero", "positive"])
    assert sources_of(told) == Sources(6, 2, 4)
    assert sources_of(known(["P", "Q", "R"], ["A", "B", "C"])) == Sources(phases=PHASES)


def test_spectra_tell_nothing():
    assert sources_of(known(["VA"], table=Table(50, 1, 0, 0, 2), components=None)) is None
