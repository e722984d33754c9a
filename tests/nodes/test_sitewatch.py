"""The site file of a station that runs: taken up when it has changed, is at rest and has no fault."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nodes._node import Place
from nodes._site import Site, load
from nodes._sitewatch import SiteWatch, kept
from protocol.clock import SECOND, Now

FIRST = "station: A\n"
SECOND_ONE = "station: B\n"


class Desk:
    """A watch, its file, and a clock moved by the test."""

    def __init__(self, folder: Path) -> None:
        self.file, self.run = folder / "site.yaml", folder / "run"
        self.run.mkdir()
        self.file.write_text(FIRST)
        self.now = Now(SECOND, 1000 * SECOND)
        place = Place("front", "front", 1, {}, {}, str(self.run), {}, "p.yaml", site_file=self.file)
        self.watch = SiteWatch(place, load(self.file))
        self.watch.start(self.now)

    def look(self) -> Site | None:
        """A second later."""
        self.now = Now(self.now.monotonic + SECOND, self.now.utc + SECOND)
        return self.watch.look(self.now)

    def looks(self, count: int) -> list[str]:
        """Stations of the files that it tells of."""
        return [site.station for site in (self.look() for _ in range(count)) if site]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_file_that_stays_is_nothing(desk: Desk) -> None:
    assert desk.looks(4) == []
    assert desk.watch.alarms == []


def test_a_changed_file_is_told_once_within_two_seconds(desk: Desk) -> None:
    desk.looks(3)
    desk.file.write_text(SECOND_ONE)
    assert desk.looks(2) == ["B"]
    assert desk.looks(3) == []


def test_it_is_looked_at_each_second_and_not_more_often(desk: Desk) -> None:
    desk.looks(3)
    desk.file.write_text(SECOND_ONE)
    desk.look()
    assert desk.watch.look(Now(desk.now.monotonic + SECOND - 1, desk.now.utc)) is None
    assert desk.looks(1) == ["B"]


def test_one_that_is_being_written_is_waited_for(desk: Desk) -> None:
    desk.looks(3)
    for size in range(1, 5):
        desk.file.write_text(SECOND_ONE + "# " + "x" * size)
        assert desk.looks(1) == []
    assert desk.looks(1) == ["B"]


def test_one_that_replaces_it_is_seen_though_it_is_as_old_and_as_long(desk: Desk) -> None:
    desk.looks(3)
    info = desk.file.stat()
    fresh = desk.file.with_suffix(".new")
    fresh.write_text(SECOND_ONE)
    os.utime(fresh, ns=(info.st_atime_ns, info.st_mtime_ns))
    os.replace(fresh, desk.file)
    assert desk.looks(2) == ["B"]


def test_what_is_taken_is_in_force_and_kept(desk: Desk) -> None:
    former = desk.watch.health()
    assert former == {"site": load(desk.file).version, "site_since": 1000 * SECOND}
    desk.file.write_text(SECOND_ONE)
    desk.look()
    site = desk.look()
    assert site
    desk.watch.take(site, desk.now)
    assert desk.watch.health() == {"site": site.version, "site_since": desk.now.utc}
    in_force = kept(str(desk.run), desk.file)
    assert in_force
    assert in_force.text == SECOND_ONE


def test_a_faulty_one_is_an_alarm_until_it_is_mended(desk: Desk) -> None:
    desk.file.write_text("station: B\nunknown: maybe\n")
    assert desk.looks(3) == []
    [alarm] = desk.watch.alarms
    assert alarm.startswith(f"the changed site file is not taken up: {desk.file}:2: site: unknown is 'maybe'")
    assert desk.watch.site.station == "A"
    desk.file.write_text(FIRST)  # as it was
    assert desk.looks(3) == []
    assert desk.watch.alarms == []


def test_many_faults_are_told_in_part(desk: Desk) -> None:
    desk.file.write_text(FIRST + "".join(f"x{number}: 1\n" for number in range(9)))
    desk.looks(2)
    assert len(desk.watch.alarms) == 6
    assert "… 4 more faults; syms check tells all" in desk.watch.alarms[-1]


def test_one_that_is_gone_is_an_alarm_and_taken_up_when_it_is_back(desk: Desk) -> None:
    desk.looks(3)
    desk.file.unlink()
    assert desk.looks(2) == []
    assert desk.watch.alarms == [
        f"the changed site file is not taken up: {desk.file}: No such file or directory; put it back"
    ]
    desk.file.write_text(SECOND_ONE)
    assert desk.looks(2) == ["B"]


def test_without_a_file_nothing_is_looked_at(tmp_path: Path) -> None:
    watch = SiteWatch(Place("front", "front", 1, {}, {}, str(tmp_path), {}, "p.yaml"), Site(station="A"))
    watch.start(Now(0, 0))
    assert watch.look(Now(10 * SECOND, 0)) is None
    assert list(tmp_path.iterdir()) == []
    assert kept(str(tmp_path), tmp_path / "site.yaml") is None
