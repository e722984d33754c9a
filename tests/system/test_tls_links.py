"""Devices under TLS at a whole station, with openssl at the other end; and who is not let in."""

from __future__ import annotations

import os
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archive.reading import open_archive
from commands._account import accounted, frames
from commands._station import PrivateStation, free_port
from console.board import Board
from tests.authorities import ENDED, Authority
from tests.tlsdevices import TlsDevice, answers, dials

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

PATIENCE = 40.0
CALLER, DIALLED, PLAIN, GUARDED, WRONG = 71, 72, 73, 74, 75


@dataclass
class Story:
    """What came of it all."""

    sent: dict[int, list[int]] = field(default_factory=dict)
    archived: dict[int, list[int]] = field(default_factory=dict)
    """Times by IDCODE."""
    counts: dict[str, int] = field(default_factory=dict)
    plain_connects: int = 0
    connects: dict[int, int] = field(default_factory=dict)
    killed: str = ""
    carriers: dict[int, str] = field(default_factory=dict)
    """IDCODE -> its receiver before the kill."""
    restarts: dict[str, int] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    """Of the balancer, before the kill."""
    failed: int = 0
    sent_at_kill: int = 0
    """Frames of the one that was cut off."""
    logs: dict[str, str] = field(default_factory=dict)


class Scene:
    """Certificates, ports, site and pipeline."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.secure = folder, free_port(), free_port()
        self.dialled, self.wrong = free_port(), free_port()
        self.authority, self.other = Authority(folder, "authority"), Authority(folder, "other")
        self.tls = self.authority.files(self.authority.issue("station.example")) | {"handshake": "1500 ms"}

    def nodes(self) -> dict[str, Any]:
        front = {"kind": "balancer", "listen": f"127.0.0.1:{self.port}", "listen_tls": f"127.0.0.1:{self.secure}"}
        return {
            "plain": {"kind": "simulator", "first": PLAIN, "devices": 1, "phasors": 1, "to": "front"},
            "front": front | {"tls": self.tls},
            "receivers": {"kind": "receiver", "from": "front", "copies": 2},
            "archive": {"kind": "archiver", "from": "receivers", "path": str(self.folder / "data")},
        }

    def site(self) -> dict[str, Any]:
        def link(port: int, name: str) -> dict[str, Any]:
            return {"tcp": f"127.0.0.1:{port}", "tls": {"name": name}}

        ways: dict[int, dict[str, Any]] = {
            CALLER: {"certificate": "caller.example"},
            DIALLED: {"link": link(self.dialled, "dialled.example")},
            PLAIN: {},
            GUARDED: {"certificate": "guarded.example"},
            WRONG: {"link": link(self.wrong, "right.example")},
        }
        devices = [{"name": f"Device {n}", "number": n, "stream": n, **way} for n, way in ways.items()]
        return {"station": "test", "unknown": "refuse", "devices": devices}

    def good(self) -> dict[int, TlsDevice]:
        caller, dialled = self.authority.issue("caller.example"), self.authority.issue("dialled.example")
        return {
            CALLER: dials(CALLER, self.secure, self.authority, caller),
            DIALLED: answers(DIALLED, self.dialled, self.authority, dialled),
        }

    def bad(self) -> list[TlsDevice]:
        authority = self.authority
        shown = {
            "none": None,
            "of another authority": self.other.issue("guarded.example"),
            "ended": authority.issue("guarded.example", days=ENDED),
            "another device's": authority.issue("other.example"),
            "a device's that is there": authority.issue("caller.example"),
        }
        callers = [dials(GUARDED, self.secure, authority, issued) for issued in shown.values()]
        return [*callers, answers(WRONG, self.wrong, authority, authority.issue("wrong.example"))]


@contextmanager
def running(devices: list[TlsDevice]) -> Iterator[None]:
    for device in devices:
        device.start()
    try:
        yield
    finally:
        for device in devices:
            device.stop()


def received(board: Board, stream: int) -> float:
    return sum(row["counts"].get("receiver_received", 0) for row in board.devices() if row["link"] == stream)


def carrier(board: Board, stream: int) -> str:
    """The receiver that has this device."""
    for name, voice in board.voices.items():
        health = voice.last
        if health.kind == "receiver" and health.columns:
            for device, counts in zip(health.devices, health.counts, strict=True):
                if int(device) >> 16 == stream and counts[health.columns.index("connected")]:
                    return name
    return ""


REFUSED = (
    "TLS: it shows no certificate",
    "TLS: its certificate does not count: unable to get local issuer certificate",
    "TLS: its certificate does not count: certificate has expired",
    "stream 74 from 127.0.0.1: its certificate is of other.example, the site file wants another",
    "stream 74 from 127.0.0.1: its certificate is of caller.example, the site file wants another",
    "stream 74 from 127.0.0.1: it shows no certificate, the site file wants another",
    "TLS: what it sends is no TLS",
    "TLS: no handshake in time",
    "not valid for 'right.example'",
)


def all_refused(board: Board) -> bool:
    voice = board.voices.get("front")
    return voice is not None and all(any(why in alarm for alarm in voice.last.alarms) for why in REFUSED)


def intrude(scene: Scene, station: PrivateStation, told: Story) -> None:
    """Everybody who is not to be let in tries."""
    plain = TlsDevice(GUARDED, ["openssl", "version"])
    plain.command = ["python3", "-c", RELAY, str(scene.port)]
    with running([*scene.bad(), plain]), socket.create_connection(("127.0.0.1", scene.secure)) as garbage:
        garbage.sendall(b"\xaa\x01" * 100)
        with socket.create_connection(("127.0.0.1", scene.secure)) as silent:
            silent.sendall(b"\x16\x03\x01")
            station.wait(all_refused, PATIENCE)
        health = station.board.voices["front"].last
        told.alarms, told.failed = list(health.alarms), int(health.counters["tls_refused"])


RELAY = """
import socket, sys, threading, os
end = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def up():
    while data := os.read(0, 4096):
        end.sendall(data)
threading.Thread(target=up, daemon=True).start()
while data := end.recv(4096):
    os.write(1, data)
"""
"""A device's link in the clear, in the place of openssl."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    told = Story()
    scene = Scene(tmp_path_factory.mktemp("tls"))
    good = scene.good()
    with PrivateStation(scene.nodes(), scene.site()) as station, running(list(good.values())):
        board = station.board

        def flows(more: int = 50) -> bool:
            before = {stream: received(board, stream) for stream in (CALLER, DIALLED, PLAIN)}
            return station.wait(
                lambda board: all(received(board, each) >= before[each] + more for each in before), PATIENCE
            )

        assert flows(), board.alarms(0.0)
        intrude(scene, station, told)
        assert flows(), board.alarms(0.0)
        told.carriers = {stream: carrier(board, stream) for stream in (CALLER, DIALLED, PLAIN)}
        told.killed = told.carriers[CALLER]
        told.sent_at_kill = len(good[CALLER].sent)
        os.kill(board.voices[told.killed].last.pid, signal.SIGKILL)
        assert station.wait(lambda board: board.restarts.get(told.killed, 0) == 1, PATIENCE)
        assert flows(), board.alarms(0.0)
        told.connects = {stream: device.connects for stream, device in good.items()}
        for device in good.values():
            device.quiet.set()
        station.stop("simulator")
        station.wait(lambda board: frames(board)["pending"] == 0, 5.0)
        station.listen(2.0)
        station.stop()
        told.counts, told.restarts = frames(board), dict(board.restarts)
        told.plain_connects = int(board.voices["plain"].last.counters["connects"])
        told.logs = {process: station.log(process).read_text() for process in board.processes}
    told.sent = {stream: device.sent for stream, device in good.items()}
    with open_archive(scene.folder / "data") as found:
        for rows in found.rows():
            told.archived.setdefault(rows.configuration.stream, []).extend(np.asarray(rows.time).tolist())
    return told


def test_everything_of_an_undisturbed_link_is_archived_once(story: Story) -> None:
    """Both links, up to the kill."""
    cut = set(story.sent[CALLER][: story.sent_at_kill - 5])
    assert len(cut) > 100
    assert cut <= set(story.archived[CALLER])
    for stream in (CALLER, DIALLED):
        assert max(Counter(story.archived[stream]).values()) == 1
        assert set(story.archived[stream]) <= set(story.sent[stream])


def test_a_link_under_tls_ends_with_its_receiver_and_loses_little(story: Story) -> None:
    """What the kernel had taken for the receiver that died; the device dials anew and goes on."""
    lost = set(story.sent[CALLER]) - set(story.archived[CALLER])
    assert len(lost) <= 25  # half a second of frames: a tick, and what came until the device heard of it
    assert story.connects[CALLER] == 2
    assert story.restarts == {story.killed: 1}
    after = [time for time in story.archived[CALLER] if time > story.sent[CALLER][story.sent_at_kill]]
    assert len(after) >= 45


def test_another_link_under_tls_is_undisturbed(story: Story) -> None:
    if story.carriers[DIALLED] == story.killed:
        assert story.connects[DIALLED] == 2
    else:
        assert story.connects[DIALLED] == 1
        assert sorted(story.archived[DIALLED]) == story.sent[DIALLED]


def test_links_in_the_clear_beside_it_are_undisturbed(story: Story) -> None:
    assert story.plain_connects == 1
    assert len(story.archived[PLAIN]) == len(set(story.archived[PLAIN])) > 150


def test_the_books_balance(story: Story) -> None:
    assert accounted(story.counts), story.counts
    assert story.counts["archived"] == sum(map(len, story.archived.values()))


@pytest.mark.parametrize("why", REFUSED)
def test_who_is_not_let_in_is_named(story: Story, why: str) -> None:
    assert [alarm for alarm in story.alarms if why in alarm], story.alarms


def test_failed_handshakes_are_counted(story: Story) -> None:
    assert story.failed >= 6


def test_nothing_of_who_is_not_let_in_is_archived(story: Story) -> None:
    assert set(story.archived) == {CALLER, DIALLED, PLAIN}


def test_nobody_had_a_fault(story: Story) -> None:
    assert [name for name, text in story.logs.items() if "Traceback" in text or "[error" in text] == []
