"""Which values limits watch, and what they are: against direct computations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nodes._limitpairs import Pair
from nodes._limitpoints import Fundamentals, Reading, points_of
from nodes._limitsettings import Limit
from nodes._limitwatch import LimitWatch
from protocol.clock import SECOND
from protocol.messages import Configuration, Snapshots, Spectrum, Table, spectrum_number
from tests.suspicions import TABLE, configuration, moment, number, snapshots


def limit(quantity: str, **more: Any) -> Limit:
    return Limit.model_validate({"name": "L", "quantity": quantity, "delay": "0 s", "hold": "0 s"} | more)


def read(known: Configuration, word: Snapshots, limit_: Limit) -> dict[str, list[float]]:
    """Channel -> values of the first device."""
    points = list(points_of(known, 0, [limit_]))
    values = Reading(points, Fundamentals()).of(word)
    return {point.key.channel: values[:, at].tolist() for at, point in enumerate(points)}


def test_frequency_and_rocof_are_the_first_channels():
    word = snapshots(0, 2, [1])
    assert read(configuration(1), word, limit("frequency", high="51 Hz")) == {"": word.values[:, 0, 0].tolist()}
    assert read(configuration(1), word, limit("rocof", high="1 Hz/s")) == {"": [0.0, 0.0]}


@pytest.mark.parametrize(
    ("quantity", "high", "names"), [("voltage", "1 kV", ["VA", "VB", "VC"]), ("current", "1 kA", ["IA", "IB", "IC"])]
)
def test_each_phase_and_those_that_are_chosen(quantity: str, high: str, names: list[str]):
    word, value = snapshots(0, 1, [1]), {"voltage": 100.0, "current": 10.0}[quantity]
    assert read(configuration(1), word, limit(quantity, high=high)) == {name: [value] for name in names}
    assert list(read(configuration(1), word, limit(quantity, high=high, channels=["?B"]))) == [names[1]]


def test_a_device_of_one_phasor_has_one_voltage():
    table = Table(50, 1, 0, 0)
    assert list(
        read(configuration(1, table=table), snapshots(0, 1, [1], table=table), limit("voltage", high="1 kV"))
    ) == ["V1"]


@pytest.mark.parametrize(("quantity", "unit", "wanted"), [("active power", "MW", 0.8), ("reactive power", "Mvar", 0.6),
                                                          ("apparent power", "MVA", 1.0)])  # fmt: skip
def test_power_of_three_phases(quantity: str, unit: str, wanted: float):
    word = snapshots(0, 1, [1])
    values = word.values.copy()
    for phase in range(3):
        values[..., 2 + 2 * phase], values[..., 8 + 2 * phase] = 100e3, 10 / 3
        values[..., 9 + 2 * phase] = values[..., 3 + 2 * phase] - np.degrees(np.arctan2(0.6, 0.8))
    [[told]] = read(configuration(1), replace(word, values=values), limit(quantity, high=f"2 {unit}")).values()
    assert told == pytest.approx(wanted, rel=1e-5)


def test_unbalance_is_negative_over_positive_sequence():
    word = snapshots(0, 1, [1])
    values = word.values.copy()
    values[..., 2] = 90
    [[told]] = read(configuration(1), replace(word, values=values), limit("unbalance", high="2 %")).values()
    a = np.exp(2j * np.pi / 3)
    phases = np.array([90, 100 * a**2, 100 * a])
    assert told == pytest.approx(100 * abs(phases @ [1, a**2, a]) / abs(phases @ [1, a, a**2]), rel=1e-5)


def test_analogs_by_name():
    table = Table(50, 0, 2, 0)
    known = replace(configuration(1), table=table.key, phasors=[], phasor_units=[], analogs=["MW 1", "Oil"],
                    analog_units=["rms", "rms"])  # fmt: skip
    word = snapshots(0, 1, [1], table=table)
    values = word.values.copy()
    values[..., 2:] = [5, 60]
    assert read(known, replace(word, values=values), limit("analog", high=50, channels=["Oil*"])) == {"Oil": [60.0]}


def test_distortion_is_of_the_fundamental_that_another_table_tells():
    table = Table(1, 1, 0, 0, orders=3)
    device = spectrum_number(number(1), Spectrum.HARMONICS)
    known = replace(configuration(1), device=device, table=table.key, phasors=["VA"], phasor_units=["V"],
                    components=[2.0, 3.0, 5.0])  # fmt: skip
    watch = LimitWatch([limit("thd", high="8 %")])
    watch.configure(configuration(1))
    watch.configure(known)
    word = Snapshots(
        table=table.key, slot=np.array([moment(0) // SECOND]), device=np.array([device], np.uint32),
        present=np.ones((1, 1), np.uint8), quality=np.zeros((1, 1), np.uint8), status=np.zeros((1, 1), np.uint16),
        values=np.array([[[50, 0, 6, 0, 8, 0, 0, 0]]], np.float32), digital=np.zeros((1, 1, 0), np.uint16),
        latency=np.zeros(1, np.int64), node="align", epoch=1, number=0,
    )  # fmt: skip
    assert list(watch.take(word, 0)) == [], "no fundamental is known"
    list(watch.take(snapshots(0, 1, [1]), 0))
    [told] = watch.take(replace(word, slot=word.slot + 1), 0)
    assert (told.value, told.device, told.unit) == (pytest.approx(10.0), device, "%")


def test_what_a_limit_is_not_for_has_no_points():
    known = configuration(1, region="north")
    for more in ({"devices": ["PMU 2"]}, {"regions": ["south"]}):
        assert list(points_of(known, 0, [limit("frequency", high="51 Hz", **more)])) == []
    assert len(list(points_of(known, 0, [limit("frequency", high="51 Hz", devices=["l1"], regions=["n*"])]))) == 1


def angled(first: int, stop: int, links: list[int], turn: dict[int, float], table: Table = TABLE) -> Snapshots:
    word = snapshots(first, stop, links, table=table)
    values = word.values.copy()
    for place, link in enumerate(links):
        values[:, place, 3::2] += turn.get(link, 0.0)
    return replace(word, values=values)


def test_the_angle_between_two_devices_in_whatever_pieces_and_tables():
    pair_limit = limit("angle difference", high="30 deg", between=["PMU 1", "l2"])
    single = Table(50, 1, 0, 0)
    for pieces in ([(0, 10)], [(0, 3), (3, 4), (4, 10)]):
        pair = Pair(pair_limit)
        pair.configure(configuration(1))
        pair.configure(configuration(2, table=single))
        told = []
        for first, stop in pieces:
            for word in (angled(first, stop, [1], {1: 100.0}), angled(first, stop, [2], {2: 140.0}, single)):
                time = np.array([moment(slot / 50) for slot in range(first, stop)])
                told += pair.take(word, time, slice(None))
        assert [(each.time, each.level, round(each.value, 3)) for each in told] == [(moment(0), 1, 40.0)]


def test_an_angle_that_waits_in_vain_is_forgotten():
    pair = Pair(limit("angle difference", high="30 deg", between=["PMU 1", "PMU 2"]))
    pair.configure(configuration(1))
    for second in range(60):
        time = np.array([moment(second + slot / 50) for slot in range(50)])
        pair.take(angled(50 * second, 50 * second + 50, [1], {}), time, slice(None))
    assert sum(time.size for time, _ in pair._waiting) <= 501
