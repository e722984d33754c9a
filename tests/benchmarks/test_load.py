"""The C programs of the benchmarks: devices that our own codec understands, and who counts what they sent."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks._programs import Program, cpu, memory
from protocol.c37118 import Command, CommandCode, ConfigurationFrame, Splitter, compile_codec, encode_command, parse
from protocol.clock import SECOND

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="the programs are compiled with gcc"),
]
PERIOD = SECOND // 50
PATIENCE = 20.0


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(PATIENCE)
        yield door


def ask(end: socket.socket, splitter: Splitter, code: CommandCode) -> bytes:
    """The first frame of the answer."""
    end.settimeout(PATIENCE)
    end.sendall(encode_command(Command(stream=1, command=code)))
    while True:
        frames = list(splitter.feed(end.recv(65536)))
        if frames:
            return frames[0]


def read_to_the_end(end: socket.socket, splitter: Splitter) -> list[bytes]:
    frames: list[bytes] = []
    while chunk := end.recv(65536):
        frames += splitter.feed(chunk)
    return frames


@pytest.mark.parametrize("form", ["polar", "rectangular"])
def test_a_played_device_measures_on_the_grid(listener: socket.socket, form: str) -> None:
    host, port = listener.getsockname()
    options = ["--rectangular"] if form == "rectangular" else []
    with Program("load", "--to", f"{host}:{port}", "--devices", 1, "--seconds", 0.5, *options) as load:
        end, _ = listener.accept()
        with end:
            splitter = Splitter()
            short, long = (
                parse(ask(end, splitter, code))
                for code in (CommandCode.SEND_CONFIGURATION_2, CommandCode.SEND_CONFIGURATION_3)
            )
            assert isinstance(short, ConfigurationFrame)
            assert isinstance(long, ConfigurationFrame)
            end.sendall(encode_command(Command(stream=1, command=CommandCode.DATA_ON)))
            frames = read_to_the_end(end, splitter)
        said = load.end_by_itself(PATIENCE)
    assert said["last"]
    assert said["sent"] == [len(frames)]
    assert len(frames) > 10
    assert (short.kind, long.kind) == (2, 3)
    assert [each.name for each in short.stations[0].phasors] == [each.name for each in long.stations[0].phasors]
    assert short.data_size == 84
    batch = compile_codec(short).decode(b"".join(frames))
    steps = np.diff(batch.time)
    assert splitter.corrupt == splitter.skipped == 0
    assert (steps > 0).all()
    assert not (batch.time % PERIOD).any()
    assert abs(int(batch.time[-1]) - time.time_ns()) < PATIENCE * SECOND
    values = batch.stations[0].values
    assert values.shape[1] == 16
    assert np.abs(values[:, 0] - 50).max() < 0.2
    assert np.abs(values[:, 2] / 127017 - 1).max() < 0.05
    assert np.ptp(values[:, 2]) > 0
    turned = (values[:, 3] - values[:, 5]) % 360  # phase A is 120 degrees ahead of phase B
    assert np.abs(turned - 120).max() < 1


def test_the_least_receiver_counts_what_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with (
        Program("baseline", "--listen", port, "--frame", 84) as baseline,
        Program("load", "--to", f"127.0.0.1:{port}", "--devices", 20, "--seconds", 0.5) as load,
    ):
        said = load.end_by_itself(PATIENCE)
        used, held = cpu(baseline.pid), memory(baseline.pid)
        counted = baseline.end()
    assert counted["frames"] == counted["calls"] == said["total"] == sum(said["sent"]) > 0
    assert counted["connections"] == 20
    assert said["broken"] == 0
    assert used < PATIENCE
    assert 0 < held < 64 << 20


def test_dialling_tells_what_came_through() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with Program("baseline", "--listen", port, "--frame", 84):
        said: dict[str, float] = {}
        until = time.monotonic() + PATIENCE
        while not said.get("through") and time.monotonic() < until:  # it may not listen yet
            with Program("dial", "--to", f"127.0.0.1:{port}", "--connections", 300) as dial:
                said = dial.end_by_itself(PATIENCE)
    assert (said["through"], said["failed"]) == (300, 0)
    assert 0 < said["median_ms"] <= said["p99_ms"] <= 1000 * said["seconds"]
