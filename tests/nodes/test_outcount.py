"""CFGCNT of an output stream."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nodes._outcount import FILE, Changes
from protocol.c37118 import ConfigurationFrame
from tests.scenes import configuration


def counts(cfg: ConfigurationFrame) -> set[int]:
    return {station.changes for station in cfg.stations}


ONE, OTHER = configuration(stations=3), configuration(stations=3, phasors=4)


def test_it_counts_changes_and_nothing_else() -> None:
    changes = Changes(None)
    told = [changes.counted(cfg) for cfg in (ONE, ONE, OTHER, ONE, replace(ONE, rate=25))]
    assert [counts(cfg) for cfg in told] == [{1}, {1}, {2}, {3}, {4}]
    assert replace(told[0], stations=ONE.stations) == ONE


@pytest.mark.parametrize("detail", ["flags", "name", "idcode"])
def test_what_only_one_kind_of_configuration_tells_is_a_change_too(detail: str) -> None:
    changes, first = Changes(None), ONE.stations[0]
    phasor = replace(first.phasors[0], modified=8)
    other = {
        "flags": replace(first, phasors=(phasor, *first.phasors[1:])),
        "name": replace(first, name="another"),
        "idcode": replace(first, idcode=9),
    }[detail]
    changes.counted(ONE)
    assert counts(changes.counted(replace(ONE, stations=(other, *ONE.stations[1:])))) == {2}


def test_it_is_kept_over_restarts(tmp_path: Path) -> None:
    folder = tmp_path / "journal" / "upstream"
    Changes(folder).counted(ONE)
    assert counts(Changes(folder).counted(ONE)) == {1}
    assert counts(Changes(folder).counted(OTHER)) == {2}
    changes = Changes(folder)
    assert counts(changes.counted(ONE)) == {3}
    assert changes.trouble == ""


def test_it_goes_round(tmp_path: Path) -> None:
    Changes(tmp_path).counted(ONE)
    kept = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps(kept | {"count": 0xFFFF}))
    assert counts(Changes(tmp_path).counted(OTHER)) == {0}
    assert counts(Changes(tmp_path).counted(OTHER)) == {0}
    assert counts(Changes(tmp_path).counted(ONE)) == {1}


@pytest.mark.parametrize("content", ["", "[]", '{"format": 2, "count": 1, "content": 1}', '{"format": 1}', "\0"])
def test_a_file_that_is_none_of_ours_is_an_alarm_until_there_is_a_new_one(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    changes = Changes(tmp_path)
    assert f"{FILE}: not a count of changes" in changes.trouble
    assert counts(changes.counted(ONE)) == {1}
    assert changes.trouble == ""
    assert counts(Changes(tmp_path).counted(ONE)) == {1}


def test_where_nothing_can_be_written_it_goes_on_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    changes = Changes(tmp_path / "file" / "upstream")
    assert counts(changes.counted(ONE)) == {1}
    assert "CFGCNT goes back with the next restart" in changes.trouble
    assert counts(changes.counted(OTHER)) == {2}
