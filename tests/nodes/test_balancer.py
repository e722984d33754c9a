"""A balancer driven by hand: real descriptors on loopback, receivers played by the test, a clock moved by the test."""

from __future__ import annotations

import errno
import os
import resource
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from nodes import _dialing
from nodes._door import SHUT_FOR, Door
from nodes._handover import Channel, path
from nodes._node import Actions, Place, StartError, Unwatch, Watch
from nodes.balancer import Balancer, Settings
from protocol.clock import SECOND, Now
from tests.authorities import Authority

UTC = 1_700_000_000 * SECOND
PATIENCE = 10.0


class Bench:
    """One balancer, and who talks to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = Now(SECOND, UTC)
        self.watched: set[int] = set()
        self.open: list[socket.socket] = []

    def start(
        self,
        site: dict[str, Any] | None = None,
        names: tuple[str, ...] = (),
        site_file: Path | None = None,
        **settings: Any,
    ) -> Balancer:
        """A new life."""
        given = {"listen": "127.0.0.1:0", "registry": str(self.folder / "registry.json")} | settings
        place = Place(
            name="front",
            node="front",
            copy=1,
            readers_of={"receiver": list(names)},
            sources={},
            run=str(self.folder),
            site={"station": "test", "unknown": "admit"} | (site or {}),
            pipeline="p.yaml",
            site_file=site_file,
        )
        self.now = Now(self.now.monotonic + SECOND, self.now.utc + SECOND)
        self.node = Balancer(Settings.model_validate(given), place)
        self.act(self.node.start(self.now))
        return self.node

    def kill(self) -> None:
        """Nothing is said, the kernel closes all."""
        node = self.node
        node.receivers.close()
        node.connections.close()
        node.reach.close()
        for each in (node.doors, node.hatch):
            each.close()
        self.watched.clear()

    def act(self, actions: Actions) -> None:
        for action in actions:
            if isinstance(action, Watch):
                self.watched.add(action.fd)
            else:
                assert isinstance(action, Unwatch)
                self.watched.discard(action.fd)

    def turn(self, seconds: float = 0.0) -> None:
        """Let it look at everything that it watches, and wake."""
        self.now = Now(self.now.monotonic + int(seconds * SECOND), self.now.utc + int(seconds * SECOND))
        for _ in range(3):  # a receiver that dials us is watched, then heard
            for fd in list(self.watched):
                self.act(self.node.ready(fd, self.now))
        self.act(self.node.wake(self.now))

    def door(self, which: int = 0) -> Door:
        """Where devices dial: the plain one, or that under TLS."""
        return self.node.doors[self.node.doors.fds[which]]

    def dial(self, source: str = "127.0.0.1", door: int = 0) -> socket.socket:
        """A device that connects."""
        device = socket.create_connection(self.door(door).address(), PATIENCE, source_address=(source, 0))
        device.setblocking(False)
        self.open.append(device)
        self.turn()
        return device

    def join(self, name: str, keeps: Receiver | None = None) -> Receiver:
        receiver = Receiver(self, name, keeps)
        self.turn()
        receiver.hear()
        return receiver

    def alarms(self) -> list[str]:
        alarms: list[str] = self.node.health(self.now)["alarms"]
        return alarms

    def counter(self, name: str) -> int:
        return int(self.node.health(self.now)["counters"][name])


class Receiver:
    """A receiver's end."""

    def __init__(self, bench: Bench, name: str, keeps: Receiver | None = None) -> None:
        """`keeps`: the same process, which has lost its balancer and dials the next one."""
        self.bench, self.name = bench, name
        self.links: dict[int, dict[str, Any]] = keeps.links if keeps else {}
        self.ends: dict[int, list[socket.socket]] = keeps.ends if keeps else {}
        self.said: list[dict[str, Any]] = []
        self.channel = Channel.dial(path(str(bench.folder), "front"))
        self.channel.say("hello", receiver=name, holds=len(self.links))
        for id_ in list(self.links):
            self.hold(id_)

    def hold(self, id_: int) -> None:
        fields = {key: self.links[id_][key] for key in ("how", "peer", "target", "cfg3", "stream", "numbers")}
        tls = {key: self.links[id_][key] for key in ("tls", "certificate") if key in self.links[id_]}
        copies = [] if tls else [end.dup() for end in self.ends[id_]]
        self.channel.say("holds", copies, connection=id_, **fields, **tls)

    def hear(self) -> list[dict[str, Any]]:
        """What came since the last time, link notes too."""
        for note, descriptors in self.channel.notes():
            self.said.append(note)
            if note["say"] == "link":
                self.links[note["connection"]] = note
                self.ends[note["connection"]] = [socket.socket(fileno=each) for each in descriptors]
        said, self.said = self.said, []
        return said

    def identify(
        self, id_: int, stream: int, address: str = "127.0.0.1", certificate: tuple[str, ...] = ()
    ) -> list[dict[str, Any]]:
        if certificate:
            self.links[id_]["certificate"] = certificate
        self.channel.say("identify", connection=id_, address=address, stream=stream, certificate=certificate)
        self.bench.turn()
        said = self.hear()
        if said[0]["say"] == "identity":
            self.links[id_]["numbers"].append(said[0]["device"]["number"])
        return said

    def end(self, id_: int, cfg3: bool = True) -> None:
        self.links.pop(id_)
        for end in self.ends.pop(id_):
            if end.type == socket.SOCK_STREAM:
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self.channel.say("ended", connection=id_, reason="test", cfg3=cfg3)
        self.bench.turn()

    def die(self, quietly: bool = False) -> None:
        """The kernel closes its descriptors. `quietly`: the balancer has not looked yet."""
        for ends in self.ends.values():
            for end in ends:
                end.close()
        self.channel.end.close()
        if not quietly:
            self.bench.turn()


@pytest.fixture
def bench(run_folder: Path) -> Iterator[Bench]:
    made = Bench(run_folder)
    yield made
    for each in made.open:
        each.close()
    made.kill()


@pytest.fixture
def receive(bench: Bench) -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def join(name: str, keeps: Receiver | None = None) -> Receiver:
        made.append(bench.join(name, keeps))
        return made[-1]

    yield join
    for each in made:
        each.channel.close()
        for ends in each.ends.values():
            for end in ends:
                end.close()


def is_open(device: socket.socket) -> bool:
    try:
        return device.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


# ── a receiver dies ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_successor_is_told_what_is_coming_and_is_handed_it_again(bench, receive):
    bench.start()
    first, other = receive("r.1"), receive("r.2")
    devices = [bench.dial() for _ in range(4)]
    first.hear()
    ids = sorted(first.links)
    [identity] = first.identify(ids[0], 7)
    number = identity["device"]["number"]
    first.die()
    assert bench.alarms() == ["r.1 is gone: 2 connections wait for it"]
    successor = Receiver(bench, "r.1")
    bench.turn()
    welcome, *links = successor.hear()
    assert (welcome["say"], welcome["coming"]) == ("welcome", ids)
    assert [(note["connection"], note["again"], note["numbers"]) for note in links] == [
        (ids[0], True, [number]),
        (ids[1], True, []),
    ]
    assert bench.alarms() == []
    assert all(map(is_open, devices))
    other.hear()
    assert len(other.links) == 2
    successor.die()


def test_the_successor_may_come_before_the_death_is_noticed(bench, receive):
    bench.start()
    first = receive("r.1")
    device = bench.dial()
    first.hear()
    first.die(quietly=True)
    successor = receive("r.1")
    assert list(successor.links) == list(first.links)
    assert is_open(device)


def test_many_deaths_in_a_row_cost_nothing(bench, receive):
    bench.start()
    first = receive("r.1")
    devices = [bench.dial() for _ in range(5)]
    first.hear()
    held = sorted(first.links)
    first.die()
    before = descriptors()
    for _ in range(50):
        victim = Receiver(bench, "r.1")  # dies before it reads a single note
        bench.turn()
        victim.die()
    assert descriptors() == before
    assert all(map(is_open, devices))
    assert sorted(receive("r.1").links) == held


def test_what_never_left_for_a_receiver_that_dies_goes_to_another(bench, receive):
    bench.start()
    deaf, other = receive("r.1"), receive("r.2")
    deaf.channel.end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sent = bench.node.receivers.joined[0].channel
    sent.end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    devices = [bench.dial() for _ in range(40)]
    unsent = sent.waiting
    assert unsent > 0
    deaf.die()
    other.hear()
    assert len(other.links) == 20 + unsent
    assert not any(note["again"] for note in other.links.values())
    assert bench.node.connections.waiting == {"r.1": 20 - unsent}
    assert len(receive("r.1").links) == 20 - unsent
    assert all(map(is_open, devices))


def test_connections_of_a_receiver_that_is_gone_count_for_the_spread(bench, receive):
    bench.start()
    first, other = receive("r.1"), receive("r.2")
    for _ in range(4):
        bench.dial()
    first.die()
    for _ in range(2):
        bench.dial()
    successor = receive("r.1")
    for _ in range(2):
        bench.dial()
    other.hear()
    successor.hear()
    assert (len(successor.links), len(other.links)) == (4, 4)


def test_a_receiver_that_does_nothing_gets_no_new_connections(bench, receive):
    bench.start()
    stuck, other = receive("r.1"), receive("r.2")
    bench.turn()
    for _ in range(2):
        bench.dial()
    other.hear()
    bench.turn(4)
    assert bench.alarms() == ["r.1 does nothing: new devices go to others"]
    for _ in range(4):
        bench.dial()
        other.hear()
        bench.turn(0.1)
    assert len(other.links) == 5
    stuck.hear()
    bench.turn(0.1)
    assert bench.alarms() == []
    for _ in range(4):
        bench.dial()
        stuck.hear()
    assert len(stuck.links) == 5


def test_who_does_not_come_back_in_time_loses_its_connections(bench, receive):
    bench.start(reclaim="30 s")
    first = receive("r.1")
    device = bench.dial()
    first.die()
    bench.turn(29)
    assert is_open(device)
    bench.turn(2)
    assert not is_open(device)
    assert bench.counter("given_up") == 1
    assert "gave up 1x: a connection of r.1, which has not come back" in bench.alarms()
    assert receive("r.1").links == {}
    bench.turn(700)
    assert bench.alarms() == []


def test_a_receiver_that_stops_ends_its_connections(bench, receive):
    bench.start()
    first = receive("r.1")
    device = bench.dial()
    first.hear()
    first.end(next(iter(first.links)))
    assert not is_open(device)
    first.die()
    assert (len(bench.node.connections), bench.alarms()) == (0, [])


def test_a_device_that_connects_anew_while_its_receiver_is_gone_leaves_the_old_one_to_be_read_out(bench, receive):
    bench.start()
    first, other = receive("r.1"), receive("r.2")
    bench.dial()
    first.hear()
    [old] = first.links
    number = first.identify(old, 7)[0]["device"]["number"]
    first.die()
    bench.dial()
    other.hear()
    [new] = other.links
    other.identify(new, 7)
    successor = Receiver(bench, "r.1")
    bench.turn()
    assert [(note["say"], note.get("connection")) for note in successor.hear()] == [
        ("welcome", None),
        ("link", old),
        ("drop", old),
    ]
    assert bench.node.whois.owners.of(number) == new
    successor.die()


def test_only_who_reads_a_connection_may_end_it(bench, receive):
    bench.start()
    first, other = receive("r.1"), receive("r.2")
    device = bench.dial()
    first.hear()
    [id_] = first.links
    other.channel.say("ended", connection=id_, reason="not mine", cfg3=True)
    other.channel.say("identify", connection=id_, address="127.0.0.1", stream=7)
    bench.turn()
    assert is_open(device)
    assert other.hear() == []


# ── the balancer dies ───────────────────────────────────────────────────────────────────────────────────────

REACHED = {"name": "Dialled", "number": 1, "stream": 7}


def test_receivers_bring_back_what_they_hold_and_numbers_go_on_above(bench, receive):
    bench.start(names=("r.1", "r.2"))
    first, other = receive("r.1"), receive("r.2")
    devices = [bench.dial() for _ in range(4)]
    for each in (first, other):
        each.hear()
    number = first.identify(min(first.links), 7)[0]["device"]["number"]
    held = sorted([*first.links, *other.links])
    bench.kill()
    bench.start(names=("r.1", "r.2"))
    newcomer = bench.dial()
    first = receive("r.1", first)
    assert len(bench.node.receivers.waiting) == 1  # the other one may have fewer
    other = receive("r.2", other)
    assert bench.counter("brought_back") == 4
    assert number in bench.node.whois.owners
    assert bench.node.whois.labels[number] == "127.0.0.1/7"
    first.hear()
    other.hear()
    fresh = sorted({*first.links, *other.links} - set(held))
    assert len(fresh) == 1
    assert fresh[0] > max(held)
    assert all(map(is_open, [*devices, newcomer]))
    # Their duplicates are ours again: now a receiver may die.
    first.die()
    assert all(map(is_open, devices))
    assert bench.node.connections.load("r.1") == len(first.links)


def test_what_is_told_is_answered_in_order(bench, receive):
    bench.start()
    first = receive("r.1")
    bench.dial()
    first.hear()
    [id_] = first.links
    bench.kill()
    bench.start()
    again = Receiver(bench, "r.1", first)
    bench.turn()
    adopted, welcome = again.hear()
    assert adopted == {"say": "adopted", "connection": id_}
    assert (welcome["say"], welcome["coming"]) == ("welcome", [])
    assert welcome["life"] > id_ - 1
    before = descriptors()
    again.hold(id_)
    bench.turn()
    assert descriptors() == before
    assert (again.hear(), len(bench.node.connections)) == ([], 1)
    again.die()


def test_a_dialled_device_is_not_dialled_while_a_receiver_may_have_it(bench, receive):
    with socket.create_server(("127.0.0.1", 0)) as device:
        device.setblocking(False)
        at = f"127.0.0.1:{device.getsockname()[1]}"
        site = {"unknown": "refuse", "devices": [REACHED | {"link": {"tcp": at}}]}
        bench.start(site, ("r.1",))
        first = receive("r.1")
        bench.turn()
        near, _ = device.accept()
        bench.open.append(near)
        bench.turn()
        first.hear()
        [id_] = first.links
        first.identify(id_, 7)
        bench.kill()
        bench.start(site, ("r.1",))
        bench.turn(5)
        first = receive("r.1", first)
        for _ in range(100):
            bench.turn(1)
        with pytest.raises(BlockingIOError):
            device.accept()
        assert (first.hear(), bench.alarms()) == ([], [])
        first.end(id_)
        bench.turn(2)
        bench.turn()
        anew, _ = device.accept()
        bench.open.append(anew)
        assert [note["again"] for note in first.hear()] == [False]


def free_port() -> int:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_datagram_port_is_not_opened_while_a_receiver_may_have_it(bench, receive):
    told, asked = free_port(), free_port()
    devices = [
        {"name": "Told", "number": 2, "stream": 8, "link": {"spontaneous": f"127.0.0.1:{told}"}},
        {"name": "Asked", "number": 3, "stream": 9, "link": {"udp": f"127.0.0.1:{asked}"}},
    ]
    site = {"unknown": "refuse", "devices": devices}
    bench.start(site, ("r.1",))
    first = receive("r.1")
    ids = {note["how"]: id_ for id_, note in first.links.items()}
    assert sorted(ids) == ["spontaneous", "udp"]
    first.identify(ids["spontaneous"], 8)
    bench.kill()
    bench.start(site, ("r.1",))
    bench.turn(5)
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.sendto(b"a frame", ("127.0.0.1", told))
    first = receive("r.1", first)
    bench.turn(1)
    assert first.hear() == []
    assert len(bench.node.connections) == 2
    assert first.ends[ids["spontaneous"]][0].recv(100) == b"a frame"
    assert bench.alarms() == ["Asked (udp): no configuration has come from it"]
    first.end(ids["spontaneous"])  # opened anew at once
    assert [note["how"] for note in first.hear()] == ["spontaneous"]


def test_who_is_late_is_waited_for_a_while_only(bench, receive):
    bench.start(names=("r.1", "r.2"), gather="10 s")
    first = receive("r.1")
    bench.dial()
    bench.turn(9)
    assert first.hear() == []
    bench.turn(2)
    assert len(first.hear()) == 1


def test_a_device_that_the_site_file_knows_no_more_is_dropped(bench, receive):
    site = {"unknown": "refuse", "devices": [{"name": "A", "number": 1, "stream": 7, "address": "127.0.0.1"}]}
    bench.start(site, ("r.1",))
    first = receive("r.1")
    for _ in range(2):
        bench.dial()
    first.hear()
    known, nobody = sorted(first.links)
    first.identify(known, 7)
    bench.kill()
    bench.start({"unknown": "refuse", "devices": []}, ("r.1",))
    first = Receiver(bench, "r.1", first)
    bench.turn()
    drops = [(note["connection"], note["number"]) for note in first.hear() if note["say"] == "drop"]
    assert drops == [(known, 1), (nobody, 0)]
    first.die()


def test_a_crowd_of_admitted_devices_is_answered_after_one_write(bench, receive, monkeypatch):
    bench.start()
    receiver = receive("r.1")
    for _ in range(50):
        bench.dial()
        receiver.hear()
    written = []
    monkeypatch.setattr(bench.node.registry, "_write", lambda: written.append(len(bench.node.registry.numbers)))
    for k, id_ in enumerate(receiver.links):
        receiver.channel.say("identify", connection=id_, address="127.0.0.1", stream=k + 1)
    bench.turn()
    answers = receiver.hear()
    assert [note["say"] for note in answers] == ["identity"] * 50
    assert len({note["device"]["number"] for note in answers}) == 50
    assert written == [50]


def test_a_full_disk_keeps_unlisted_devices_out_until_it_heals(bench, receive, monkeypatch):
    bench.start()
    receiver = receive("r.1")
    bench.dial()
    receiver.hear()
    [id_] = receiver.links
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with monkeypatch.context() as patch:
        patch.setattr(bench.node.registry, "_write", Mock(side_effect=full))
        [answer] = receiver.identify(id_, 7)
    assert answer["say"] == "refused"
    assert bench.alarms() == [f"refused 1x: {answer['reason']}"]
    assert answer["reason"].endswith("registry.json: No space left on device")
    assert receiver.identify(id_, 7)[0]["say"] == "identity"


# ── who calls too often ─────────────────────────────────────────────────────────────────────────────────────


def test_ten_thousand_calls_of_a_stranger_keep_nobody_out(bench, receive):
    site = {"unknown": "refuse", "devices": [{"name": "A", "number": 1, "stream": 7, "address": "127.0.0.1"}]}
    bench.start(site, per_address=100, calls="10/s")
    receiver = receive("r.1")
    for _ in range(300):
        stranger = bench.dial("127.0.0.66")
        assert not is_open(stranger)
        stranger.close()
    assert (bench.counter("refused"), bench.counter("turned_away")) == (100, 200)
    assert bench.alarms() == [
        "turned away 200x: 127.0.0.66: more than 10 calls a second (`calls`)",
        "refused 100x: 127.0.0.66: no device of the site dials in from there",
    ]
    assert is_open(bench.dial())
    receiver.hear()
    assert len(receiver.links) == 1


def test_connections_from_one_address_are_limited_and_places_freed(bench, receive):
    bench.start(per_address=2)
    receiver = receive("r.1")
    first, second, third = (bench.dial() for _ in range(3))
    assert [is_open(first), is_open(second), is_open(third)] == [True, True, False]
    assert is_open(bench.dial("127.0.0.2"))
    receiver.hear()
    receiver.end(min(receiver.links))
    bench.turn(1)
    assert is_open(bench.dial())
    assert bench.alarms() == ["turned away 1x: 127.0.0.1: more than 2 connections at once (`per_address`)"]


def test_a_door_that_cannot_be_answered_is_left_alone_for_a_while(bench, receive):
    bench.start()
    receiver = receive("r.1")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    device = socket.socket()
    bench.open.append(device)
    device.connect(bench.door().address())
    device.setblocking(False)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        bench.turn()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert bench.door().fd not in bench.watched
    [alarm] = bench.alarms()
    assert alarm.startswith(f"kept waiting 1x: whoever calls: {os.strerror(errno.EMFILE)}")
    bench.turn()
    assert len(receiver.links) == 0
    bench.turn(SHUT_FOR / SECOND)
    bench.turn()
    receiver.hear()
    assert len(receiver.links) == 1
    assert is_open(device)


def test_two_devices_of_one_identity_do_not_throw_each_other_out_for_ever(bench, receive):
    bench.start({"unknown": "refuse", "devices": [{"name": "Farm A", "number": 1, "stream": 7}]})
    receiver = receive("r.1")
    answers = []
    for k in range(8):
        bench.dial(f"127.0.0.{1 + k % 2}")
        receiver.hear()
        newest = max(receiver.links)
        said = receiver.identify(newest, 7, address=f"127.0.0.{1 + k % 2}")
        answers.append(said[0]["say"])
        for note in said:
            if note["say"] in ("drop", "refused") and note["connection"] in receiver.links:
                receiver.end(note["connection"])
        bench.turn(1)
    # The fourth newcomer stays out; from its own address the device may always come anew.
    assert answers == ["identity"] * 4 + ["refused", "identity", "refused", "identity"]
    assert "Farm A: 127.0.0.1 and 127.0.0.2 both send its IDCODE; the former was refused 2x" in bench.alarms()


# ── dead lines ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_dead_line_is_noticed_by_the_kernel(bench, receive):
    bench.start(keepalive="80 s")
    receiver = receive("r.1")
    bench.dial()
    receiver.hear()
    [[end]] = receiver.ends.values()
    assert end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    asked = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
    assert [end.getsockopt(socket.IPPROTO_TCP, each) for each in asked] == [40, 10, 4, 80_000]
    with socket.socket() as other:
        _dialing.keep_alive(other, 0)
        assert other.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0


# ── TLS ─────────────────────────────────────────────────────────────────────────────────────────────────────


SECURE = {
    "unknown": "refuse",
    "devices": [
        {"name": "A", "number": 1, "stream": 7, "certificate": "a.example"},
        {"name": "B", "number": 2, "stream": 8},
    ],
}


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("authority"), "authority")
    return {"listen_tls": "127.0.0.1:0", "tls": authority.files(authority.issue("station.example"))}


def test_how_to_read_a_link_goes_with_it(bench, receive, tls):
    bench.start(SECURE, **tls)
    one = receive("r.1")
    bench.dial(door=1)
    bench.dial()
    one.hear()
    secure, plain = one.links.values()
    assert "tls" not in plain
    assert secure["tls"] == {
        **tls["tls"], "revoked": "", "handshake": 10 * SECOND, "dialled": False, "name": ""
    }  # fmt: skip
    assert (plain["stream"], secure["stream"]) == (8, None)  # A can't come in the clear


def test_a_link_under_tls_ends_with_its_receiver_and_frees_its_place(bench, receive, tls):
    bench.start(SECURE, per_address=2, **tls)
    before = descriptors()
    one = receive("r.1")
    secure, plain = bench.dial(door=1), bench.dial()
    one.hear()
    first, second = one.links
    assert one.identify(first, 7, certificate=("a.example",))[0]["say"] == "identity"
    assert one.identify(second, 8)[0]["say"] == "identity"
    one.die()
    assert not is_open(secure)
    assert is_open(plain)
    assert bench.counter("ended") == 1
    assert "r.1 is gone: 1 connections wait for it" in bench.alarms()
    bench.turn(1)  # it has called as often as it may
    again = bench.dial(door=1)
    other = receive("r.1")
    other.hear()
    assert is_open(again)
    third = next(id_ for id_ in other.links if id_ not in (first, second))
    assert other.identify(third, 7, certificate=("a.example",))[0]["say"] == "identity"
    assert descriptors() < before + 12


def test_those_that_never_left_for_a_receiver_that_dies_go_to_another(bench, receive, tls):
    bench.start(SECURE, **tls)
    deaf, other = receive("r.1"), receive("r.2")
    deaf.channel.end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sent = bench.node.receivers.joined[0].channel
    sent.end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    devices = [bench.dial(door=1) for _ in range(40)]
    unsent = sent.waiting
    assert unsent > 0
    deaf.die()
    other.hear()
    assert len(other.links) == 20 + unsent
    assert bench.node.connections.waiting == {}
    assert sum(map(is_open, devices)) == 20 + unsent


def test_a_newer_balancer_adopts_it_without_descriptors(bench, receive, tls):
    bench.start(SECURE, **tls)
    one = receive("r.1")
    device = bench.dial(door=1)
    one.hear()
    (id_,) = one.links
    one.identify(id_, 7, certificate=("a.example",))
    bench.kill()
    bench.start(SECURE, **tls)
    one.channel.close()
    two = receive("r.1", one)
    assert bench.counter("brought_back") == 1
    assert is_open(device)
    assert not [note for note in two.hear() if note["say"] == "drop"]
    two.die()
    assert not is_open(device)
    assert bench.counter("given_up") == 0


def test_one_whose_certificate_the_site_file_wants_no_more_is_dropped(bench, receive, tls):
    bench.start(SECURE, **tls)
    one = receive("r.1")
    bench.dial(door=1)
    one.hear()
    (id_,) = one.links
    one.identify(id_, 7, certificate=("a.example",))
    bench.kill()
    changed = SECURE["devices"][0] | {"certificate": "new.example"}
    bench.start(SECURE | {"devices": [changed]}, **tls)
    one.channel.close()
    two = Receiver(bench, "r.1", one)
    bench.turn()
    dropped = [note for note in two.hear() if note["say"] == "drop"]
    assert [(note["connection"], note["number"]) for note in dropped] == [(id_, 1)]
    two.channel.close()


def test_failed_handshakes_are_counted_and_named(bench, receive, tls):
    bench.start(SECURE, **tls)
    one = receive("r.1")
    bench.dial(door=1)
    one.hear()
    (id_,) = one.links
    for connection in (id_, id_ + 1000):  # the latter is not its own
        one.channel.say("insecure", connection=connection, reason="TLS: it shows no certificate")
    one.end(id_)
    assert (bench.counter("tls_refused"), bench.counter("refused")) == (1, 1)
    assert "refused 1x: 127.0.0.1: TLS: it shows no certificate" in bench.alarms()


def test_a_device_dialled_under_tls_is_never_dialled_in_the_clear(bench, receive, tls):
    there = socket.create_server(("127.0.0.1", 0))
    bench.open.append(there)
    link = {"tcp": f"127.0.0.1:{there.getsockname()[1]}", "tls": {}}
    site = {"devices": [{"name": "C", "number": 3, "link": link}]}
    with pytest.raises(StartError, match="C is to be dialled under TLS; add tls: to the balancer"):
        bench.start(site)
    bench.start(site, tls=tls["tls"])
    one = receive("r.1")
    bench.turn(1)
    bench.turn()
    one.hear()
    (told,) = one.links.values()
    assert (told["tls"]["dialled"], told["tls"]["name"]) == (True, "127.0.0.1")


def test_a_door_or_a_file_that_is_not_there_stops_the_start(bench, tls):
    with pytest.raises(StartError, match="A dials in under TLS; add listen_tls: to the balancer"):
        bench.start(SECURE, tls=tls["tls"])
    with pytest.raises(StartError, match="No such file or directory; correct its path"):
        bench.start(SECURE, **tls | {"tls": tls["tls"] | {"certificate": "/nowhere"}})
    bench.start(SECURE, **tls)
    port = bench.door(1).address()[1]
    taken = {"listen": "127.0.0.1:0", "tls": tls["tls"], "listen_tls": f"127.0.0.1:{port}"}
    with pytest.raises(StartError, match="free the port or change `listen_tls`"):
        list(Balancer(Settings.model_validate(taken), bench.node.place).start(bench.now))
