"""Connections that are not one device that answers: several streams on one; one that says all and is gone."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from archive.reading import open_archive
from commands._account import accounted, frames
from commands._station import PrivateStation, free_port
from protocol.c37118 import Command, ConfigurationFrame, Splitter, parse
from tests.scenes import configuration, data, told

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]
FRAMES = 150
SENT = FRAMES * 3 + 1


class Device:
    """Dials the station; answers each stream's questions; once told to send, sends all streams, frame by frame."""

    def __init__(self, port: int, streams: list[ConfigurationFrame]) -> None:
        self.streams = {cfg.stream: cfg for cfg in streams}
        self.asked: Counter[tuple[int, int]] = Counter()
        """(IDCODE, command) -> how often."""
        self._end = socket.create_connection(("127.0.0.1", port))
        self._thread = Thread(target=self._serve)

    def _serve(self) -> None:
        splitter = Splitter()
        begun = False
        while chunk := self._end.recv(4096):
            for frame in splitter.feed(chunk):
                said = parse(frame)
                assert isinstance(said, Command)
                self.asked[said.stream, said.command] += 1
                if said.command in (5, 6) and said.stream in self.streams:
                    self._end.sendall(told(self.streams[said.stream]))
                elif said.command == 2 and not begun:
                    begun = True
                    self._end.sendall(b"".join(self._frames()))

    def _frames(self) -> Iterator[bytes]:
        for number in range(FRAMES):
            for cfg in self.streams.values():
                yield data(cfg, 1, first=number)[0]
            if number == FRAMES // 2:
                yield data(configuration(99), 1)[0]

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._end.shutdown(socket.SHUT_RDWR)
            self._thread.join()
            self._end.close()


@pytest.mark.parametrize("listed", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["listed", "admitted"])
def test_every_stream_is_a_link_of_its_own(tmp_path: Path, listed: bool) -> None:
    port = free_port()
    nodes = {
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{port}"},
        "receivers": {"kind": "receiver", "from": "front", "copies": 1},
        "archive": {"kind": "archiver", "from": "receivers", "path": str(tmp_path)},
    }
    devices = [{"name": f"Stream {number}", "number": number, "stream": number} for number in (1, 2, 3)]
    site = {"station": "test", "unknown": "refuse", "devices": devices} if listed else {"unknown": "admit"}
    streams = [configuration(number, phasors=number, stations=number, name=f"S{number}") for number in (1, 2, 3)]
    with PrivateStation(nodes, {"station": "test"} | site) as station:
        device = Device(port, streams)
        with device.running():
            wanted = SENT - 1  # the lone frame waits for others of its stream until the end
            assert station.wait(lambda board: frames(board)["archived"] >= wanted, 30), frames(station.board)
        assert station.wait(lambda board: frames(board)["refused"] == 1, 10), frames(station.board)
        station.stop()
        counts = frames(station.board)
    assert (counts["received"], counts["archived"], counts["refused"]) == (SENT, SENT - 1, 1)
    assert accounted(counts)
    assert not any(stream == 99 for stream, _ in device.asked)
    assert [device.asked[number, 1] for number in (1, 2, 3)] == [1, 0, 0], "what comes already is not told to stop"
    with open_archive(tmp_path) as found:
        rows: Counter[tuple[int, str]] = Counter()
        for block in found.rows():
            rows[block.configuration.stream, block.configuration.name] += len(block.time)
    assert rows == {(number, f"S{number} {'ABC'[place]}"): FRAMES for number in (1, 2, 3) for place in range(number)}


@pytest.mark.slow
def test_a_device_that_says_all_and_is_gone(tmp_path: Path) -> None:
    """A recording sent by hand: nobody answers us, and the connection is closed before we know whose it is."""
    port = free_port()
    nodes = {
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{port}"},
        "receivers": {"kind": "receiver", "from": "front", "copies": 2},
        "archive": {"kind": "archiver", "from": "receivers", "path": str(tmp_path)},
    }
    cfg = configuration(7, stations=2)
    with PrivateStation(nodes, {"station": "test", "unknown": "admit"}) as station:
        for number in range(5):
            with socket.create_connection(("127.0.0.1", port)) as end:
                end.sendall(told(cfg) + b"".join(data(cfg, 40, first=40 * number)))
                end.shutdown(socket.SHUT_WR)
                while end.recv(4096):
                    pass
        assert station.wait(lambda board: frames(board)["archived"] >= 200, 30), frames(station.board)
        station.stop()
        counts = frames(station.board)
    assert (counts["received"], counts["archived"], counts["refused"]) == (200, 200, 0)
    assert accounted(counts)
