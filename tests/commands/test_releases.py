"""Releases side by side: which is in force, which go, and when going back is refused."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commands._releases import Installation, ReleaseError
from tests.installations import place, stub

UP = 'case $1 in renew) echo "{\\"up\\": true, \\"renewed\\": [\\"front\\"], \\"seconds\\": 1}";; esac'
NEWER = 'case $1 in formats) echo "archive of format 7, this release knows up to 6; use a newer one"; exit 1;; esac'


@pytest.fixture
def made(tmp_path: Path) -> Installation:
    found = place(tmp_path / "to")
    found.station.parent.mkdir()
    found.station.write_text("nodes: {}\n")
    for at, name in enumerate(("c", "a", "e", "b", "d")):
        stub(found, name, UP)
        os.utime(found.releases / name / "release.json", (at, at))
    return found


def test_releases_are_in_the_order_of_their_installation(made: Installation) -> None:
    (made.releases / "torn" / "venv").mkdir(parents=True)
    assert made.names() == ["c", "a", "e", "b", "d"]


def test_switching_remembers_the_one_before(made: Installation) -> None:
    assert (made.linked("current"), made.linked("previous")) == ("", "")
    for name, before in (("a", ""), ("b", "a"), ("b", "a"), ("c", "b")):
        made.switch(name)
        assert (made.linked("current"), made.linked("previous")) == (name, before)
    assert (made.root / "current").resolve() == made.releases / "c"


def test_the_oldest_go(made: Installation) -> None:
    made.switch("a")
    made.switch("b")
    assert made.prune(2) == ["c", "e"]
    assert made.names() == ["a", "b", "d"]
    assert made.prune(2) == []


def test_what_runs_stays(made: Installation) -> None:
    made.switch("d")
    link = made.releases / "c" / "venv" / "bin" / "python"
    link.symlink_to(sys.executable)
    with subprocess.Popen([link, "-c", "input()"], stdin=subprocess.PIPE) as process:
        deadline = time.monotonic() + 10
        while "c" not in made.running():
            assert time.monotonic() < deadline
        assert made.prune(1) == ["a", "e", "b"]
        process.communicate(b"\n")
    assert made.prune(1) == ["c"]


def test_one_at_a_time(made: Installation) -> None:
    with made.alone(), pytest.raises(ReleaseError, match="somebody installs"), made.alone():
        pass


def test_back_and_forth(made: Installation) -> None:
    made.switch("a")
    with pytest.raises(ReleaseError, match="there is no release before a; there are: c, a, e, b, d"):
        made.roll_back()
    made.switch("b")
    assert made.roll_back() == {"from": "b", "to": "a", "up": True, "renewed": ["front"], "seconds": 1}
    assert made.roll_back()["to"] == "b"
    assert made.roll_back("c")["to"] == "c"
    with pytest.raises(ReleaseError, match="there is no release x"):
        made.roll_back("x")
    with pytest.raises(ReleaseError, match="there is no release before c"):
        made.roll_back("c")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            NEWER,
            "syms formats .*station.yaml\n    archive of format 7, this release knows up to 6; use a newer one\nb st",
        ),
        (
            'case $1 in check) echo "station.yaml:3: unknown setting" >&2; exit 2;; esac',
            "station.yaml:3: unknown setting",
        ),
        ("exit 127", "release old was tried and does not fit: syms --version"),
    ],
)
def test_going_back_is_refused(made: Installation, script: str, words: str) -> None:
    """To one that can't read what was written since, can't have the pipeline file, or does not start."""
    stub(made, "old", script)
    made.switch("old")
    made.switch("b")
    with pytest.raises(ReleaseError, match=words):
        made.roll_back()
    assert (made.linked("current"), made.linked("previous")) == ("b", "old")


def test_a_station_that_does_not_come_up_is_told(made: Installation) -> None:
    stub(made, "bad", 'case $1 in renew) echo "syms: align does not speak" >&2; exit 1;; esac')
    made.switch("a")
    with pytest.raises(ReleaseError, match=r"align does not speak\nback again: .*/bin/syms-rollback"):
        made.roll_back("bad")
    assert made.linked("current") == "bad"


def test_without_a_pipeline_nothing_is_asked(made: Installation) -> None:
    made.station.unlink()
    stub(made, "lone", 'test "$1" = --version')
    made.switch("a")
    assert made.roll_back("lone") == {"from": "a", "to": "lone", "up": False, "renewed": []}
