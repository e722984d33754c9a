"""A receiver killed at every step of its work: every frame once in all its epochs together, values and books exact."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog

from nodes import receiver as module
from tests import thorough
from tests.crowds import damaged
from tests.receivers import Outcome, PlainKeeper, Socket, Steps, World, pieces, plain_keeper
from tests.scenes import configuration, data, told

__all__ = ["plain_keeper"]
pytestmark = pytest.mark.usefixtures("plain_keeper")

KNOWN = {7: 1, 20: 2, 30: 3, 31: 4, 40: 5, 50: 6, 60: 7, 61: 8, 80: 9, 90: 10}
"""Stream -> link number; 70 and 62 are nobody's."""
TURNS = 60
STRIDE = int(os.environ.get("SYMS_KILL_STRIDE", thorough.of(60, 30)))
"""Every so many steps there is a run that is killed there, other ones each time; 1: at each."""


@dataclass
class Script:
    """What devices send when: tick -> (descriptor, bytes or datagrams, whether it closes then)."""

    chunks: dict[int, list[tuple[int, bytes]]] = field(default_factory=dict)
    datagrams: dict[int, list[tuple[int, bytes, str]]] = field(default_factory=dict)
    ends: dict[int, list[int]] = field(default_factory=dict)
    calls: dict[int, list[int]] = field(default_factory=dict)
    """Tick -> connections that come then."""

    def stream(self, fd: int, parts: list[bytes], begin: int = 0, over: int = 40, ends: bool = False) -> None:
        """Parts of a stream spread over so many ticks."""
        for k, part in enumerate(parts):
            self.chunks.setdefault(begin + k * over // len(parts), []).append((fd, part))
        if ends:
            self.ends.setdefault(begin + over, []).append(fd)
        self.calls.setdefault(begin, []).append(fd)


def play() -> Script:
    script = Script()
    cfg = configuration(7)
    frames = data(cfg, 40)
    noisy = [*frames[:9], b"\xaa\x01\x00", damaged(frames[9]), *frames[10:20], b"\xaa\x31\xff\xff", *frames[20:]]
    script.stream(1, pieces(told(cfg) + b"".join(noisy), 1))
    hub, other = configuration(20, stations=2, name="Hub"), configuration(20, stations=2, phasors=3, name="Other")
    changing = [*data(hub, 12), told(hub), *data(hub, 5, 12, status=0x0400), *data(other, 6, 20), told(other),
                *data(other, 10, 26)]  # fmt: skip
    script.stream(2, pieces(b"".join(changing), 2, 900))
    both = [configuration(30, name="First"), configuration(31, phasors=1, name="Second")]
    mixed = b"".join(told(each) for each in both)
    mixed += b"".join(frame for pair in zip(data(both[0], 25), data(both[1], 25), strict=True) for frame in pair)
    script.stream(3, pieces(mixed, 3, 700))
    short = configuration(40, name="Short")
    script.stream(4, [told(short) + b"".join(data(short, 6)), data(short, 1, 6)[0][:30]], 3, 1, ends=True)
    refused = configuration(70, name="Refused")
    script.stream(7, [told(refused) + b"".join(data(refused, 4))], 2, 1)
    twice = configuration(90, name="Twice")
    script.stream(8, [told(twice), *data(twice, 10)], 0, 15)
    script.stream(9, [told(twice), *data(twice, 10, 50)], 20, 15)
    _datagrams(script)
    return script


def _datagrams(script: Script) -> None:
    udp = configuration(50, name="Unicast")
    script.calls.setdefault(0, []).extend([5, 6])
    twice = [frame for frame in data(udp, 40) for _ in range(2)]
    for k, frame in enumerate([told(udp), damaged(twice[0]), *twice]):  # both of a pair come in the same tick
        script.datagrams.setdefault(k // 2, []).append((5, frame, "10.0.0.5"))
    script.datagrams[9].append((5, data(udp, 1, 70)[0], "10.9.9.9"))
    senders = [configuration(60, name="One"), configuration(61, name="Two"), configuration(62, name="Nobody")]
    for each in senders:
        for k, frame in enumerate([*data(each, 5), told(each), *data(each, 20, 5)]):
            script.datagrams.setdefault(k + 2, []).append((6, frame, "10.0.0.6"))


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """Thousands of lives have much to log."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


def call(world: World, fd: int) -> None:
    """The connection of a descriptor comes to the balancer."""
    if fd == 5:
        world.balancer.connect(100 + fd, "udp", ("10.0.0.5", 4713), [fd], target=("10.0.0.5", 4713))
    elif fd == 6:
        world.balancer.connect(100 + fd, "spontaneous", ("0.0.0.0", 4713), [fd])
    else:
        world.balancer.connect(100 + fd, "dials_in", (f"10.0.0.{fd}", 4712), [fd])


def world_of(folder: Path, steps: Steps) -> World:
    world = World(folder, steps, KNOWN)
    world.kernel.sockets = {fd: Socket() for fd in range(1, 10)}
    return world


def run(folder: Path, script: Script, steps: Steps) -> Outcome:
    """The whole play, with deaths where the steps say."""
    world = world_of(folder, steps)
    sockets = world.kernel.sockets
    for tick in range(TURNS):
        for fd in script.calls.get(tick, ()):
            call(world, fd)
        for fd, chunk in script.chunks.get(tick, ()):
            sockets[fd].queue += chunk
        for fd, frame, sender in script.datagrams.get(tick, ()):
            sockets[fd].datagrams.append((frame, sender))
        for fd in script.ends.get(tick, ()):
            sockets[fd].finished = True
        world.turn()
    assert world.receiver or world.turn() is None
    world.stop()
    assert world.receiver
    return world.outcome(world.receiver.links.book.unknown)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Outcome, int]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "Keeper", PlainKeeper)
        steps = Steps()
        yield run(tmp_path_factory.mktemp("whole"), play(), steps), steps.count


def same(seen: Outcome, wanted: Outcome) -> bool:
    return (seen.rows, seen.books, seen.unknown) == (wanted.rows, wanted.books, wanted.unknown)


def test_the_play_has_everything_in_it(undisturbed: tuple[Outcome, int]) -> None:
    whole, steps = undisturbed
    per_link = {link: sum(count for row, count in whole.rows.items() if row[0] >> 16 == link) for link in range(1, 11)}
    assert per_link == {1: 39, 2: 2 * 33, 3: 25, 4: 25, 5: 6, 6: 80, 7: 25, 8: 25, 9: 0, 10: 20}
    assert whole.books[1 << 16] == [40, 1, 0, 0]
    assert whole.unknown[2] >= 4
    assert steps > 300


@pytest.mark.timeout(600)
def test_killed_once_at_any_step(undisturbed: tuple[Outcome, int], tmp_path: Path) -> None:
    whole, steps = undisturbed
    for at in range(1 + random.randrange(STRIDE), steps + 1, STRIDE):
        deaths = Steps({at})
        seen = run(tmp_path / str(at), play(), deaths)
        assert sum(deaths.where.values()) == 1
        assert same(seen, whole), f"killed at step {at}: {deaths.where}"


@pytest.mark.parametrize("seed", range(thorough.of(6, 12)))
def test_killed_again_and_again(undisturbed: tuple[Outcome, int], tmp_path: Path, seed: int) -> None:
    whole, steps = undisturbed
    chosen = random.Random(seed)
    deaths = Steps(set(chosen.sample(range(1, 2 * steps), chosen.choice((3, 20, 60)))))
    seen = run(tmp_path, play(), deaths)
    assert same(seen, whole), f"seed {seed}: {deaths.where}"
    assert deaths.where


def test_of_a_datagram_that_came_twice_one_may_go_uncounted_but_none_is_lost(tmp_path: Path) -> None:
    """The kernel has no positions for datagrams: a copy that comes right after its twin was taken looks like that."""
    udp = configuration(50, name="Unicast")
    script = Script(calls={0: [5]})
    for k, frame in enumerate([told(udp), *(frame for frame in data(udp, 10) for _ in range(2))]):
        script.datagrams.setdefault(k // 2, []).append((5, frame, "10.0.0.5"))
    steps = Steps()
    whole = run(tmp_path / "whole", script, steps)
    for at in range(1, steps.count + 1, 3):
        seen = run(tmp_path / str(at), script, Steps({at}))
        assert set(seen.rows) == set(whole.rows)
        assert 0 <= whole.rows.total() - seen.rows.total() <= 1


def test_a_device_is_not_disturbed_by_the_death_of_its_receiver(tmp_path: Path) -> None:
    """No question and no stop: nothing at all is said to it."""
    cfg = configuration(7)
    world = world_of(tmp_path, Steps())
    call(world, 1)
    device = world.kernel.sockets[1]
    for _ in range(10):  # told to stop, asked
        world.turn()
    device.queue += told(cfg)
    for _ in range(6):  # the balancer says who it is
        world.turn()
    heard = list(device.sent)
    assert [each[15] for each in heard] == [1, 5, 2]  # stop, tell your CFG-2, go on
    frames = data(cfg, 400)
    for tick in range(400):
        device.queue += frames[tick]
        world.turn()
        if tick % 100 == 7:
            world.kill()
    assert device.sent == heard
    world.stop()
    assert sum(world.outcome([]).rows.values()) == 400


def test_what_did_not_outlive_its_receiver_is_counted(tmp_path: Path) -> None:
    """DATA that waited for a configuration, and the good frame behind a damaged head, of connections that are gone."""
    cfg, other = configuration(7), configuration(20)
    world = world_of(tmp_path, Steps())
    for fd in (1, 2):
        call(world, fd)
    world.kernel.sockets[1].queue += told(cfg) + b"".join(data(cfg, 5)) + b"\xaa\x01\xff\xff" + data(cfg, 1, 5)[0]
    world.kernel.sockets[2].queue += b"".join(data(other, 3))
    for _ in range(10):
        world.turn()
    world.kill()
    world.balancer.links.clear()
    world.turn()
    world.stop()
    assert world.receiver
    seen = world.outcome(world.receiver.links.book.unknown)
    assert sum(seen.rows.values()) == 6
    assert seen.books == {1 << 16: [7, 1, 0, 0]}
    assert seen.unknown == [0, 0, 3, 0]


def test_a_journal_that_lacks_what_was_taken_costs_those_bytes_only(tmp_path: Path) -> None:
    cfg = configuration(7)
    frames = data(cfg, 30)
    world = world_of(tmp_path, Steps())
    call(world, 1)
    device = world.kernel.sockets[1]
    device.queue += told(cfg) + b"".join(frames[:10])
    for _ in range(10):
        world.turn()
    world.kill()
    device.queue += b"".join(frames[10:20])
    missing = len(frames[10]) + 5
    del device.queue[:missing]  # taken by a life whose disk was full
    device.taken += missing
    device.queue += b"".join(frames[20:])
    world.turn()
    assert world.receiver
    assert world.receiver.health(world.now)["counters"]["bytes_missed"] == missing
    world.stop()
    assert sum(world.outcome([]).rows.values()) == 28


def test_a_newer_balancer_is_told_what_we_hold(tmp_path: Path) -> None:
    world = world_of(tmp_path, Steps())
    cfg = configuration(7)
    call(world, 1)
    world.kernel.sockets[1].queue += told(cfg) + b"".join(data(cfg, 3))
    for _ in range(10):
        world.turn()
    told_of = {"connection": 101, "how": "dials_in", "peer": ("10.0.0.1", 4712), "target": None, "cfg3": False}
    ((fields, _),) = world.balancer.holding("front")
    assert fields.items() >= (told_of | {"stream": None}).items()
    assert fields["numbers"] == [1]
    assert world.balancer.holding("another") == []


@pytest.mark.parametrize("at", range(2, 12))
def test_the_death_of_the_balancer_costs_nothing(tmp_path: Path, at: int) -> None:
    """Before a device is known, while it is asked for, and afterwards; one connection ends meanwhile."""
    cfg, other = configuration(7), configuration(20, stations=2)
    world = world_of(tmp_path, Steps())
    call(world, 1)
    frames = data(cfg, 20)
    for tick in range(20):
        device = world.kernel.sockets[1]
        device.queue += (told(cfg) if tick == 0 else b"") + frames[tick]
        if tick == 6:
            call(world, 2)
            world.kernel.sockets[2].queue += told(other) + b"".join(data(other, 3))
        if tick == at:
            world.balancer.anew()
        world.turn()
    world.stop()
    assert world.receiver
    seen = world.outcome(world.receiver.links.book.unknown)
    assert (sum(seen.rows.values()), seen.unknown) == (20 + 2 * 3, [0, 0, 0, 0])
    assert world.kernel.sockets[1].hung_up
