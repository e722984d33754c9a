from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
from pydantic import ValidationError

from nodes.concentrator import Settings
from protocol.messages import Table, device_number
from protocol.threephase import pairs, sets_of
from tests.aligning import AMPERES, PERIOD, START, VOLTS, Bench, Row, meaning

ONE, TWO, THREE = (device_number(link, 0) for link in (1, 2, 3))


def row(phasors: list[tuple[float, float]], analogs: list[float] = (), frequency: float = 50.0) -> Row:  # type: ignore[assignment]
    return Row([frequency, 0.0, *(part for pair in phasors for part in pair), *analogs])


def complexes(phasors: list[tuple[float, float]]) -> list[complex]:
    return [cmath.rect(magnitude, math.radians(angle)) for magnitude, angle in phasors]


UNEVEN = [(100.0, 0.0), (95.0, -122.0), (103.0, 119.0)]
CURRENTS = [(10.0, -30.0), (9.0, -150.0), (11.0, 92.0)]


def test_sequences_power_and_unbalance_are_appended_and_right():
    bench = Bench(meaning(1, VOLTS + AMPERES, ["T"]), derive=["sequences", "power", "unbalance"])
    told = bench.told(1)
    assert told.phasors == [*VOLTS, *AMPERES, "V0", "V1", "V2", "I0", "I1", "I2"]
    assert told.phasor_units == ["V"] * 3 + ["A"] * 3 + ["V"] * 3 + ["A"] * 3
    assert (told.analogs, told.analog_units) == (["T", "P", "Q", "unbalance V"], ["rms", "W", "var", "%"])
    assert told.table == Table(50, 12, 4, 0).key
    assert told.version != 1
    [word] = bench.send(0, {ONE: row(UNEVEN + CURRENTS, [7.0])})
    assert word.table == Table(*told.table)
    values = word.values[0, 0].astype(float)
    assert values[:14].tolist() == pytest.approx([50, 0, *(part for pair in UNEVEN + CURRENTS for part in pair)])
    a = cmath.rect(1, 2 * math.pi / 3)
    volts, amperes = complexes(UNEVEN), complexes(CURRENTS)
    wanted = []
    for one, two, three in (volts, amperes):
        wanted += [(one + two + three) / 3, (one + a * two + a * a * three) / 3, (one + a * a * two + a * three) / 3]
    derived = complexes(list(zip(values[14:26:2], values[15:26:2], strict=True)))
    assert derived == pytest.approx(wanted, abs=1e-4)
    power = sum(u * i.conjugate() for u, i in zip(volts, amperes, strict=True))
    assert values[26] == 7.0
    assert values[27:29].tolist() == pytest.approx([power.real, power.imag], rel=1e-6)
    assert values[29] == pytest.approx(100 * abs(wanted[2]) / abs(wanted[1]), rel=1e-5)
    assert word.status.tolist() == [[0]]


def test_devices_of_one_table_with_and_without_sets_are_told_in_two():
    bench = Bench(meaning(1, VOLTS), meaning(2, ["V1", "X", "Y"]), meaning(3, VOLTS), derive=["sequences"])
    plain = [(1.0, 2.0), (3.0, 4.0), (5.0, 6.0)]
    words = bench.send(0, {ONE: row(UNEVEN), TWO: row(plain), THREE: row(plain)})
    told = {Table(*word.table): word for word in words}
    assert {table.phasors: word.device.tolist() for table, word in told.items()} == {6: [ONE, THREE], 3: [TWO]}
    assert told[Table(50, 3, 0, 0)].values[0, 0, 2:].tolist() == [1, 2, 3, 4, 5, 6]
    assert bench.told(2).table == Table(50, 3, 0, 0).key
    assert bench.told(2).version == 1


def test_a_table_of_its_own_that_has_as_many_channels_is_told_in_one_slot_with_it():
    six = [f"X{k}" for k in range(6)]
    bench = Bench(meaning(1, VOLTS), meaning(2, six), derive=["sequences"])
    assert bench.send(0, {ONE: row(UNEVEN)}) == []
    [word] = bench.send(0, {TWO: row(UNEVEN * 2)})
    assert word.device.tolist() == [ONE, TWO]
    assert word.present.all()


def test_a_phase_that_is_missing_leaves_out_what_follows_from_it():
    bench = Bench(meaning(1, VOLTS + AMPERES), derive=["sequences", "power"])
    [word] = bench.send(0, {ONE: row([*UNEVEN, *CURRENTS[:2], (math.nan, math.nan)])})
    values = word.values[0, 0]
    assert np.isfinite(values[14:20]).all()
    assert np.isnan(values[20:]).all()


def test_a_configuration_of_cfg_2_tells_of_derived_channels_what_cfg_3_can_say():
    told = Bench(meaning(1, VOLTS), derive=["sequences"]).told(1)
    components = [each.get("component") for each in told.detail["phasor_channels"]]
    assert components == [None, None, None, "zero", "positive", "negative"]
    assert [each.get("modified", 0) for each in told.detail["phasor_channels"]] == [0, 0, 0, 1 << 10, 1 << 10, 1 << 10]


def test_names_that_the_device_has_itself_are_not_given_twice():
    told = Bench(meaning(1, [*VOLTS, "V1"]), derive=["sequences"]).told(1)
    assert told.phasors[4:] == ["V0", "V1 derived", "V2"]


@pytest.mark.parametrize(
    ("phasors", "names", "places"),
    [
        (["VA", "VB", "VC"], ["V"], [(0, 1, 2)]),
        (["Vc", "Vb", "Va"], ["V"], [(2, 1, 0)]),
        (["UL1", "UL2", "UL3"], ["U"], [(0, 1, 2)]),
        (["BAY A VA", "BAY A VB", "BAY A VC"], ["BAY A V"], [(0, 1, 2)]),
        (["BUS1 VA", "BUS1 VB", "BUS1 VC", "BUS2 VA", "BUS2 VB", "BUS2 VC"], ["BUS1 V", "BUS2 V"],
         [(0, 1, 2), (3, 4, 5)]),
        (["VA", "VB"], [], []),
        (["V1", "V2", "V0"], [], []),
        (["A", "B", "C"], ["V"], [(0, 1, 2)]),
    ],
)  # fmt: skip
def test_three_phases_are_found_by_name(phasors, names, places):
    found = sets_of(meaning(1, phasors))
    assert [each.name for each in found] == names
    assert [each.phasors for each in found] == places


def test_three_phases_are_found_by_what_cfg_3_says():
    detail = {"phasor_channels": [{"component": c} for c in ("C", "A", "B", "positive", "A", "B", "C")]}
    known = meaning(1, ["one", "two", "three", "four", "Iu", "Iv", "Iw"], detail=detail)
    assert [tuple(each) for each in sets_of(known)] == [("V", "V", (1, 2, 0)), ("I", "A", (4, 5, 6))]


def test_sets_that_are_named_count_alone():
    bench = Bench(
        meaning(1, [*VOLTS, "red", "yellow", "blue"]),
        derive=["sequences"],
        sets={"Station*": {"bus": ["red", "yellow", "blue"], "none": ["VA", "VB", "X"]}},
    )
    assert bench.told(1).phasors[6:] == ["bus0", "bus1", "bus2"]


def test_each_current_has_its_voltage():
    names = [f"{bay} {what}{phase}" for bay in ("ONE", "TWO") for what in "UI" for phase in "ABC"]
    units = {"phasor_units": ["V"] * 3 + ["A"] * 3 + ["V"] * 3 + ["A"] * 3}
    found = pairs(sets_of(meaning(1, names, **units)))
    assert [(volts.name, amperes.name) for volts, amperes in found] == [("ONE U", "ONE I"), ("TWO U", "TWO I")]
    told = Bench(meaning(1, names, **units), derive=["power"]).told(1)
    assert told.analogs == ["P ONE I", "Q ONE I", "P TWO I", "Q TWO I"]
    assert pairs(sets_of(meaning(1, AMPERES))) == []


def test_the_same_settings_make_the_same_version_and_others_another():
    versions = [
        Bench(meaning(1, VOLTS, version=version), derive=what).told(1).version
        for version, what in ((1, ["sequences"]), (1, ["sequences"]), (2, ["sequences"]), (1, ["unbalance"]))
    ]
    assert versions[0] == versions[1]
    assert len(set(versions)) == 3


def test_a_device_that_changes_its_channels_moves_to_another_table():
    bench = Bench(meaning(1, VOLTS), meaning(2, VOLTS), derive=["sequences"])
    bench.give(meaning(1, [*VOLTS, "X"], version=2), START)
    assert bench.told(1).phasors == [*VOLTS, "X", "V0", "V1", "V2"]
    [word] = bench.send(PERIOD, {TWO: row(UNEVEN)})
    assert word.device.tolist() == [TWO]


def test_rows_that_come_late_are_completed_too():
    bench = Bench(meaning(1, VOLTS), meaning(2, VOLTS), derive=["unbalance"])
    bench.send(0, {ONE: row(UNEVEN)})
    bench.wait(200_000_000)
    [word] = bench.send(0, {TWO: row(UNEVEN)})
    assert word.late
    assert word.values[0, 0, -1] > 0


def test_settings_that_make_no_sense():
    for wrong in ({"derive": ["watts"]}, {"sets": {"*": {"V": ["VA", "VB"]}}}, {"sets": {"*": {"V": VOLTS}}}):
        with pytest.raises(ValidationError):
            Settings.model_validate(wrong)
