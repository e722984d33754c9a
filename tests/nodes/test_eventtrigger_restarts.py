"""An event trigger that is killed says the same answers, each once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from protocol.messages import Cause, Numbered, Snapshots
from tests.eventtriggers import Bench, bench, judge, restarted, told
from tests.suspicions import FIRST, RATE, configuration, later, snapshots, verdict

__all__ = ["bench"]


def script() -> list[Numbered]:
    """What a trigger is told, in order: a disturbance, joined once, and a second one; a late row."""
    words: list[Numbered] = [configuration(link, region="north") for link in (1, 2, 3)]
    words += [snapshots(at, at + 50, [1, 2, 3]) for at in range(0, 1000, 50)]
    words.append(verdict(2, 19.1))
    words += [snapshots(at, at + 50, [1, 3]) for at in range(1000, 1100, 50)]
    words.append(verdict(3, 19.3, suspicious=False))
    words.append(verdict(3, 19.3))
    words.append(snapshots(1000, 1050, [2], late=True))
    words += [snapshots(at, at + 50, [1, 2, 3]) for at in range(1100, 3200, 50)]
    words.append(verdict(1, 62.5, cause=Cause.ALARM))
    words += [snapshots(at, at + 50, [1, 2, 3]) for at in range(3200, 3600, 50)]
    return words


def run(bench: Bench, words: list[Numbered], slow: bool) -> None:
    """Windows are answered after the word that made them due, or one word later."""
    for word in words:
        waiting, bench.windows = bench.windows, []
        if not slow:
            bench.windows = waiting
        if isinstance(word, Snapshots):
            bench.now = max(bench.now, later((int(word.slot[-1]) - FIRST) / RATE))
        bench.say(word)
        bench.hear(bench.node.wake(bench.now))
        bench.windows, fresh = (waiting, bench.windows) if slow else (bench.windows, [])
        bench.answer()
        bench.windows = fresh


def uninterrupted(tmp_path: Path, slow: bool) -> list[tuple[Any, ...]]:
    bench = Bench(tmp_path, sweep="20 s")
    run(bench, script(), slow)
    bench.answer()
    return told(bench.events)


@pytest.mark.parametrize("slow", [False, True])
def test_a_restart_at_any_step_says_the_same_answers_once(tmp_path: Path, slow: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("nodes._leasing.SEGMENT", 20_000)
    words = script()
    wanted = uninterrupted(tmp_path, slow)
    assert [row[1:3] for row in wanted] == [(1, False), (2, False), (3, True)] * 2
    for at in [*range(0, 22, 7), *range(22, 34), *range(80, len(words), 6 if slow else 9)]:
        folder = tmp_path / f"{slow}{at}"
        first = Bench(folder, folder / "journal", sweep="20 s")
        run(first, words[:at], slow)
        assert first.node.writer.keeper is not None
        assert at < 90 or first.node.writer.keeper.counters["bytes"] < 450_000, "what nobody needs is gone"
        first.node.writer.keeper.close()
        second = Bench(folder, folder / "journal", first.now, sweep="20 s")
        second.hear(second.node.wake(second.now))
        for node in second.at:  # what it had not taken for good is told again
            _, second.at[node] = second.node.standing.get(node, (1, 0))
            said = [word for word in words[:at] if word.node == node]
            run(second, [*said[second.at[node] :]], slow)
        assert second.at == first.at
        run(second, words[at:], slow)
        second.answer()
        assert told([*first.events, *second.events]) == wanted, f"killed before word {at}"
        list(second.node.stop(second.now))


def test_a_late_answer_to_an_earlier_life_counts_once(tmp_path: Path):
    first = Bench(tmp_path, tmp_path / "journal")
    first.begin()
    first.say(verdict(2, 19.1))
    first.feed(20, 20.2)
    [window] = first.windows
    assert first.node.writer.keeper is not None
    first.node.writer.keeper.close()
    second = Bench(tmp_path, tmp_path / "journal")
    second.hear(second.node.wake(second.now))
    [again] = second.windows
    assert (again.lease != window.lease, again.values.tobytes()) == (True, window.values.tobytes())
    second.hear(second.node.receive(judge(window), second.now))
    second.answer()
    assert second.told == [(1, False, "ok", "gen_trip")]
    assert second.node.counters["twins"] == 1
    list(second.node.stop(second.now))


def test_an_answer_that_waits_for_an_earlier_one_outlives_a_new_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("nodes._leasing.SEGMENT", 20_000)
    first = Bench(tmp_path, tmp_path / "journal")
    first.begin()
    first.say(verdict(2, 19.1))
    first.feed(20, 23)
    _, quick = first.windows
    first.windows = []
    first.hear(first.node.receive(judge(quick), first.now))
    first.feed(23, 24)  # the journal begins new segments meanwhile
    assert first.events == []
    second = restarted(first, tmp_path)
    second.answer()
    second.feed(24, 26)
    second.answer()
    assert [each.answer for each in second.events] == [1, 2, 3]
    list(second.node.stop(second.now))


def test_what_it_has_heard_of_verdicts_is_not_asked_for_again(tmp_path: Path):
    first = Bench(tmp_path, tmp_path / "journal")
    first.begin()
    first.say(verdict(2, 19.1, suspicious=False))
    second = restarted(first, tmp_path)
    assert second.at["windows"] == 1
    list(second.node.stop(second.now))


def test_what_was_said_at_once_is_not_said_again_after_a_restart(tmp_path: Path):
    first = Bench(tmp_path, tmp_path / "journal", samples="1 KiB")
    first.begin()
    first.feed(20, 26)
    first.say(verdict(2, 19.1))
    assert first.told == [(1, True, "incomplete", "unknown")]
    second = restarted(first, tmp_path, samples="1 KiB")
    second.feed(26, 27)
    second.answer()
    assert (second.told, second.node.health(second.now)["queues"]["in_flight"]) == ([], 0)
    list(second.node.stop(second.now))
