"""For how long `syms up` waits for processes, and what it says of those that are not there."""

from __future__ import annotations

from typing import Any

from commands._coming import GRACE, LIVES, PATIENCE, Coming

NAMES = ["front", "archive", "judge"]


def states(pid: int = 1, **changed: str) -> dict[str, dict[str, Any]]:
    return {
        name: {"state": changed.get(name, "RUNNING"), "exitstatus": 0, "pid": pid, "description": ""} for name in NAMES
    }


def told(coming: Coming) -> list[str]:
    return coming.told(lambda name: f"why {name}", "a.yaml").splitlines()


def test_each_step_of_one_gives_all_more_time():
    coming = Coming(NAMES, 0.0)
    coming.look({}, [], 1.0)
    assert (coming.up, coming.in_vain(PATIENCE), coming.in_vain(PATIENCE + 1.0)) == ([], False, True)
    now = 0.0
    for begun in (["front"], ["front", "archive"], ["front", "archive", "judge"]):
        now += PATIENCE - 1.0
        coming.look(states(), begun, now)
        assert not coming.in_vain(now + PATIENCE)
    for name in NAMES:
        now += PATIENCE - 1.0
        coming.spoken.add(name)
        coming.look(states(), NAMES, now)
        assert not coming.in_vain(now + PATIENCE)
    assert coming.up == NAMES
    coming.look(states(), NAMES, now + 10.0)  # no step
    assert coming.in_vain(now + PATIENCE + 1.0)


def test_who_is_slow_is_told_apart_from_who_fails():
    coming = Coming(NAMES, 0.0)
    coming.spoken.add("front")
    coming.look(states(judge="STARTING"), [], 1.0)
    assert told(coming) == [
        "not every process runs yet:",
        "  still starting: archive, judge; see syms status a.yaml",
        "supervisord keeps them; syms down a.yaml ends it",
    ]
    coming.look(states(judge="BACKOFF"), [], 2.0)
    assert told(coming) == [
        "not every process runs:",
        "  still starting: archive; see syms status a.yaml",
        "  judge: why judge",
        "supervisord keeps trying; syms down a.yaml ends it",
    ]
    assert (coming.in_vain(2.0 + GRACE), coming.in_vain(2.1 + GRACE)) == (False, True)


def test_one_that_is_started_again_and_again_fails_whatever_supervisord_calls_it():
    coming = Coming(NAMES, 0.0)
    for pid in range(LIVES + 1):
        assert not coming.in_vain(1.1 + GRACE)
        coming.look(states() | {"judge": states(pid)["judge"]}, NAMES, 1.0)
    assert coming.in_vain(1.1 + GRACE)
    assert "  judge: why judge" in told(coming)


def test_work_that_is_over_is_done_and_a_bad_end_is_none():
    coming = Coming(NAMES, 0.0)
    coming.look(states(front="EXITED", archive="EXITED"), [], 1.0)
    assert coming.up == ["front", "archive"]
    coming.states["archive"]["exitstatus"] = 1
    assert coming.up == ["front"]
    coming.spoken.add("archive")  # before it failed
    assert "  archive: why archive" in told(coming)
