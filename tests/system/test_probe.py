"""`syms devices probe` over real sockets: the simulator, and servers that do what devices in the field do."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from commands._station import free_port
from commands.app import make_app
from nodes._sitedevice import Device
from protocol import c37118, gbt26865
from protocol.c37118 import StartData, StopData, fractions
from protocol.clock import SECOND, Now, slot_time
from tests import scenes
from tests.protocol.c37118.strategies import rows
from tests.protocol.gbt26865 import strategies as chinese

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]

ROOT = Path(__file__).parents[2]
PATIENCE = 15.0


def probe(port: int, *options: str) -> tuple[int, dict[str, Any]]:
    """(exit code, what it says)"""
    words = ["devices", "probe", f"127.0.0.1:{port}", "--json", *options]
    done = CliRunner().invoke(make_app(["devices"]), words)
    return done.exit_code, json.loads(done.stdout)


def faults(told: dict[str, Any]) -> list[str]:
    return [each["what"] for each in told["faults"]]


class Server:
    """Answers each connection by a function of its own, in a thread that ends with the `with` block."""

    def __init__(self, serve: Callable[[Server, socket.socket], None]) -> None:
        self.serve = serve
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.over = threading.Event()
        self.calls = 0
        self.problems: list[Exception] = []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Server:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join(PATIENCE)
        self.listener.close()
        assert not self.thread.is_alive()
        assert self.problems == []

    def _run(self) -> None:
        while not self.over.is_set():
            if select.select([self.listener], [], [], 0.05)[0]:
                end, _ = self.listener.accept()
                self.calls += 1
                with end:
                    try:
                        self.serve(self, end)
                    except OSError:
                        continue  # it hung up
                    except Exception as problem:
                        self.problems.append(problem)

    def frames(self, end: socket.socket, splitter: c37118.Splitter) -> Iterator[list[bytes]]:
        """What comes, each 5 ms, until the other side or the test ends."""
        while not self.over.is_set():
            if not select.select([end], [], [], 0.005)[0]:
                yield []
                continue
            data = end.recv(4096)
            if not data:
                return
            yield splitter.feed(data)


def silent(server: Server, end: socket.socket) -> None:
    for _ in server.frames(end, c37118.Splitter()):
        pass


def hangs_up(server: Server, end: socket.socket) -> None:
    """At once."""


def garbage(server: Server, end: socket.socket) -> None:
    for _ in server.frames(end, c37118.Splitter()):
        end.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


class Frames:
    """DATA of now, on the grid."""

    def __init__(self, codec: c37118.Codec, ahead: int = 0) -> None:
        self.codec, self.ahead = codec, ahead
        self.slot = self._now()

    def _now(self) -> int:
        return (time.time_ns() + self.ahead) * self.codec.cfg.rate // SECOND

    def due(self) -> list[bytes]:
        first, self.slot = self.slot, self._now()
        times = slot_time(np.arange(first, self.slot, dtype=np.int64), self.codec.cfg.rate)
        if not times.size:
            return []
        stamps = fractions(times, self.codec.cfg.time_base)
        return c37118.Bank([self.codec]).encode(rows(self.codec, times.size, 1), *stamps)


CFG = scenes.configuration(8, form=0)


def breaks_off(server: Server, end: socket.socket) -> None:
    """An old device that hangs up when asked for CFG-3; 5 days ahead."""
    device, data, on = c37118.Device(CFG, cfg3=False), Frames(c37118.compile_codec(CFG), 5 * 86400 * SECOND), False
    for frames in server.frames(end, c37118.Splitter()):
        for frame in frames:
            command = c37118.parse(frame)
            if isinstance(command, c37118.Command) and command.command == c37118.CommandCode.SEND_CONFIGURATION_3:
                return
            for event in device.receive(frame, time.time_ns()):
                on = isinstance(event, StartData) or (on and not isinstance(event, StopData))
                if isinstance(event, c37118.Send):
                    end.sendall(event.data)
        for each in data.due():
            if on:
                end.sendall(each)


class Substation:
    """GB/T 26865.2: management and data on ports of their own."""

    def __init__(self) -> None:
        self.cfg = chinese.configuration(3)
        self.device = gbt26865.Device(self.cfg)
        self.on = threading.Event()
        self.manages, self.sends = Server(self._manage), Server(self._send)

    def _manage(self, server: Server, end: socket.socket) -> None:
        self.on.clear()
        for frames in server.frames(end, gbt26865.Splitter()):
            for frame in frames:
                for event in self.device.receive(frame, Now(time.monotonic_ns(), time.time_ns())):
                    if isinstance(event, c37118.Send):
                        end.sendall(event.data)
                    elif isinstance(event, StartData):
                        self.on.set()
                    elif isinstance(event, StopData):
                        self.on.clear()

    def _send(self, server: Server, end: socket.socket) -> None:
        data = Frames(gbt26865.compile_codec(self.cfg))
        for _ in server.frames(end, gbt26865.Splitter()):
            for each in data.due():
                if self.on.is_set():
                    end.sendall(each)


@contextmanager
def simulated(*options: str) -> Iterator[int]:
    """`syms simulate`, listening; yields its port."""
    port = free_port()
    command = [sys.executable, "-m", "commands", "simulate", "--listen", f"127.0.0.1:{port}", "--first", "8", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield port
        finally:
            process.terminate()
            process.wait(PATIENCE)


def until_answered(port: int, *options: str) -> tuple[int, dict[str, Any]]:
    """As soon as the simulator listens."""
    deadline = time.monotonic() + PATIENCE
    while True:
        code, told = probe(port, *options)
        if code == 0 or time.monotonic() > deadline:
            return code, told


@pytest.mark.parametrize("way", ["tcp", "udp"])
def test_a_simulated_device(way: str) -> None:
    options = ("--udp",) if way == "udp" else ()
    mode = ("--mode", "udp") if way == "udp" else ()
    with simulated("--analogs", "1", *mode) as port:
        code, told = until_answered(port, "--seconds", "1", *options)
    assert code == 0
    assert told["faults"] == []
    assert (told["way"], told["protocol"], told["stream"]) == (way, "c37118", 8)
    assert told["data"]["rate"] == pytest.approx(50, rel=0.05)
    assert abs(told["data"]["clock_offset_ms"]) < 500
    entry = told["entry"]
    assert entry | {"number": 1} == {
        "name": "SIM 00008",
        "number": 1,
        "stream": 8,
        "link": {way: f"127.0.0.1:{port}"},
    }
    assert Device.model_validate(entry).link.how == way


def test_a_device_that_breaks_off_at_cfg_3_and_has_a_wrong_clock() -> None:
    with Server(breaks_off) as server:
        code, told = probe(server.port, "--seconds", "0.5")
    assert (code, server.calls) == (0, 2)
    assert told["configuration"]["frame"] == "CFG-2"
    assert faults(told) == ["its clock is 5.0 d ahead of this machine's"]


def test_a_substation_of_gbt_is_found_after_silence_and_its_data_on_the_second_port() -> None:
    station = Substation()
    with station.manages as manages, station.sends as sends:
        code, told = probe(manages.port, "--data", str(sends.port), "--seconds", "0.5")
        assert not station.on.wait(0)  # it was told to stop
    assert code == 0
    assert told["tried"] == ["c37118", "gbt26865"]
    assert (told["protocol"], told["identity"]) == ("gbt26865", "0GX00GP1")
    assert told["data"]["rate"] == pytest.approx(50, rel=0.1)
    assert told["entry"]["link"] == {"tcp": f"127.0.0.1:{manages.port}", "data": f"127.0.0.1:{sends.port}"}
    assert told["entry"]["identity"] == "0GX00GP1"


@pytest.mark.parametrize(
    ("serve", "fault"),
    [
        (silent, "it takes the connection and is silent"),
        (hangs_up, "it takes the connection, says nothing and hangs up"),
        (garbage, "bytes of no frame"),
    ],
)
def test_who_is_no_device_is_told_in_plain_words(serve: Any, fault: str) -> None:
    with Server(serve) as server:
        code, told = probe(server.port, "--protocol", "gbt26865")
    assert code == 1
    [said] = faults(told)
    assert fault in said
    assert all(each["remedy"] for each in told["faults"])


def test_where_nothing_listens() -> None:
    port = free_port()
    code, told = probe(port)
    assert (code, faults(told)) == (1, [f"nothing listens at 127.0.0.1:{port}"])
    code, told = probe(port, "--udp", "--protocol", "c37118")
    assert (code, faults(told)) == (1, [f"nothing listens at 127.0.0.1:{port}"])


def test_what_is_no_place_is_told() -> None:
    done = CliRunner().invoke(make_app(["devices"]), ["devices", "probe", "127.0.0.1"])
    assert done.exit_code == 2
    assert "is not HOST:PORT" in done.output
    done = CliRunner().invoke(make_app(["devices"]), ["devices", "probe", "127.0.0.1:1", "--identity", "short"])
    assert done.exit_code == 2
    assert "8 characters or 16 hex digits" in done.output
