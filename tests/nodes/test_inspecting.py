"""A concentrator tells bad data as they come: of which device and kind, to archivers, in `syms status`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from archive.reading import open_archive
from nodes._node import Place
from nodes.archiver import Archiver
from nodes.archiver import Settings as ArchiverSettings
from nodes.concentrator import Settings
from protocol.clock import SECOND
from protocol.messages import Announce, Flags, Measurements, Snapshots, Table, device_number
from tests.aligning import PERIOD, START, Bench, Row, later, meaning, rows_word

LINKS = (1, 2, 3, 4)
BAD = device_number(3, 0)
READERS = {"archiver": ["archive"]}
SECONDS = 22
FIRST, STOP = 8 * 50, 11 * 50
"""Slots in which something is wrong."""
Change = Callable[[int, list[float]], list[float] | None]


def nothing(_: int, values: list[float]) -> None:
    return None


def some(slot: int, values: list[float]) -> list[float] | None:
    return None if slot % 15 == 0 else values


def zeros(_: int, values: list[float]) -> list[float]:
    return [0.0] * len(values)


def same(_: int, values: list[float]) -> list[float]:
    return [50.001, 0.0, 1.0, 2.0]


def spiky(slot: int, values: list[float]) -> list[float]:
    return [values[0] + (0.08 if slot % 40 == 0 else 0.0), *values[1:]]


def played(change: Change | None, seconds: int = SECONDS, first: int = FIRST, **more) -> Bench:
    """Devices that send noise about nominal; of one of them something else for three seconds."""
    made = Bench(*(meaning(link, ["VA"]) for link in LINKS), flags=True, readers=READERS, **more)
    draw = np.random.default_rng(7)
    noise = draw.standard_normal((seconds * 50, len(LINKS), 2)) * (0.0005, 0.01)
    for slot in range(seconds * 50):
        rows = {}
        for k, link in enumerate(LINKS):
            values: list[float] | None = [
                50.0 + noise[slot, k, 0],
                0.0,
                1.0 + 1e-3 * noise[slot, k, 1],
                noise[slot, k, 1],
            ]
            if change and device_number(link, 0) == BAD and first <= slot < first + STOP - FIRST:
                values = change(slot, values)
            if values is not None:
                rows[device_number(link, 0)] = Row(values)
        made.send(slot * PERIOD, rows)
        if len(rows) < len(LINKS):
            made.wait(slot * PERIOD + 15_000_000)
        if slot % 25 == 0:
            made.wait(slot * PERIOD + 16_000_000)
    return made


def flags(made: Bench) -> list[Flags]:
    return [letter.message for letter in made.letters if isinstance(letter.message, Flags)]


def spans(made: Bench) -> list[tuple[int, str, float, float, int]]:
    found = []
    for word in flags(made):
        for row in zip(word.device.tolist(), word.kind, word.start, word.stop, word.going.tolist(), strict=True):
            device, kind, start, stop, going = row
            found.append((device, kind, (start - START.utc) / PERIOD, (stop - START.utc) / PERIOD, going))
    return found


def test_good_rows_are_not_flagged():
    assert flags(played(None)) == []


seen = cache(played)
"""Where nothing is done with it afterwards."""


@pytest.mark.parametrize(
    ("change", "kind", "first", "stop"),
    [
        (nothing, "gap", FIRST, STOP),
        (some, "packet_loss", FIRST + 5, 541),
        (zeros, "zero_fill", FIRST, STOP),
        (same, "frozen", FIRST, STOP),
    ],
)
def test_bad_rows_are_flagged_by_kind_and_span(change: Change, kind: str, first: int, stop: int):
    made = seen(change, 30 if kind == "packet_loss" else SECONDS)
    begun, ended = spans(made)[0], spans(made)[-1]
    assert begun[:3] == (BAD, kind, first)
    assert begun[4] == 1
    assert ended == (BAD, kind, first, stop, 0)
    assert len(spans(made)) == 2
    assert {word.node for word in flags(made)} == {"align/minutes"}
    assert made.columns(3)["flags"] == 1
    assert made.columns(3)["bad_now"] == 0
    assert made.columns(1)["flags"] == 0


def test_spikes_are_told_when_it_is_known_what_is_usual():
    made = played(spiky, 45, first=1250)
    assert spans(made)[0][:3] == (BAD, "spikes", 1280)
    assert spans(made)[1:] == [(BAD, "spikes", 1280, 1361, 0)]


def test_who_is_bad_now_is_an_alarm():
    made = played(lambda slot, values: [50.001, 0.0, 1.0, 2.0], 16)
    health = made.node.health(later(16 * SECOND))
    assert made.columns(3)["bad_now"] == 1
    [alarm] = [each for each in health["alarms"] if "bad data" in each]
    assert alarm.startswith(f"Station 3 (device {BAD}): bad data, frozen since")


def test_a_clock_that_is_off_is_a_clock_and_no_gap():
    made = Bench(*(meaning(link, ["VA"]) for link in LINKS), flags=True, readers=READERS)
    draw = np.random.default_rng(7)
    off, right = 40 * SECOND, 18 * 50
    for slot in range(34 * 50):
        rows = {
            device_number(link, 0): Row([50.0 + 0.0005 * draw.standard_normal(), 0.0, 1.0, draw.standard_normal()])
            for link in LINKS
        }
        now = later(slot * PERIOD + 10_000_000)
        if FIRST <= slot < right:
            made.send(slot * PERIOD - off, {BAD: rows.pop(BAD)}, now)
        made.send(slot * PERIOD, rows, now)
        made.wait(slot * PERIOD + 15_000_000)
    found = spans(made)
    assert {(device, kind) for device, kind, *_ in found} == {(BAD, "clock_offset")}
    assert found[0][2] == pytest.approx(FIRST, abs=50)
    assert found[-1][3] == pytest.approx(right, abs=200)
    assert found[-1][4] == 0
    word = flags(made)[0]
    assert word.detail[0]["offset_s"] == pytest.approx(off / SECOND)
    assert not [each for each in made.node.health(later(35 * SECOND))["alarms"] if "bad data" in each]


def test_what_goes_on_when_the_concentrator_ends_is_told_to_end(tmp_path: Path):
    made = played(same, 16, journal=tmp_path / "align")
    made.note(made.node.wake(later(17 * SECOND)))
    before = len(spans(made))
    made.note(made.node.stop(later(17 * SECOND)))
    assert (before, [going for *_, going in spans(made)]) == (1, [1, 0])


def test_treated_rows_are_looked_at_as_they_came():
    """A gap that is filled with last values, and frozen values that validation takes out, are flagged all the same."""
    made = played(nothing, missing="last", hold="2 s")
    assert {kind for _, kind, *_ in spans(made)} == {"gap"}
    made = played(same, validate={"flat": "1 s"})
    assert {kind for _, kind, *_ in spans(made)} == {"frozen"}


def test_the_archive_keeps_what_is_told(tmp_path: Path):
    made = seen(same, SECONDS)
    place = Place("archive", "archive", 1, {}, {"concentrator": ["align"]}, "/run", {}, "p.yaml", None)
    node = Archiver(ArchiverSettings.model_validate({"path": tmp_path / "data"}), place)
    list(node.start(START))
    words = flags(made)
    for word in (Announce("align/minutes", words[0].epoch, len(words), 0), *words):
        list(node.receive(word, later(SECOND)))
    list(node.stop(later(2 * SECOND)))
    with open_archive(tmp_path / "data") as found:
        rows = found.flags()
    assert rows["kind"].tolist() == ["frozen"]
    assert rows["start"].tolist() == [START.utc + FIRST * PERIOD]
    assert rows["going"].tolist() == [0]


def test_what_is_replaced_is_marked_and_not_archived(tmp_path: Path):
    """Held and rejected values are told with STAT bit 9; the archive, which hears all words, keeps what was sent."""
    made = Bench(*(meaning(link, ["VA"]) for link in LINKS), missing="last", validate={"frequency": [49, 51]})
    sent: list[Measurements] = []
    table = Table(50, 1, 0, 0)
    for slot in range(20):
        values = {link: [60.0 if (link, slot) == (1, 5) else 50.0, 0.0, 1.0, 2.0] for link in LINKS}
        rows = {device_number(link, 0): Row(values[link]) for link in LINKS if (link, slot) != (2, 7)}
        sent.append(rows_word(table, rows, START.utc + slot * PERIOD, START.utc + slot * PERIOD))
        made.send(slot * PERIOD, rows)
        made.wait(slot * PERIOD + 150_000_000)
    told = [word for word in made.said if isinstance(word, Snapshots)]
    marked = {
        (int(word.slot[k]), int(word.device[m]) >> 16)
        for word in told
        for k, m in np.argwhere(word.status & 0x0200).tolist()
    }
    first = int(told[0].slot[0])
    assert marked == {(first + 5, 1), (first + 7, 2)}
    place = Place(
        "archive", "archive", 1, {}, {"receiver": ["receivers.1"], "concentrator": ["align"]}, "/run", {}, "p", None
    )
    node = Archiver(ArchiverSettings.model_validate({"path": tmp_path / "data"}), place)
    list(node.start(START))
    configurations = [meaning(link, ["VA"]) for link in LINKS]
    words = [replace(word, node="receivers.1", epoch=1, number=k) for k, word in enumerate([*configurations, *sent])]
    for word in (Announce("receivers.1", 1, len(words), 0), *words, Announce("align", 1, len(told), 0), *made.said):
        list(node.receive(word, later(SECOND)))
    list(node.stop(later(2 * SECOND)))
    with open_archive(tmp_path / "data") as found:
        _, hertz = found.get("Station 1", "frequency")
        time, _ = found.get("Station 2", "frequency")
        _, status = found.get("Station 1", "status")
    assert hertz.tolist() == [60.0 if slot == 5 else 50.0 for slot in range(20)]
    assert ((time - START.utc) // PERIOD).tolist() == [slot for slot in range(20) if slot != 7]
    assert not status.any()


def test_it_wants_slots():
    with pytest.raises(ValidationError, match="flags needs slots"):
        Settings.model_validate({"flags": True, "aligned": False})
