"""Devices that mean harm, or are badly broken: each a thread with sockets of its own, at an address of its own."""

from __future__ import annotations

import math
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count, cycle
from random import Random

from tests.chaos import frames
from tests.chaos.truth import FLOAT, PERIOD, Device

PAUSE = 0.02
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends RST."""
HUGE = 65535


class Attack(threading.Thread):
    """Does harm until `stop`, again and again when it is thrown out.

    `number` is its IDCODE in the site file, and the last part of its address 127.0.1.N.
    """

    def __init__(self, harm: Callable[[Attack], None], number: int, port: int) -> None:
        super().__init__(name=harm.__name__, daemon=True)
        self.harm, self.number, self.port = harm, number, port
        self.address = f"127.0.1.{number}"
        self.device = Device(number, phasors=1, analogs=0, digitals=0)
        self.over = threading.Event()
        self.sent = 0
        """Bytes."""
        self.connects = 0
        self.ends: list[socket.socket] = []

    def run(self) -> None:
        while not self.over.is_set():
            with suppress(OSError):
                self.harm(self)
            for end in self.ends:
                end.close()
            self.ends.clear()
            self.over.wait(PAUSE)

    def stop(self) -> None:
        self.over.set()
        self.join(5.0)
        assert not self.is_alive(), self.name

    # ── what it does with ───────────────────────────────────────────────────────────────────────────────────

    def dial(self, address: str = "") -> socket.socket:
        """A connection to the station."""
        end = socket.socket()
        self.ends.append(end)
        end.bind((address or self.address, 0))
        end.settimeout(1.0)
        end.connect(("127.0.0.1", self.port))
        self.connects += 1
        return end

    def begun(self, address: str = "", configuration: bytes = b"") -> socket.socket:
        """A connection on which a configuration was told and DATA are wanted."""
        end = self.dial(address)
        heard = bytearray()
        while not self.over.is_set():
            heard += self._heard(end)
            for word in frames.commands(heard):
                if word in (frames.SEND_CFG2, frames.SEND_CFG3):
                    end.sendall(configuration or frames.cfg2(self.device, FLOAT, 0, time.time_ns()))
                elif word == frames.START:
                    return end
        raise OSError("over")

    def _heard(self, end: socket.socket) -> bytes:
        try:
            chunk = end.recv(4096)
        except TimeoutError:
            return b""
        if not chunk:
            raise OSError("hung up")
        return chunk

    def pour(self, end: socket.socket, chunks: Iterator[bytes], pause: float = 0.0) -> None:
        """Send until it is over or nobody reads; commands that come are dropped."""
        for chunk in chunks:
            with suppress(TimeoutError):
                end.sendall(chunk)
                self.sent += len(chunk)
            end.settimeout(0.0)
            with suppress(BlockingIOError):
                if not end.recv(65536):
                    return
            end.settimeout(1.0)
            if self.over.wait(pause):
                return

    def data(self, ahead: int = 0, status: int = 0) -> bytes:
        """DATA of this instant."""
        return frames.data(self.device, FLOAT, time.time_ns() // PERIOD, status, ahead)


# ── bytes ───────────────────────────────────────────────────────────────────────────────────────────────────────


def garbage(attack: Attack) -> None:
    """Noise, and heads of frames that are none: each costs a check word over 4095 bytes."""
    noise = Random(1).randbytes(1 << 16)
    attack.pour(attack.dial(), cycle([noise, b"\xaa\x01\x0f\xff" * (1 << 14)]))


def damaged(attack: Attack) -> None:
    """DATA with bad check words, as fast as they go."""
    whole = attack.data()
    attack.pour(attack.begun(), cycle([(whole[:-1] + bytes([whole[-1] ^ 1])) * 500]))


def sizes(attack: Attack) -> None:
    """FRAMESIZE 0, 1, 15, 65535."""
    heads = [b"\xaa\x01" + size.to_bytes(2, "big") + bytes(12) for size in (0, 1, 15, HUGE)]
    attack.pour(attack.begun(), cycle([b"".join(heads) * 200]), 0.005)


def trickle(attack: Attack) -> None:
    """A frame, byte by byte."""
    attack.pour(attack.begun(), (bytes([byte]) for byte in cycle(attack.data())), 0.2)


def headers(attack: Attack) -> None:
    """Header frames, as fast as they go."""
    attack.pour(attack.begun(), cycle([frames.frame(0x11, attack.number, time.time_ns(), b"hello") * 500]))


def orders(attack: Attack) -> None:
    """Commands to us."""
    word = struct.pack(">H", frames.START)
    attack.pour(attack.begun(), cycle([frames.frame(0x41, attack.number, time.time_ns(), word) * 10]), 0.01)


def pieces(attack: Attack) -> None:
    """A CFG-3 that never ends."""

    def endless() -> Iterator[bytes]:
        for number in count(1):
            body = struct.pack(">H", number % 0xFFFE + 1) + bytes(8000)
            yield frames.frame(frames.CFG3, attack.number, time.time_ns(), body)

    attack.pour(attack.dial(), endless(), 0.002)


# ── what it says ────────────────────────────────────────────────────────────────────────────────────────────────


def many_stations(attack: Attack) -> None:
    """A configuration that claims 65,535 stations."""
    body = struct.pack(">IH", frames.TIME_BASE, 65535) + bytes(60000)
    attack.pour(attack.dial(), cycle([frames.frame(frames.CFG2, attack.number, time.time_ns(), body)]), 0.1)


def told(stream: int, name: bytes) -> bytes:
    """CFG-2 with a phasor of this name, and a station too."""
    field = name[:16].ljust(16)
    block = field + struct.pack(">5H", stream, 15, 1, 0, 0) + field + struct.pack(">IHH", 1, 1, 0)
    body = struct.pack(">IH", frames.TIME_BASE, 1) + block + struct.pack(">h", 50)
    return frames.frame(frames.CFG2, stream, time.time_ns(), body)


NASTY = b"\x1b[2J\x1b]0;owned\x07\r\n\xff\xfe\x00 "


def names(attack: Attack) -> None:
    """Names of control characters, and of nothing that is UTF-8."""
    attack.pour(attack.begun(configuration=told(attack.number, NASTY)), iter(attack.data, b""), 0.02)


def storm(attack: Attack) -> None:
    """Another configuration a hundred times a second."""

    def changing() -> Iterator[bytes]:
        for number in count():
            yield told(attack.number, f"P{number}".encode()) + attack.data()

    attack.pour(attack.begun(), changing(), 0.01)


def values(attack: Attack) -> None:
    """Frequencies and phasors that are no numbers."""

    def wild() -> Iterator[bytes]:
        for value in cycle((math.nan, math.inf, -math.inf, 3.4e38)):
            body = struct.pack(">Hffff", 0, value, value, value, value)
            yield frames.frame(frames.DATA, attack.number, time.time_ns() // PERIOD * PERIOD, body)

    attack.pour(attack.begun(), wild(), 0.02)


def back(attack: Attack) -> None:
    """Time that goes back an hour and returns."""
    attack.pour(attack.begun(), (attack.data(ahead) for ahead in cycle([0, 0, -3_600_000_000_000])), 0.02)


def leap(attack: Attack) -> None:
    """Time that jumps a year."""
    attack.pour(attack.begun(), (attack.data(ahead) for ahead in cycle([0, 0, 31_536_000_000_000_000])), 0.02)


def standing(attack: Attack) -> None:
    """Time that does not move."""
    attack.pour(attack.begun(), cycle([attack.data()]), 0.02)


def fast(attack: Attack) -> None:
    """Ten thousand frames a second."""

    def racing() -> Iterator[bytes]:
        k = time.time_ns() // PERIOD
        for burst in count():
            yield b"".join(frames.data(attack.device, FLOAT, k + 100 * burst + each) for each in range(100))

    attack.pour(attack.begun(), racing(), 0.01)


def many_streams(attack: Attack) -> None:
    """A thousand streams on one connection."""
    others = [Device(1000 + each, phasors=1, analogs=0, digitals=0) for each in range(1000)]

    def mixed() -> Iterator[bytes]:
        for each in cycle(others):
            yield attack.data() + frames.data(each, FLOAT, time.time_ns() // PERIOD) * 4

    attack.pour(attack.begun(), mixed(), 0.002)


def deaf(attack: Attack) -> None:
    """Makes us ask, again and again, and never reads."""
    end = attack.begun()
    for status in cycle((0, frames.CHANGING)):
        end.sendall(attack.data(status=status))
        if attack.over.wait(0.02):
            return


def twins(attack: Attack) -> None:
    """One identity in two places, which throw each other out."""
    for place in cycle((attack.address, f"127.0.1.{attack.number + 100}")):
        end = attack.begun(place)
        end.sendall(attack.data())
        if attack.over.wait(0.05):
            return


# ── connections ─────────────────────────────────────────────────────────────────────────────────────────────────


def crowd(attack: Attack) -> None:
    """As many connections as it gets, on which nothing is said."""
    while not attack.over.wait(0.001):
        attack.dial()
        if len(attack.ends) > 500:
            attack.ends.pop(0).close()


def resets(attack: Attack) -> None:
    """Two hundred times a second: connect, send, RST."""
    while not attack.over.wait(0.005):
        with suppress(OSError):
            end = attack.dial()
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.sendall(attack.data())
            end.close()


def half(attack: Attack) -> None:
    """Begins a frame and says no more."""
    attack.dial().sendall(attack.data()[:7])
    attack.over.wait(60.0)


def stranger(attack: Attack) -> None:
    """Datagrams to a port that is another device's; `port` is that port."""
    with socket.socket(type=socket.SOCK_DGRAM) as end:
        end.bind((attack.address, 0))
        while not attack.over.wait(0.01):
            for _ in range(10):
                end.sendto(attack.data(), ("127.0.0.1", attack.port))
