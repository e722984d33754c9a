"""Bad data in the archive: the words of a span are one row, in any interval that it touches, through kills."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray
from hypothesis import given
from hypothesis import strategies as st

from archive import layout
from archive.finish import finish_all
from archive.flags import FIELDS, merged
from archive.layout import FLAG_REPEAT as REPEAT
from archive.reading import open_archive
from archive.writer import Archive
from protocol import wire
from protocol.clock import SECOND
from protocol.messages import Flags
from tests import thorough
from tests.archive.test_statistics import write
from tests.archives import NONE, T0, Dying, Killed, configuration, flags, grid, measurements

HOUR = 3600
EVERY = REPEAT // SECOND


def held(path: Path, start: float | None = None, end: float | None = None, devices: list[str] | None = None,
         ) -> list[tuple[int, str, float, float, int]]:  # fmt: skip
    moments = (None if at is None else T0 + round(at * SECOND) for at in (start, end))
    with open_archive(path, *moments) as found:
        rows = found.flags(devices)
    names = ("device", "kind", "start", "stop", "going")
    return [(device >> 16, kind, (a - T0) / SECOND, (b - T0) / SECOND, going)
            for device, kind, a, b, going in zip(*(rows[name].tolist() for name in names), strict=True)]  # fmt: skip


def test_it_crosses_wires_as_it_is():
    word = flags((1, "frozen", 1.5, 2.0, 1), (2, "spikes", 1.6, 1.7, 0))
    came = wire.unpack([bytes(part) for part in wire.pack(word)])
    assert isinstance(came, Flags)
    assert (came.kind, came.detail) == (word.kind, word.detail)
    for name in ("device", "start", "stop", "going", "score"):
        np.testing.assert_array_equal(getattr(came, name), getattr(word, name))
    torn = flags((1, "frozen", 1.5, 2.0, 1))
    parts = [bytes(part) for part in wire.pack(torn)]
    with pytest.raises(wire.WireError):
        wire.unpack(parts[:-1])


def test_the_words_of_a_span_are_one_row(tmp_path: Path):
    write(tmp_path, configuration(1), flags((1, "frozen", 1.5, 2.0, 1), (2, "spikes", 1.6, 1.7, 0)),
          flags((1, "frozen", 1.5, 9.0, 0), number=1, score=5.0))  # fmt: skip
    for finish in (lambda: None, lambda: finish_all(tmp_path)):
        finish()
        assert held(tmp_path) == [(1, "frozen", 1.5, 9.0, 0), (2, "spikes", 1.6, 1.7, 0)]
        with open_archive(tmp_path) as found:
            rows = found.flags()
        assert list(rows) == list(FIELDS)
        assert rows["score"].tolist() == [5.0, 2.0]
        assert rows["name"].tolist() == ["站 1", ""]
        assert rows["by"].tolist() == ["align"] * 2
        assert [json.loads(each) for each in rows["detail"]] == [{"samples": 0}, {"samples": 1}]
    assert held(tmp_path, devices=["站 1"]) == [(1, "frozen", 1.5, 9.0, 0)]


def test_who_flags_what_is_told_apart_and_said_twice_is_once(tmp_path: Path):
    one, other = flags((1, "frozen", 1, 2, 1)), flags((1, "frozen", 1, 2, 0), node="suspects")
    archive = write(tmp_path, one, other)
    assert archive.flags.counters == {"flags": 2, "flag_twins": 0}
    archive = write(tmp_path, flags((1, "frozen", 1, 2, 1), epoch=6))
    assert archive.flags.counters == {"flags": 0, "flag_twins": 1}
    assert held(tmp_path) == [(1, "frozen", 1, 2, 1), (1, "frozen", 1, 2, 0)]


def test_a_span_that_nobody_ended_is_over_when_its_writer_began_anew(tmp_path: Path):
    write(tmp_path, flags((1, "gap", 1, 2, 1)))
    assert held(tmp_path) == [(1, "gap", 1, 2, 1)]
    write(tmp_path, flags((2, "gap", 50, 51, 1), epoch=8))
    assert held(tmp_path) == [(1, "gap", 1, 2, 0), (2, "gap", 50, 51, 1)]


def told(start: float, length: float) -> list[Flags]:
    """What is said of a span: its begin, now and then, its end; a second late."""
    stops = [start + 1, *np.arange(start + 1 + EVERY, start + length, EVERY).tolist(), start + length]
    return [flags((1, "gap", start, stop, int(stop != stops[-1])), number=number) for number, stop in enumerate(stops)]


@pytest.mark.parametrize("start", [100.0, 2399.5, 2398.0])
@pytest.mark.parametrize("length", [5.0, 900.0, 4 * HOUR + 17.0])
def test_every_interval_that_it_touches_has_it(tmp_path: Path, start: float, length: float):
    """T0 is 20 minutes after a full hour: some begin at the end of an hour, some go over several."""
    write(tmp_path, *told(start, length))
    whole = (1, "gap", start, start + length, 0)
    assert held(tmp_path) == [whole]
    edges = np.unique(np.clip(np.arange(0, start + length + HOUR, 300.0), start + 0.01, start + length - 0.01))
    for at in edges.tolist():
        [(link, kind, begin, _, _)] = held(tmp_path, at, at + 0.005)
        assert (link, kind, begin) == whole[:3]
    assert held(tmp_path, 0, start) == held(tmp_path, start + length, start + length + 1) == []


def test_others_read_the_group(tmp_path: Path):
    write(tmp_path, configuration(1), measurements([1] * 3, grid(0, 3)), flags((1, "frozen", 1, 2, 0)))
    [path] = finish_all(tmp_path)
    write(tmp_path, flags((1, "gap", 5, 6, 0), number=1))
    assert finish_all(tmp_path) == [path]
    with xarray.open_dataset(path, engine="h5netcdf", group="flags") as found:
        assert found["kind"].dims == ("flag",)
        assert found["kind"].values.tolist() == ["frozen", "gap"]


def test_parts_that_are_full_are_followed_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(layout, "FLAG_ROWS", 4)
    write(tmp_path, *(flags(*[(k, "gap", at, at + 0.5, 0) for k in (1, 2, 3)], number=at) for at in range(3)))
    assert len(list(tmp_path.glob("live/*/flags.*.part.h5"))) == 3
    assert len(held(tmp_path)) == 9


def test_killed_at_every_change_of_a_file(tmp_path: Path):
    words = [configuration(1), flags((1, "gap", 1, 2, 1)), flags((1, "gap", 1, 9, 0), number=1)]
    counter = Dying(0)
    write(tmp_path / "whole", *words, disk=counter)
    for at in thorough.samples(range(1, counter.calls + 1), 4):
        path = tmp_path / f"{at}"
        with pytest.raises(Killed):
            write(path, *words, disk=Dying(at))
        write(path, *words)
        assert held(path) == [(1, "gap", 1, 9, 0)], f"killed at change {at}"


def test_an_archive_without_any_says_so(tmp_path: Path):
    archive = Archive(tmp_path)
    archive.commit(NONE)
    archive.close()
    assert held(tmp_path) == []


@given(st.permutations(range(6)), st.integers(0, 5))
def test_the_order_of_words_is_no_matter(order: list[int], ended: int):
    columns = {name: np.zeros(6, np.int64) for name in FIELDS}
    columns |= {"kind": np.array(["gap"] * 6, object), "by": np.array(["align"] * 6, object)}
    columns |= {"stop": np.arange(6), "going": np.array([k != ended for k in range(6)], np.uint8)}
    columns["score"] = np.arange(6)[::-1].astype(float)
    found = merged({name: values[list(order)] for name, values in columns.items()})
    assert (found["stop"].tolist(), found["score"].tolist()) == ([5], [5.0])
    assert found["going"].tolist() == [int(ended != 5)]
