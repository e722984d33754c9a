from __future__ import annotations

from pathlib import Path

import msgpack
import numpy as np
import pytest

from algorithms.alignment import Aligner
from algorithms.slotring import Rows
from nodes._catchup import GIVE_UP
from nodes._keeper import Keeper
from nodes._mark import PENDING, Followers, Mark, MarkError, Progress
from nodes._stream import Writer
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Durable, Table, Tally

NOW = Now(1000 * SECOND, 1_700_000_000 * SECOND)
TABLE = Table(50, 0, 0, 0)


def later(ns: int) -> Now:
    return Now(NOW.monotonic + ns, NOW.utc + ns)


def aligner() -> Aligner:
    return Aligner(2, 0, lambda slot: slot * 20 * MILLISECOND, 100 * MILLISECOND)


def push(to: Aligner, device: int, slot: int, now: Now) -> None:
    rows = Rows(
        np.array([device], np.uint32), np.array([slot]), np.array([now.utc]), np.zeros(1, np.uint8),
        np.zeros(1, np.uint16), np.ones((1, 2), np.float32), np.zeros((1, 0), np.uint16),
    )  # fmt: skip
    to.push(rows, now)


def test_a_mark_outlives_its_process(tmp_path: Path) -> None:
    mark = Mark(tmp_path)
    assert (mark.standing, mark.last_epoch) == ({}, -1)
    mark.open(7, NOW)
    for number in range(3000):  # many more than one file holds
        assert mark.save({"receivers.1": (5, number), "receivers.2": (4, 9)}, later(number * SECOND))
    mark.close()
    again = Mark(tmp_path)
    assert (again.standing, again.last_epoch) == ({"receivers.1": (5, 2999), "receivers.2": (4, 9)}, 7)
    again.open(8, later(4000 * SECOND))
    again.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2 << 20


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_torn_mark_is_the_one_before(tmp_path: Path, cut: int) -> None:
    mark = Mark(tmp_path)
    mark.open(7, NOW)
    mark.save({"receivers.1": (5, 1)}, NOW)
    mark.save({"receivers.1": (5, 2)}, NOW)
    mark.close()
    [path] = tmp_path.glob("*.journal")
    path.write_bytes(path.read_bytes()[:-cut])
    again = Mark(tmp_path)
    again.close()
    assert again.standing["receivers.1"] == (5, 1)


def test_a_mark_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, keep=1 << 20, age=SECOND)
    keeper.open(1, NOW, lambda: [msgpack.packb([2, {}])])
    keeper.close()
    with pytest.raises(MarkError, match="format 2, this release knows up to 1"):
        Mark(tmp_path)


def test_a_standing_is_passed_when_its_slots_are_released_and_acknowledged() -> None:
    progress, one = Progress(), aligner()
    push(one, 1, 10, NOW)
    one.expect(2, NOW.monotonic)
    push(one, 1, 11, NOW)
    progress.add({"r": (1, 5)}, {TABLE: one})
    progress.released({TABLE: one}, 3)
    assert progress.passed(3) is None
    push(one, 1, 12, later(50 * MILLISECOND))
    one.release(later(100 * MILLISECOND))  # 10 and 11
    assert one.span == (12, 12)
    progress.released({TABLE: one}, 4)
    assert progress.passed(3) is None
    assert progress.passed(4) == {"r": (1, 5)}
    assert progress.passed(4) is None


def test_the_latest_of_many_that_are_passed_counts_and_they_are_bounded() -> None:
    progress = Progress()
    for number in range(10 * PENDING):
        progress.add({"r": (1, number)}, {})
        progress.released({}, number)
    assert len(progress._steps) <= PENDING
    latest = progress.passed(10 * PENDING)
    assert latest is not None
    assert latest["r"] >= (1, 9 * PENDING)


def test_all_followers_must_have_it() -> None:
    writer = Writer("align", 9)
    for _ in range(4):
        writer.say(_word())
    assert Followers(writer, ()).have() == 4
    followers = Followers(writer, ("a", "b"))
    for reader, epoch, next_, have in [("a", 9, 3, 0), ("b", 9, 2, 2), ("b", 9, 4, 3), ("a", 8, 9, 3)]:
        list(writer.receive(Durable(reader, epoch, next_), NOW))
        assert followers.have() == have


def test_a_follower_is_waited_for_until_it_takes_nothing_any_more() -> None:
    writer = Writer("align", 9, keep=20_000)
    followers = Followers(writer, ("a",))
    assert not followers.behind(NOW)
    for _ in range(60):
        writer.say(_word())
    assert followers.behind(later(1))
    assert followers.waited_for > NOW.monotonic
    assert not followers.behind(later(GIVE_UP))
    list(writer.receive(Durable("a", 9, 5), NOW))
    assert followers.behind(later(GIVE_UP + 1))
    list(writer.receive(Durable("a", 9, 60), NOW))
    assert not followers.behind(later(GIVE_UP + 2))
    assert followers.waited_for == 0


def _word() -> Tally:
    return Tally(np.arange(8, dtype=np.uint32), *(np.zeros(8, np.int64) for _ in range(4)))
