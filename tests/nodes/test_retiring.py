"""A receiver leaves: another goes on with its connections at the byte where it stopped, whatever was in between."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from nodes._node import Done
from nodes._retiring import Retiring, leave_state, passed_file, take_state
from nodes._waystate import Handed, LinkState, WayState
from nodes.receiver import Receiver, Settings, receiver
from protocol.clock import SECOND, Now
from protocol.messages import Durable
from tests.nodes.test_receiver_kills import TURNS, Script, call, play, undisturbed, world_of
from tests.receivers import BALANCER, Outcome, Steps, World, plain_keeper

__all__ = ["plain_keeper", "undisturbed"]
pytestmark = pytest.mark.usefixtures("plain_keeper")


@dataclass
class Listener:
    """In the place of a leaving receiver's channels."""

    said: list[tuple[str, int]] = field(default_factory=list)
    notes: list[tuple[str, dict[str, Any], list[int]]] = field(default_factory=list)
    missing: tuple[str, ...] = ()

    def hear(self, now: Now, at_most: int) -> list[tuple[str, dict[str, Any], list[int]]]:
        notes, self.notes = self.notes, []
        return notes

    def say(self, balancer: str, what: str, connection: int, **more: Any) -> None:
        self.said.append((what, connection))

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""


def leaver(world: World, needed: tuple[str, ...] = ()) -> tuple[Retiring, Listener]:
    """The receiver of a world stops for a successor, and that one leaves."""
    assert world.receiver
    world.receiver.give_way(world.now)
    node, listener = Retiring(Settings(), world.place, list(needed)), Listener()
    node.balancers = listener  # type: ignore[assignment]
    list(node.start(world.now))
    listener.notes.append((BALANCER, {"say": "welcome", "coming": []}, []))
    list(node.wake(world.now))
    return node, listener


def passed_on(folder: Path, script: Script, at: int) -> tuple[Outcome, Outcome]:
    """The play, with another receiver from tick `at` on; what both of them said."""
    world = world_of(folder / "first", Steps())
    world.run = str(folder)
    first: Outcome | None = None
    for tick in range(TURNS):
        for fd in script.calls.get(tick, ()):
            call(world, fd)
        for fd, chunk in script.chunks.get(tick, ()):
            world.kernel.sockets[fd].queue += chunk
        for fd, frame, sender in script.datagrams.get(tick, ()):
            world.kernel.sockets[fd].datagrams.append((frame, sender))
        for fd in script.ends.get(tick, ()):
            world.kernel.sockets[fd].finished = True
        if tick == at:
            node, listener = leaver(world)
            held = {way.handed.connection for way in node.state.ways.values()}
            assert {connection for what, connection in listener.said if what == "passes"} == held
            unknown = node.state.unknown
            world.balancer.died()
            world.balancer.passed, world.receiver = "receivers.1", None
            second, world.folder = folder / "second", folder / "second"
        world.turn()
        if tick == at:
            listener.notes += [(BALANCER, {"say": "passed", "connection": each}, []) for each in sorted(held)]
            with pytest.raises(Done, match=f"{len(held)} connections"):
                node.wake(world.now)
            node.stop(world.now)
            assert list(folder.glob("*.passed")) == []
            world.folder = folder / "first"
            first, world.folder = world.outcome(unknown), second
    world.stop()
    assert world.receiver
    assert first
    return first, world.outcome(world.receiver.links.book.unknown)


@pytest.mark.parametrize("at", [1, 2, 3, 5, *range(6, TURNS, 6)])
def test_another_receiver_goes_on(undisturbed: tuple[Outcome, int], tmp_path: Path, at: int) -> None:
    whole, _ = undisturbed
    first, second = passed_on(tmp_path, play(), at)
    assert first.rows + second.rows == whole.rows
    books: Counter[tuple[int, int]] = Counter()
    for outcome in (first, second):
        books.update({(device, k): n for device, counts in outcome.books.items() for k, n in enumerate(counts)})
    assert books == Counter({(device, k): n for device, counts in whole.books.items() for k, n in enumerate(counts)})
    assert [a + b for a, b in zip(first.unknown, second.unknown, strict=True)] == whole.unknown


def test_it_stays_until_its_readers_have_all(tmp_path: Path) -> None:
    world = world_of(tmp_path, Steps())
    script = play()
    for tick in range(20):
        for fd in script.calls.get(tick, ()):
            call(world, fd)
        for fd, chunk in script.chunks.get(tick, ()):
            world.kernel.sockets[fd].queue += chunk
        world.turn()
    world.run = str(tmp_path)
    node, listener = leaver(world, ("archive", "align"))
    for way in list(node.state.ways.values()):
        listener.notes.append((BALANCER, {"say": "end", "connection": way.handed.connection}, []))
    later = Now(world.now.monotonic + SECOND, world.now.utc + SECOND)
    list(node.wake(later))
    assert node.state.ways == {}
    assert {what for what, _ in listener.said} == {"passes", "ended"}
    epoch, next = node.writer.epoch, node.writer.next
    list(node.receive(Durable("archive", epoch, next), later))
    list(node.wake(later))
    list(node.receive(Durable("align", epoch, next - 1), later))
    list(node.wake(later))
    list(node.receive(Durable("align", epoch, next), later))
    with pytest.raises(Done):
        node.wake(later)
    node.stop(later)


def test_a_balancer_that_is_gone_for_good_keeps_nobody(tmp_path: Path) -> None:
    world = world_of(tmp_path, Steps())
    for fd in (1, 2):
        call(world, fd)
    world.turn()
    world.run = str(tmp_path)
    node, listener = leaver(world)
    listener.missing = (BALANCER,)
    at = world.now.monotonic
    for seconds in (0, 30):
        list(node.wake(Now(at + seconds * SECOND, world.now.utc)))
        assert len(node.state.ways) == 2
    listener.missing = ()
    list(node.wake(Now(at + 59 * SECOND, world.now.utc)))  # it is back
    listener.missing = (BALANCER,)
    list(node.wake(Now(at + 61 * SECOND, world.now.utc)))
    assert len(node.state.ways) == 2
    with pytest.raises(Done):
        list(node.wake(Now(at + 121 * SECOND, world.now.utc)))
    node.stop(world.now)


def test_what_is_left_is_what_is_taken(tmp_path: Path) -> None:
    handed = Handed(7, "front", "udp", ("10.0.0.1", 4713), ("10.0.0.1", 4713), False, None)
    way = WayState(handed, 12, 4, b"\xaa\x01", [1, 2, 3], [[5, 6]])
    way.links["", -1] = LinkState([1, 2], ["cfg"], 3, early=[[["cfg"], [b"frame"]]])
    path = passed_file(str(tmp_path), "receivers.1", 7)
    assert take_state(path) is None
    leave_state(path, way)
    assert take_state(path) == way
    assert list(tmp_path.iterdir()) == [path]


def test_which_one_a_place_wants(tmp_path: Path) -> None:
    place = world_of(tmp_path, Steps()).place
    assert isinstance(receiver(Settings(), place), Receiver)
    assert isinstance(receiver(Settings(), replace(place, leaving=True)), Retiring)


def test_nothing_is_said_to_be_taken_before_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the one that leaves forgets it, and a kill would lose it."""
    world = world_of(tmp_path, Steps())
    world.turn()
    assert world.receiver
    said: list[tuple[str, int]] = []
    monkeypatch.setattr(
        world.balancer, "say", lambda balancer, what, connection, **more: said.append((what, connection))
    )
    monkeypatch.setattr(world.receiver.keeper, "written", False)
    world.receiver.hearing.taken.append((BALANCER, 7))
    world.turn()
    assert ("took", 7) not in said
    monkeypatch.setattr(world.receiver.keeper, "written", True)
    world.turn()
    world.turn()
    assert said.count(("took", 7)) == 1


def test_one_that_its_predecessor_had_not_heard_of_goes_on_as_it_came(tmp_path: Path) -> None:
    """Nobody would read it until we are gone, and then it would be hung up."""
    world = world_of(tmp_path, Steps())
    world.turn()
    world.run = str(tmp_path)
    assert world.receiver
    world.receiver.give_way(world.now)
    node, listener = Retiring(Settings(), world.place, []), Listener()
    node.balancers = listener  # type: ignore[assignment]
    list(node.start(world.now))
    node.hung_up[8] = [8, BALANCER, "the device hung up", True]
    list(node.wake(world.now))  # it waits for what the balancer has for it
    listener.notes.append((BALANCER, {"say": "welcome", "coming": [7, 8, 9]}, []))
    for connection, more in ((7, {}), (8, {}), (9, {"tls": {"peer": "x"}})):
        link = {"say": "link", "connection": connection, "how": "dials_in", "peer": ["10.0.0.1", 4712], **more}
        listener.notes.append((BALANCER, link, []))
    list(node.wake(world.now))
    assert listener.said == [("passes", 7), ("ended", 8), ("ended", 9)]
    assert take_state(passed_file(str(tmp_path), "receivers.1", 7)) is None
    listener.notes.append((BALANCER, {"say": "passed", "connection": 7}, []))
    with pytest.raises(Done):
        node.wake(world.now)
    node.stop(world.now)


def test_a_balancer_that_is_not_there_has_nothing_for_it(tmp_path: Path) -> None:
    world = world_of(tmp_path, Steps())
    world.turn()
    assert world.receiver
    world.receiver.give_way(world.now)
    node, listener = Retiring(Settings(), world.place, []), Listener(missing=(BALANCER,))
    node.balancers = listener  # type: ignore[assignment]
    list(node.start(world.now))
    with pytest.raises(Done):
        node.wake(world.now)
    node.stop(world.now)


def test_frames_that_end_with_a_connection_are_counted(tmp_path: Path) -> None:
    world = world_of(tmp_path, Steps())
    call(world, 1)
    world.turn()
    world.run = str(tmp_path)
    node, listener = leaver(world)
    [way] = node.state.ways.values()
    link = LinkState()
    link.apply([0], None, 0, [b"one", b"two"], [True, [[[b""], [b"three"]]]])
    way.links["10.0.0.1", 9] = link
    listener.notes.append((BALANCER, {"say": "end", "connection": way.handed.connection}, []))
    with pytest.raises(Done):
        node.wake(world.now)
    assert node.health(world.now)["counters"]["frames_lost"] == 3
    node.stop(world.now)
