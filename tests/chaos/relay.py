"""A bad network between two network namespaces: the devices in one, the station in the other, a relay between.

The relay passes Ethernet frames from veth to veth in this process, so that it needs no kernel module, and spoils what
it is told to spoil. Needs root (CAP_NET_ADMIN, CAP_NET_RAW).
"""

from __future__ import annotations

import array
import fcntl
import heapq
import itertools
import os
import random
import select
import socket
import struct
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

STATION, DEVICES = "10.213.77.1", "10.213.77.2"
ETH_P_ALL = 3
SIOCETHTOOL = 0x8946
OFF = {"transmit checksums": 0x17, "TSO": 0x1F, "GSO": 0x24, "GRO": 0x2C}
"""ETHTOOL_S…: what veth leaves to hardware that there is not; a frame must be whole when the relay gets it."""


@dataclass
class Trouble:
    """What happens to frames of one direction."""

    down: bool = False
    loss: float = 0.0
    """Share."""
    delay: float = 0.0
    """s"""
    reorder: float = 0.0
    """Share of frames that wait 50 ms longer than those behind them."""
    duplicate: float = 0.0
    """Share."""


class Network:
    """`with Network() as net:` — `net.prefix` stands before a command that is to run where the devices are."""

    def __init__(self, seed: int = 1) -> None:
        tag = f"{os.getpid() % 10000}"
        self.space, self.names = f"chaos{tag}", [f"cxs{tag}", f"cxr{tag}", f"cxq{tag}", f"cxd{tag}"]
        self.to_station, self.to_devices = Trouble(), Trouble()
        self.passed = self.spoiled = 0
        self._dice = random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._pass, daemon=True)

    @property
    def prefix(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.space)

    def both(self, **trouble: float | bool) -> None:
        """The same trouble in both directions; none unless named."""
        self.to_station, self.to_devices = Trouble(**trouble), Trouble(**trouble)  # type: ignore[arg-type]

    def __enter__(self) -> Network:
        ours, left, right, theirs = self.names
        try:
            _ip("netns", "add", self.space)
            _ip("link", "add", ours, "type", "veth", "peer", "name", left)
            _ip("link", "add", theirs, "type", "veth", "peer", "name", right)
            for name in (ours, theirs):
                _whole_frames(name)
            _ip("link", "set", theirs, "netns", self.space)
            _ip("addr", "add", f"{STATION}/30", "dev", ours)
            for name in (ours, left, right):
                _ip("link", "set", name, "up")
            _ip("-n", self.space, "addr", "add", f"{DEVICES}/30", "dev", theirs)
            for name in (theirs, "lo"):
                _ip("-n", self.space, "link", "set", name, "up")
            self._ends = [_raw(left), _raw(right)]
            self._thread.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for end in self._ends:
            end.close()
        self._remove()

    def _remove(self) -> None:
        for words in (("link", "del", self.names[1]), ("link", "del", self.names[2]), ("netns", "del", self.space)):
            with suppress(subprocess.CalledProcessError):
                _ip(*words)

    def _pass(self) -> None:
        station, devices = self._ends
        waiting: list[tuple[float, int, socket.socket, bytes]] = []
        order = itertools.count()
        while not self._over.is_set():
            pause = 0.05 if not waiting else min(0.05, max(0.0, waiting[0][0] - time.monotonic()))
            for end in select.select([station, devices], [], [], pause)[0]:
                frame, where = end.recvfrom(65536)
                if where[2] == socket.PACKET_OUTGOING:
                    continue
                other, trouble = (devices, self.to_devices) if end is station else (station, self.to_station)
                for due in self._fate(trouble):
                    heapq.heappush(waiting, (due, next(order), other, frame))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, other, frame = heapq.heappop(waiting)
                with suppress(OSError):
                    other.send(frame)

    def _fate(self, trouble: Trouble) -> list[float]:
        """When the frame goes on, each time that it does."""
        dice, now = self._dice, time.monotonic()
        self.passed += 1
        if trouble.down or dice.random() < trouble.loss:
            self.spoiled += 1
            return []
        due = now + trouble.delay + (0.05 if dice.random() < trouble.reorder else 0.0)
        again = [due + 0.001] if dice.random() < trouble.duplicate else []
        self.spoiled += bool(again) or due > now + trouble.delay
        return [due, *again]


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _raw(name: str) -> socket.socket:
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    end.bind((name, 0))
    return end


def _whole_frames(name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for command in OFF.values():
            value = array.array("B", struct.pack("II", command, 0))
            request = struct.pack("16sP", name.encode(), value.buffer_info()[0]).ljust(40, b"\0")
            with suppress(OSError):  # a kernel that has no such thing leaves nothing to it either
                fcntl.ioctl(asking.fileno(), SIOCETHTOOL, request)
