"""Events for pages: which ones are looked for, what is told of them, what browsers get of their traces."""

from __future__ import annotations

import json
import math
import struct
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from starlette.datastructures import QueryParams

from archive.clips import Trace
from archive.events import Event
from archive.evidence import evidence, suspected
from archive.folder import ArchiveError
from console.board import Board
from console.eventlist import Catalogue, Entry, visible
from console.eventrecord import NONE, clip, extremes, packed, record
from console.eventsearch import DAY, PER_PAGE, Search, beside
from console.eventtexts import place, row
from console.model import Station
from console.modes import AT_MOST, decomposed
from console.texts import Texts
from protocol.clock import SECOND
from tests.console.browser.feeding import configurations, event

T0 = 20_000 * DAY
EN = Texts("en")


def entry(number: int, **more: object) -> Entry:
    told = {"id": f"e{number}", "kind": "gen_trip", "confidence": 0.9, "size_mhz": -50.0, **more}
    event = Event(T0 - number * DAY // 4, "", [f"PMU {number}"], 3.0, "disturbance", {}, [], **told)  # type: ignore[arg-type]
    return Entry(event.id, event, frozenset({"north" if number % 2 else "south"}))


MANY = [entry(number) for number in range(130)]


def test_who_sees_some_devices_alone_does_not_find_events_by_the_others() -> None:
    """All of these are his to see, for another of their devices."""
    search = Search.of(QueryParams("text=pmu+3"))
    assert [each.name for each in search.found(MANY[:5], {"PMU 2", "PMU 3"})] == ["e3"]
    assert search.found(MANY[:5], {"PMU 2"}) == []
    assert search.days(MANY[:5], {"PMU 2"}) == []


def found(query: str, entries: list[Entry]) -> list[str]:
    return [each.name for each in Search.of(QueryParams(query)).found(entries)]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["e0", "e1", "e2", "e3"]),
        ("kind=load_loss&kind=islanding", ["e1"]),
        ("region=south", ["e0", "e2"]),
        ("mhz=60", ["e2"]),
        ("sure=95", ["e3"]),
        ("text=pmu+3", ["e3"]),
        ("text=E2", ["e2"]),
        ("rejected=1", ["e4"]),
        ("since=2024-10-04&until=2024-10-04", ["e0"]),
        ("since=nonsense&mhz=nan&sure=x", ["e0", "e1", "e2", "e3"]),
    ],
)
def test_what_is_looked_for(query: str, names: list[str]) -> None:
    entries = [
        entry(0), entry(1, kind="load_loss"), entry(2, size_mhz=70.0), entry(3, confidence=0.99),
        entry(4, disturbance=False),
    ]  # fmt: skip
    assert found(query, entries) == names


def test_an_address_says_what_is_looked_for() -> None:
    search = Search(("gen_trip", "a&b"), ("north",), "2024-10-01", "2024-10-04", 12.5, 80.0, "PMU é", True, 3)
    assert search.checked() == search
    assert Search().address() == ""


def test_events_come_in_pages_and_the_last_one_is_shown_instead_of_one_beyond() -> None:
    first, shown = Search(page=2).shown(MANY)
    assert (first, len(shown), shown[0].name) == (PER_PAGE, PER_PAGE, "e50")
    first, shown = Search(page=99).shown(MANY)
    assert (first, len(shown)) == (100, 30)
    assert Search().shown([]) == (0, [])


def test_days_are_counted_whatever_the_days_looked_for() -> None:
    days = Search(since="2024-10-04").days(MANY[:6])
    assert days == [(19998, 1), (19999, 4), (20000, 1)]


def test_neighbours_are_those_that_are_looked_for() -> None:
    older, newer = beside(MANY, "e5")
    assert (older and older.name, newer and newer.name) == ("e6", "e4")
    assert beside(MANY, "e0")[1] is None
    assert beside(MANY, "e129")[0] is None
    assert beside(MANY, "another") == (None, None)


def test_a_reader_sees_events_with_devices_of_his_regions() -> None:
    assert [each.name for each in visible(MANY[:4], ["north"])] == ["e1", "e3"]
    assert visible(MANY, None) == MANY


def test_a_reader_does_not_find_out_by_looking_which_other_regions_an_event_reached() -> None:
    both = replace(MANY[1], regions=frozenset({"north", "south"}))
    assert Search.of(QueryParams("region=south")).found([both]) == [both]
    mine = visible([both], ["north"])
    assert Search.of(QueryParams("region=south")).found(mine) == []
    assert [each.name for each in Search.of(QueryParams("region=north")).found(mine)] == ["e1"]


def test_a_line_says_what_is_known() -> None:
    told = row(entry(1, nearest=["A", "B"], ellipse=[12.3, 4.0, 0.0], size_mw=math.nan), EN, "?kind=gen_trip")
    assert (told["kind"], told["mhz"], told["mw"], told["sure"]) == ("generation trip", -50.0, None, 0.9)
    assert told["place"] == "near A, B  ± 12 km"
    assert told["link"] == "/events/e1?kind=gen_trip"
    assert json.dumps(told, allow_nan=False)
    assert place(entry(1, disturbance=False, bad=["A"]), EN) == "bad data: A"
    assert place(entry(1, nearest=["A", "B"]), EN, {"B"}) == "near B"
    assert [entry(1, final=False).state, entry(1, outcome="failed").state] == ["open", "failed"]


def station() -> Station:
    made = Station("x", Board([]), 10 * SECOND, 1 << 20)
    for each in configurations():
        made.take(each, 0.0)
    return made


def test_what_triggers_say_is_there_at_once_and_the_last_answer_counts() -> None:
    there = station()
    devices = [each.device for each in configurations()[:3]]
    catalogue = Catalogue(there, None)
    before = catalogue.known(0.0)
    there.take(event(T0, devices), 0.0)
    known = catalogue.known(0.1)
    assert known.revision > before.revision
    assert (known.entries[0].state, known.entries[0].event.devices) == ("open", ["North 01", "North 02", "North 03"])
    there.take(replace(event(T0, devices), answer=2, final=True, size_mhz=-70.0), 0.0)
    known = catalogue.known(0.2)
    assert [(each.state, each.event.size_mhz) for each in known.entries] == [("final", -70.0)]
    assert catalogue.known(0.3).revision == known.revision
    assert catalogue.known(9.0).entries[0].regions == {"north"}


def test_an_archive_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "archive.json").write_text("{")
    catalogue = Catalogue(station(), tmp_path)
    end = time.monotonic() + 10
    while (known := catalogue.known(0.0)).reading and time.monotonic() < end:
        time.sleep(0.01)
    assert known.fault
    assert not known.reading
    catalogue.close()


def test_an_event_without_a_file_is_what_the_trigger_said() -> None:
    there = station()
    told = event(T0, [each.device for each in configurations()[:3]])
    there.take(told, 0.0)
    held = record(there, None, told.id)
    assert (held.path, held.final, held.counting.kind) == (None, False, "gen_trip")
    with pytest.raises(ArchiveError):
        record(there, None, "another")


def trace(device: int, values: np.ndarray, step: int = SECOND // 50, start: int = T0) -> Trace:
    time_ = start + step * np.arange(values.size)
    ones = np.ones(values.size, np.float32)
    return Trace(device, f"PMU {device}", time_, values.astype(np.float32), "VA", 100 * ones, 10 * device * ones)


def test_traces_of_all_rates_lie_on_one_grid() -> None:
    fast, slow = trace(1, np.full(100, 50.01)), trace(2, np.full(20, 49.98), SECOND // 10)
    made = clip([fast, slow], T0 + SECOND)
    assert (made.device, made.start, made.step) == ([1, 2], T0, SECOND // 50)
    assert made.values.shape == (3, 2, 100)
    np.testing.assert_allclose(made.values[0, 0], 10, atol=0.01)
    there = made.values[0, 1][~np.isnan(made.values[0, 1])]
    np.testing.assert_allclose(there, -20, atol=0.01)
    assert there.size >= 95
    np.testing.assert_allclose(made.values[1, 0], 1)
    np.testing.assert_allclose(made.values[2, 1][~np.isnan(made.values[2, 1])], 0, atol=1e-5)


def test_no_spike_is_lost_where_there_is_too_much() -> None:
    values = np.full(1000, 50.0)
    values[501] = 50.3
    made = clip([trace(1, values)], T0 + SECOND, at_most=300)
    assert made.values.shape[2] <= 100
    assert np.nanmax(made.values[0]) == pytest.approx(300, abs=0.1)
    assert made.step * made.values.shape[2] >= 1000 * SECOND // 50


def test_extremes_are_farthest_from_the_mean_and_gaps_stay() -> None:
    values = np.array([[1, 1, 5, np.nan, np.nan, np.nan, -3, 2]], np.float32)
    np.testing.assert_array_equal(extremes(values, 3), [[5, np.nan, -3]])


def test_a_browser_gets_what_was_measured() -> None:
    made = clip([trace(1, 50 + np.arange(100) / 1000)], T0)
    made.values[0, 0, 7] = np.nan
    told = packed(made, {"onset": 5})
    (length,) = struct.unpack_from("<I", told)
    header = json.loads(told[4 : 4 + length])
    values = np.frombuffer(told, "<i2", offset=4 + length).reshape(3, 1, 100)
    assert (length % 4, header["onset"], header["device"], header["rows"]) == (0, 5, [1], 100)
    assert values[0, 0, 7] == NONE
    back = values[0, 0] * header["scale"][0]
    np.testing.assert_allclose(np.delete(back, 7), np.delete(made.values[0, 0], 7), atol=header["scale"][0])
    assert packed(clip([], T0), {})


def test_modes_add_up_to_what_was_measured_and_the_fastest_comes_first() -> None:
    at = np.arange(1500) / 50
    x = 5 * np.sin(2 * np.pi * 2 * at) + 20 * np.sin(2 * np.pi * 0.2 * at) + at
    values, period = decomposed(x, 0.02)
    assert len(values) <= AT_MOST + 1
    np.testing.assert_allclose(values.sum(axis=0), x, atol=1e-6)
    assert period[0] == pytest.approx(0.5, rel=0.1)


def test_suspicions_are_told_by_station_and_trigger() -> None:
    told = [{"name": "B", "trigger": "w", "onset": 5, "score": 2.0}, {"name": "A", "trigger": "w", "onset": 3},
            {"name": "B", "trigger": "w", "onset": 4, "score": 9.0}]  # fmt: skip
    assert [tuple(each) for each in suspected(told)] == [("A", "w", 3, 1, 0.0), ("B", "w", 4, 2, 9.0)]
    assert list(evidence({"rules": ["x"], "size": {"mhz": 3, "none": None}, "by": "y"})) == [
        ("size mhz", "3"), ("by", "y")]  # fmt: skip
