"""A device's connection under TLS, over a connection of the test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nodes._peek import CHUNK, StreamEnd
from nodes._tls import Session, Tls, make_context
from nodes._tlsway import STEPS, Handshakes, TlsEnd, TlsWay
from nodes._waystate import Handed
from protocol.c37118.session import MasterSettings
from protocol.clock import SECOND, Now
from tests.authorities import Authority

NOW = Now(100 * SECOND, 1_700_000_000 * SECOND)


class Wire(StreamEnd):
    """What the kernel has of a connection."""

    def __init__(self) -> None:
        self.queue, self.sent = b"", b""
        self.room = 1 << 20
        self.finished = self.hung_up = False

    def fileno(self) -> int:
        return 7

    def look(self, skip: int, room: int = CHUNK) -> bytes | None:
        return self.queue[skip : skip + room] or (b"" if self.finished else None)

    def take(self, size: int) -> None:
        self.queue = self.queue[size:]

    def send(self, data: bytes) -> int:
        if not self.room:
            raise BlockingIOError
        data = data[: self.room]
        self.sent, self.room = self.sent + data, self.room - len(data)
        return len(data)

    def hang_up(self) -> None:
        self.hung_up = True

    def close(self) -> None:
        """Nothing is open."""


class Bench:
    """Our end over a wire, and the device's."""

    def __init__(self, station: Tls, device: Tls, handshakes: Handshakes | None = None) -> None:
        self.wire, self.handshakes = Wire(), handshakes or Handshakes()
        self.end = TlsEnd(self.wire, station.terms(dialled=False), self.handshakes, NOW)
        handed = Handed(1, "front", "dials_in", ("10.0.0.1", 4712), None, True, None, {"dialled": False})
        self.way = TlsWay(1, handed, self.end, MasterSettings())
        self.device = Session(make_context(device.terms(dialled=True)), dialled=True, name="station.example")
        self.heard = b""

    def deliver(self) -> None:
        """What the device has said comes, and it hears us."""
        self.wire.queue += self.device.outgoing()
        sent, self.wire.sent = self.wire.sent, b""
        self.heard += self.device.feed(sent)

    def turn(self) -> list[bytes]:
        """A tick; returns the frames read."""
        self.handshakes.renew()
        self.deliver()
        frames = [frame for _, each in self.way.read() for frame in each]
        self.way.flush()
        self.way.done()
        self.deliver()
        return frames


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tls, Tls]:
    """Settings of the station and of the device."""
    authority = Authority(tmp_path_factory.mktemp("authority"), "authority")
    made = [authority.files(authority.issue(name)) for name in ("station.example", "device.example")]
    station, device = [Tls.model_validate(files | {"handshake": "5 s"}) for files in made]
    return station, device


@pytest.fixture
def bench(ends: tuple[Tls, Tls]) -> Bench:
    return Bench(*ends)


def shaken(bench: Bench) -> Bench:
    for _ in range(4):
        bench.turn()
    assert bench.end.ready
    return bench


def test_commands_wait_for_the_handshake(bench: Bench) -> None:
    bench.way.link.send(b"command")
    assert bench.way.unsent == b"command"
    assert bench.heard == b""
    shaken(bench)
    assert bench.heard == b"command"
    assert bench.way.over == ""


def test_what_was_looked_at_stays_until_it_is_taken(bench: Bench) -> None:
    end = shaken(bench).end
    bench.device.say(b"one")
    bench.deliver()
    assert end.look(0) == b"one"
    assert end.look(3) is None
    bench.device.say(b"two")
    bench.deliver()
    assert end.look(3) == b"two"
    end.take(3)
    assert (end.look(0), end.queued()) == (b"two", 3)


def test_the_certificate_is_known_with_the_first_frames(bench: Bench) -> None:
    shaken(bench)
    bench.device.say(b"\xaa")
    bench.turn()
    assert bench.way.link.certificate == ("device.example",)
    assert bench.way.link.next_to(9).certificate == ("device.example",)


def test_the_end_is_seen_with_the_last_bytes(bench: Bench) -> None:
    """Nothing more comes on the wire after the device's farewell, so nobody would wake us."""
    shaken(bench)
    bench.device.say(b"last")
    bench.device.end()
    bench.turn()
    assert bench.way.position == 4
    assert bench.way.over == "the device closed the connection"
    assert bench.end.fault == ""


def test_a_connection_that_is_cut_ends_too(bench: Bench) -> None:
    shaken(bench).wire.finished = True
    bench.turn()
    assert bench.way.over == "the device closed the connection"


def test_a_handshake_that_never_ends_is_given_up(bench: Bench) -> None:
    bench.wire.queue = bench.device.outgoing()[:20]
    assert list(bench.way.read()) == []
    bench.end.wake(Now(NOW.monotonic + 5 * SECOND - 1, NOW.utc))
    assert bench.way.over == ""
    bench.end.wake(Now(NOW.monotonic + 5 * SECOND, NOW.utc))
    assert bench.way.over == bench.end.fault == "TLS: no handshake in time"


def test_after_the_handshake_there_is_no_hurry(bench: Bench) -> None:
    shaken(bench).end.wake(Now(NOW.monotonic + 100 * SECOND, NOW.utc))
    assert bench.way.over == ""


def test_who_is_refused_hears_it(ends: tuple[Tls, Tls], tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "other")
    files = stranger.files(stranger.issue("device.example"))
    bench = Bench(ends[0], Tls.model_validate(files | {"authorities": str(ends[1].authorities)}))
    for _ in range(4):
        bench.turn()
    assert bench.way.over.startswith("TLS: its certificate does not count")
    assert bench.device.fault == "TLS: it broke off: unknown ca"


def test_handshakes_of_a_tick_are_few(ends: tuple[Tls, Tls]) -> None:
    handshakes = Handshakes()
    crowd = [Bench(*ends, handshakes) for _ in range(STEPS + 2)]
    for each in crowd:
        each.deliver()
        list(each.way.read())
    assert [bool(each.wire.sent) for each in crowd] == [True] * STEPS + [False] * 2
    handshakes.renew()
    for each in crowd[STEPS:]:
        list(each.way.read())
        assert each.wire.sent


def test_a_device_that_does_not_read_gets_no_more(bench: Bench) -> None:
    shaken(bench).wire.room = 10
    for _ in range(3):
        bench.way.link.send(b"command")
    bench.wire.room = 0
    bench.way.flush()
    waiting = len(bench.way.unsent)
    assert 0 < waiting <= 21
    bench.wire.room = 1 << 20
    bench.turn()
    bench.turn()
    assert bench.heard == b"command" * 3


def test_a_fault_of_our_own_files_is_said(ends: tuple[Tls, Tls], tmp_path: Path) -> None:
    terms: dict[str, Any] = ends[0].terms(dialled=False) | {"key": str(tmp_path / "none")}
    end = TlsEnd(Wire(), terms, Handshakes(), NOW)
    assert end.fault.startswith(f"TLS: {tmp_path}/none: No such file")
    with pytest.raises(OSError, match="No such file"):
        end.look(0)


def test_hanging_up_says_so_first(bench: Bench) -> None:
    shaken(bench).end.hang_up()
    bench.deliver()
    assert bench.device.ended
    assert bench.wire.hung_up
