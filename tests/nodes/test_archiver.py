"""The archiver as a node: in order, durable, told to the writers; the disk full; a child that finishes."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from archive.disk import Disk
from archive.events import list_events
from archive.folder import finish_lock
from archive.reading import open_archive
from nodes._finishing import TIDY_EVERY
from nodes._node import Action, Letter, News, Place, StartError
from nodes._site import load
from nodes._stream import Writer
from nodes.archiver import Archiver, Settings
from protocol.clock import SECOND, Now
from protocol.messages import Announce, Durable, Fetch, Tally
from tests import archives as makers
from tests.lives import Threadless

T0 = makers.T0


def at(second: float) -> Now:
    return Now(int(second * SECOND), T0 + int(second * SECOND))


def made(path: Path, clock: Callable[[], int] = lambda: 0, **settings: Any) -> Archiver:
    place = Place("archive", "archive", 1, {}, {"receiver": ["r"]}, str(path), {"station": "North"}, "p.yaml")
    node = Archiver(Settings.model_validate({"path": str(path / "data"), **settings}), place, clock)
    assert list(node.start(at(0))) == []
    list(node.receive(Announce("r", 5, 0, 0), at(0)))
    return node


def give(node: Archiver, words: Iterable[Any], now: Now) -> list[Action]:
    return [action for word in words for action in node.receive(word, now)]


def letters(actions: Iterable[Action], kind: type) -> list[Any]:
    return [action.message for action in actions if isinstance(action, Letter) and isinstance(action.message, kind)]


def words(count: int, first: int = 0) -> list[Any]:
    return [makers.measurements([1] * 5, makers.grid(first + 5 * k, 5)) for k in range(count)]


def test_commits_each_second_and_tells_the_writer(tmp_path: Path) -> None:
    node, writer = made(tmp_path), Writer("r", 5)
    give(node, [writer.say(word).message for word in [makers.configuration(1), *words(3)]], at(0.5))
    assert node.wake_at() == 0
    assert letters(node.wake(at(0.6)), Durable) == []
    assert letters(node.wake(at(1.0)), Durable) == [Durable("archive", 5, 4)]
    assert letters(node.wake(at(2.0)), Durable) == []
    assert node.health(at(2))["counters"]["archived"] == 15
    assert list(node.stop(at(3))) == []


def test_what_was_missed_is_fetched_and_taken_in_order(tmp_path: Path) -> None:
    node, writer = made(tmp_path), Writer("r", 5)
    said = [writer.say(word).message for word in [makers.configuration(1), *words(3)]]
    actions = give(node, [said[0], said[1], said[3]], at(0))
    (fetch,) = letters(actions, Fetch)
    answer = [action.message for action in writer.receive(fetch, at(0)) if isinstance(action, Letter)]
    give(node, answer, at(0))
    list(node.stop(at(1)))
    with open_archive(tmp_path / "data") as found:
        assert len(found.get("站 1", "frequency")[0]) == 15


def test_a_new_life_goes_on_where_the_last_commit_was(tmp_path: Path) -> None:
    node, writer = made(tmp_path), Writer("r", 5)
    said = [writer.say(word).message for word in [makers.configuration(1), *words(3)]]
    give(node, said[:3], at(0))
    assert letters(node.stop(at(1)), Durable) == [Durable("archive", 5, 3)]
    node = made(tmp_path)
    (fetch,) = letters(give(node, [writer.announce().message], at(0)), Fetch)
    assert (fetch.first, fetch.last) == (3, 4)
    give(node, said, at(0))
    list(node.stop(at(1)))
    with open_archive(tmp_path / "data") as found:
        assert len(found.get("站 1", "frequency")[0]) == 15


def test_a_full_disk_is_an_alarm_and_what_does_not_fit_is_fetched_later(tmp_path: Path) -> None:
    node, writer = made(tmp_path, hold="1 kB"), Writer("r", 5)
    node.opened._reserve = 1 << 60  # as if the disk were full
    said = [writer.say(word).message for word in [makers.configuration(1), *words(20)]]
    give(node, said, at(0))
    assert letters(node.wake(at(1)), Durable) == []
    assert "make room" in node.health(at(1))["alarms"][0]
    assert node.health(at(1))["queues"]["rows"] < 100
    node.opened._reserve = 0
    assert letters(node.wake(at(2)), Durable) != []
    assert node.health(at(2))["alarms"] == []
    fetched = letters(give(node, [writer.announce().message], at(3)), Fetch)
    give(node, [action.message for f in fetched for action in writer.receive(f, at(3))], at(3))
    list(node.stop(at(4)))
    with open_archive(tmp_path / "data") as found:
        assert len(found.get("站 1", "frequency")[0]) == 100


def test_a_disk_with_errors_is_an_alarm_that_says_where_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, writer = made(tmp_path), Writer("r", 5)

    def fails(*_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    give(node, [writer.say(word).message for word in [makers.configuration(1), *words(3)]], at(0))
    with monkeypatch.context() as broken:
        broken.setattr(node.opened._disk, "pwrite", fails)
        assert letters(node.wake(at(1)), Durable) == []
        (alarm,) = node.health(at(1))["alarms"]
        assert str(tmp_path / "data") in alarm
        assert "Read-only file system; mount it for writing" in alarm
        give(node, [writer.say(word).message for word in words(3, 15)], at(1))
    assert letters(node.wake(at(2)), Durable) == [Durable("archive", 5, 7)]
    assert node.health(at(2))["alarms"] == []
    assert node.health(at(2))["counters"]["archived"] == 30
    list(node.stop(at(3)))


def test_a_slow_disk_is_an_alarm_for_a_while(tmp_path: Path) -> None:
    seconds = iter((0, 0.25, 2, 20, 21, 21.5))  # begin and end of each commit
    node, writer = made(tmp_path, lambda: int(next(seconds) * SECOND)), Writer("r", 5)
    said = [writer.say(word).message for word in [makers.configuration(1), *words(3)]]
    give(node, said[:2], at(0))
    list(node.wake(at(1)))
    give(node, said[2:3], at(2))
    told = node.health(at(2))
    assert (told["counters"]["commit_ms"], told["counters"]["commit_worst_ms"], told["alarms"]) == (250, 250, [])
    list(node.wake(at(2)))
    give(node, said[3:], at(20))
    (alarm,) = node.health(at(20))["alarms"]
    assert "a commit took 18 s" in alarm
    assert str(tmp_path / "data") in alarm
    list(node.wake(at(21)))
    told = node.health(at(81))
    assert (told["counters"]["commit_ms"], told["counters"]["commit_worst_ms"], told["alarms"]) == (500, 18_000, [])
    node._clock = lambda: 0
    list(node.stop(at(82)))


def test_hours_that_cannot_be_finished_are_an_alarm_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, writer = made(tmp_path, finish="60 s"), Writer("r", 5)
    give(node, [writer.say(word).message for word in [makers.configuration(1), *words(1)]], at(0))
    list(node.wake(at(1)))

    def fails(_: int) -> int:
        raise OSError(errno.EIO, "Input/output error", "some.part.h5")

    with monkeypatch.context() as broken:
        broken.setattr(node.opened, "seal", fails)
        list(node.wake(at(2500)))
        assert "check the disk" in node.health(at(2500))["alarms"][0]
    list(node.wake(at(2500 + TIDY_EVERY / SECOND)))
    assert node.health(at(2600))["alarms"] == []
    assert node.finishing.child is not None
    node.finishing.child.wait(60)
    list(node.stop(at(2700)))


def test_a_merging_that_fails_is_an_alarm_until_one_succeeds(tmp_path: Path) -> None:
    node, writer = made(tmp_path, finish="60 s"), Writer("r", 5)
    give(node, [writer.say(word).message for word in [makers.configuration(1), *words(1)]], at(0))
    list(node.wake(at(1)))
    with closing(finish_lock(node.opened.root)):  # somebody else is at it
        list(node.wake(at(2500)))
        assert node.finishing.child is not None
        node.finishing.child.wait(60)
    list(node.wake(at(2500 + TIDY_EVERY / SECOND)))  # tells, and begins the next one
    alarm = node.health(at(2506))["alarms"][0]
    assert alarm.startswith("hours are not finished: ")
    assert str(node.opened.root) in alarm
    assert node.finishing.child is not None
    node.finishing.child.wait(60)
    list(node.wake(at(2500 + 2 * TIDY_EVERY / SECOND)))
    assert (node.health(at(2600))["alarms"], node.finishing.sealed) == ([], set())
    list(node.stop(at(2601)))


def test_while_it_takes_nothing_it_asks_for_nothing(tmp_path: Path) -> None:
    node, writer = made(tmp_path, hold="1 kB"), Writer("r", 5)
    node.opened._reserve = 1 << 60
    said = [writer.say(word).message for word in [makers.configuration(1), *words(20)]]
    assert letters(give(node, [said[0], *said[2:]], at(0)), Fetch) != []
    give(node, said, at(0))
    assert letters(node.wake(at(1)), Fetch) == []
    assert letters(node.wake(at(9)), Fetch) == []
    assert node.wake_at() > at(9).monotonic
    list(node.stop(at(10)))


def test_what_is_safe_is_said_again_to_a_writer_that_may_have_forgotten(tmp_path: Path) -> None:
    node, writer = made(tmp_path), Writer("r", 5)
    give(node, [writer.say(word).message for word in [makers.configuration(1), *words(1)]], at(0))
    told = [letters(node.wake(at(second)), Durable) for second in range(1, 9)]
    assert [len(each) for each in told] == [1, 0, 0, 1, 0, 0, 1, 0]
    list(node.stop(at(9)))


class Receiver:
    """A receiver's stream and counts; it is killed, and its next life closes the books of the one before."""

    def __init__(self, folder: Path, keep: int = 1 << 40) -> None:
        self.folder, self.keep = folder, keep
        self.keeper = Threadless(folder, keep)
        self.second = self.row = 0
        self.begin()

    def begin(self) -> None:
        self.writer = Writer("r", 0, 1, self.keeper, ["archive"])  # type: ignore[arg-type]
        self.writer.open(at(self.second), lambda: [b"state"])
        self.received = 0
        self.tick(makers.configuration(1))

    def tick(self, *said: Any) -> list[Any]:
        self.second += 1
        done = self.writer.commit([self.writer.say(word) for word in said], at(self.second))
        list(self.writer.wake(at(self.second)))
        return [action.message for action in done if isinstance(action, News)]

    def rows(self, count: int) -> list[Any]:
        self.row += count
        self.received += count
        return self.tick(makers.measurements([1] * count, makers.grid(self.row - count, count)))

    def tally(self, received: int, of: int = 0) -> list[Any]:
        counts = [np.array([value], np.int64) for value in (received, 0, 0, 0)]
        return self.tick(Tally(np.array([65536], np.uint32), *counts, of=of))

    def killed(self) -> None:
        self.keeper.journal.close()
        self.keeper = Threadless(self.folder, self.keep)
        old, received = self.writer.epoch, self.received
        self.begin()
        self.tally(received, old)


def converse(node: Archiver, receiver: Receiver, message: Any) -> None:
    waiting = [message]
    while waiting:
        now = at(receiver.second)
        for action in list(node.receive(waiting.pop(0), now)):
            assert isinstance(action, Letter)
            answers = receiver.writer.receive(action.message, now)
            waiting += [answer.message for answer in answers if isinstance(answer, Letter)]


def catch_up(node: Archiver, receiver: Receiver) -> dict[str, float]:
    """Until nothing more comes; returns the books."""
    for _ in range(3):
        receiver.second += 4
        list(node.reader.wake(at(receiver.second)))
        converse(node, receiver, receiver.writer.announce().message)
        for letter in node.wake(at(receiver.second)):
            assert isinstance(letter, Letter)
            list(receiver.writer.receive(letter.message, at(receiver.second)))
    counts = node.health(at(receiver.second))
    return dict(zip(counts["columns"], counts["counts"][0].tolist(), strict=True))


def test_rows_of_every_life_of_a_receiver_and_exact_books(tmp_path: Path) -> None:
    """Each life is heard only in part, the archiver is killed too; all is fetched, epoch by epoch."""
    node, receiver = made(tmp_path), Receiver(tmp_path / "journal")
    for life in range(7):
        for tick in range(10):
            for word in receiver.rows(5):
                if tick % (life + 2) == 0:
                    converse(node, receiver, word)
        if life % 2:
            receiver.tally(receiver.received)
        if life in (2, 4):
            list(node.wake(at(receiver.second)))
            node.opened.close()
            node = made(tmp_path)
        receiver.killed()
    books = catch_up(node, receiver)
    assert books == {"received": 350, "archived": 350, "aside": 0, "duplicate": 0, "corrupt": 0, "refused": 0,
                     "lost": 0, "pending": 0}  # fmt: skip
    assert receiver.writer.safe == (receiver.writer.epoch, receiver.writer.next)
    list(node.stop(at(receiver.second + 1)))
    with open_archive(tmp_path / "data") as found:
        assert len(found.get("站 1", "frequency")[0]) == 350


def test_what_a_full_journal_dropped_is_lost_in_the_books_and_an_alarm_of_the_writer(tmp_path: Path) -> None:
    """The archiver was away for too long. It goes on behind the gap, and knows how many rows fell into it."""
    node, receiver = made(tmp_path), Receiver(tmp_path / "journal", keep=4000)
    for word in receiver.rows(5):
        converse(node, receiver, word)
    list(node.wake(at(receiver.second)))
    for _ in range(60):
        receiver.rows(5)
    receiver.tally(receiver.received)
    books = catch_up(node, receiver)
    assert books["received"] == 305
    assert 0 < books["archived"] < 305
    assert books["lost"] == 305 - books["archived"]
    assert books["pending"] == 0
    assert "rows were deleted before" in receiver.writer.alarms[0]
    assert receiver.writer.dropped_rows == pytest.approx(books["lost"], abs=60)
    receiver.killed()
    assert catch_up(node, receiver) == books | {"received": 305}
    list(node.stop(at(receiver.second + 1)))


def test_a_quiet_hour_is_finished_by_a_child(tmp_path: Path) -> None:
    node, writer = made(tmp_path, finish="60 s"), Writer("r", 5)
    give(node, [writer.say(word).message for word in [makers.configuration(1), *words(1)]], at(0))
    list(node.wake(at(1)))
    list(node.wake(at(2300)))  # 09:20 and 38 minutes: the hour is not over
    assert node.finishing.child is None
    list(node.wake(at(2500)))
    assert node.finishing.child is not None
    node.finishing.child.wait(60)
    list(node.wake(at(2500 + TIDY_EVERY / SECOND)))
    assert (node.finishing.child, node.finishing.sealed) == (None, set())
    assert len(list(tmp_path.glob("data/2026/05/03/syms_20260503T09Z.h5"))) == 1
    assert not list(tmp_path.glob("data/live/*"))
    give(node, [writer.say(word).message for word in words(1)], at(2600))  # copies of what is finished
    list(node.stop(at(2601)))
    assert node.opened.books.totals()["duplicate"] == 5


def test_the_books_are_shown_per_device(tmp_path: Path) -> None:
    node, writer = made(tmp_path), Writer("r", 5)
    tally = Tally(np.array([65536], np.uint32), *(np.array([k], np.int64) for k in (12, 2, 1, 0)))
    give(node, [writer.say(word).message for word in [makers.configuration(1), *words(1), tally]], at(0))
    list(node.wake(at(1)))
    health = node.health(at(1))
    assert health["labels"] == ["站 1"]
    shown = dict(zip(health["columns"], health["counts"][0].tolist(), strict=True))
    assert shown == {"received": 12, "archived": 5, "aside": 0, "duplicate": 0, "corrupt": 2, "refused": 1,
                     "lost": 0, "pending": 4}  # fmt: skip
    list(node.stop(at(2)))


def test_a_second_archiver_does_not_start(tmp_path: Path) -> None:
    node = made(tmp_path)
    with pytest.raises(StartError, match="stop it first"):
        made(tmp_path)
    list(node.stop(at(0)))


def test_settings() -> None:
    settings = Settings.model_validate({"path": "d", "clip": ["-5 s", "+60 s"], "part": "1 GiB"})
    assert settings.clip == (-5 * SECOND, 60 * SECOND)
    with pytest.raises(ValidationError, match="clip does not lie around the onset"):
        Settings.model_validate({"path": "d", "clip": ["5 s", "60 s"]})


def test_a_changed_site_file_is_kept_and_tried_again_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("station: North\n")
    site = load(file).model_dump(mode="json")
    place = Place("archive", "archive", 1, {}, {"receiver": ["r"]}, str(tmp_path), site, "p.yaml", site_file=file)
    node = Archiver(Settings.model_validate({"path": str(tmp_path / "data")}), place)
    list(node.start(at(0)))
    kept = tmp_path / "data" / "site.yaml"
    assert kept.read_text() == "station: North\n"
    file.write_text("station: South\n")
    with monkeypatch.context() as broken:

        def full(self: Disk, temporary: Path, path: Path) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        broken.setattr(Disk, "replace", full)
        list(node.wake(at(1)))
        list(node.wake(at(2)))
        assert kept.read_text() == "station: North\n"
        [alarm] = [alarm for alarm in node.health(at(2))["alarms"] if "site file" in alarm]
        assert alarm.endswith("No space left on device; make room; it goes on by itself")
    list(node.wake(at(3)))
    assert kept.read_text() == "station: South\n"
    health = node.health(at(3))
    assert (health["site"], health["site_since"]) == (load(file).version, at(3).utc)
    assert not [alarm for alarm in health["alarms"] if "site file" in alarm]
    list(node.stop(at(4)))


def test_what_an_event_trigger_says_is_kept_and_told_and_its_suspicions_make_no_event(tmp_path: Path) -> None:
    place = Place("archive", "archive", 1, {}, {"receiver": ["r"], "trigger": ["windows", "suspects", "others"]},
                  str(tmp_path), {"station": "North"}, "p.yaml", triggers_of={"suspects": ["windows"]})  # fmt: skip
    node = Archiver(Settings.model_validate({"path": str(tmp_path / "data")}), place)
    list(node.start(at(0)))
    writers = {name: Writer(name, 5) for name in ("r", "windows", "suspects", "others")}
    for name in writers:
        list(node.receive(Announce(name, 5, 0, 0), at(0)))
    give(node, [writers["r"].say(word).message for word in (makers.configuration(1), *words(20))], at(0))
    for name in ("windows", "others"):
        give(node, [writers[name].say(makers.verdict(1, T0 + SECOND, trigger=name)).message], at(0))
    give(
        node, [writers["suspects"].say(makers.event(T0 + SECOND, answer=answer)).message for answer in (1, 2, 3)], at(0)
    )
    assert Durable("archive", 5, 3) in letters(node.wake(at(1)), Durable)
    assert node.health(at(1))["queues"]["events"] == 1
    list(node.wake(at(2)))
    list(node.wake(at(60)))
    health = node.health(at(60))
    assert {name: health["counters"][name] for name in ("events", "event_answers", "events_rejected")} == {
        "events": 2, "event_answers": 3, "events_rejected": 0}  # fmt: skip
    assert health["queues"]["events"] == 0
    assert [event.id for event in list_events(tmp_path / "data")] == ["", makers.event(T0 + SECOND).id]
    list(node.stop(at(61)))
