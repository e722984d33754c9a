"""A station's output stream, archived by a second station over TCP, TLS and UDP; openssl, tshark, pyPMU read it too."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archive.reading import open_archive
from commands._account import accounted, frames
from commands._station import PrivateStation, free_port
from console.board import Board
from protocol.c37118 import ConfigurationFrame, Splitter, compile_codec, frame_type, parse, sound
from protocol.clock import SECOND
from tests import tshark
from tests.authorities import Authority, Issued
from tests.scenes import command

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(180)]

PATIENCE = 40.0
ENOUGH = 80
"""Frames that openssl is to get."""
STREAM, SINGLE = 700, 701
Columns = dict[tuple[str, str], dict[int, float]]
"""(station, channel) -> time -> value"""
WAYS = {"tcp": 1, "tls": 2, "udp": 3}
DEVICES = ["SIM 00001", "SIM 00002", "SIM 00051"]


@dataclass
class Story:
    """What came of it all."""

    here: Columns = field(default_factory=dict)
    """In the first archive."""
    there: dict[int, Columns] = field(default_factory=dict)
    """In the second archive, by way."""
    counts: dict[str, int] = field(default_factory=dict)
    """Books of the second station."""
    publisher: dict[str, Any] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    openssl: list[bytes] = field(default_factory=list)
    """Frames that it got."""
    refused: dict[str, list[bytes]] = field(default_factory=dict)
    """What those got who were not to be let in."""
    pypmu: dict[str, Any] = field(default_factory=dict)
    killed_at: int = 0
    """ns UTC: the publisher."""
    troubles: list[str] = field(default_factory=list)


class Scene:
    """Ports, certificates, both pipelines."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plain, self.secure, self.single, self.udp = (free_port() for _ in range(4))
        self.authority, self.other = Authority(folder, "authority"), Authority(folder, "other")
        self.mine = self.authority.issue("sender.example")
        self.theirs = self.authority.issue("receiver.example")

    def sender(self) -> dict[str, Any]:
        # Waits that no machine is too busy for: nobody is to be absent.
        stream = {
            "kind": "publisher",
            "from": "align",
            "gather": "1500 ms",
            "calls": "50/s",
            "per_address": 32,
            "wait": "2 s",
        }
        return {
            "wide": {"kind": "simulator", "devices": 2, "phasors": 3, "analogs": 1, "to": "front"},
            "narrow": {"kind": "simulator", "devices": 1, "first": 51, "phasors": 1, "format": 0, "to": "front"},
            "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}", "gather": "1 s"},
            "receivers": {"kind": "receiver", "from": "front"},
            "archive": {"kind": "archiver", "from": "receivers", "path": str(self.folder / "sender")},
            "align": {"kind": "concentrator", "from": "receivers", "wait": "1 s"},
            "upstream": stream | {
                "idcode": STREAM, "listen": f"127.0.0.1:{self.plain}", "listen_tls": f"127.0.0.1:{self.secure}",
                "tls": self.authority.files(self.mine) | {"handshake": "2 s"}, "names": ["receiver.example"],
                "udp": [f"127.0.0.1:{self.udp}"], "announce": "1 s",
            },
            "single": stream | {
                "idcode": SINGLE, "listen": f"127.0.0.1:{self.single}", "devices": ["SIM 00001"], "rate": "10/s",
                "version": 1, "format": {"polar": False, "frequency": "int"},
            },
        }  # fmt: skip

    def receiver(self) -> dict[str, Any]:
        tls = self.authority.files(self.theirs)
        return {
            "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}", "tls": tls, "gather": "1 s"},
            "receivers": {"kind": "receiver", "from": "front"},
            "archive": {"kind": "archiver", "from": "receivers", "path": str(self.folder / "receiver")},
        }

    def site(self) -> dict[str, Any]:
        links: dict[str, dict[str, Any]] = {
            "tcp": {"tcp": f"127.0.0.1:{self.plain}"},
            "tls": {"tcp": f"127.0.0.1:{self.secure}", "tls": {"name": "sender.example"}},
            "udp": {"spontaneous": f"127.0.0.1:{self.udp}"},
        }
        devices = [{"name": way, "number": n, "stream": STREAM, "link": links[way]} for way, n in WAYS.items()]
        return {"station": "upper", "devices": devices}


def values(folder: Path) -> dict[int, Columns]:
    """By link."""
    found: dict[int, Columns] = {}
    with open_archive(folder) as archive:
        for rows in archive.rows():
            cfg, link = rows.configuration, rows.configuration.device >> 16
            table = found.setdefault(link, {})
            phasors = [f"{name} {part}" for name in cfg.phasors for part in ("magnitude", "angle")]
            names = ["frequency", "rocof", *phasors, *cfg.analogs]
            for k, name in enumerate(names):
                column = table.setdefault((cfg.name, name), {})
                column.update(zip(rows.time.tolist(), rows.values[:, k].tolist(), strict=True))
            status = table.setdefault((cfg.name, "status"), {})
            status.update(zip(rows.time.tolist(), rows.status.tolist(), strict=True))
    return found


def client(scene: Scene, issued: Issued | None) -> list[bytes]:
    """Frames that `openssl s_client` gets which asks for the configuration and for DATA: some, or none if it is hung up
    on."""
    words = ["openssl", "s_client", "-connect", f"127.0.0.1:{scene.secure}", "-quiet", "-verify_quiet"]
    words += ["-CAfile", str(scene.authority.certificate), "-verify_return_error", "-verify_hostname", "sender.example"]
    if issued:
        words += ["-cert", str(issued.certificate), "-key", str(issued.key)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(command(STREAM, 5) + command(STREAM, 2))
        came, splitter, until = list[bytes](), Splitter(), time.monotonic() + PATIENCE
        while len(came) < ENOUGH:
            assert select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))[0]
            data = process.stdout.read(65536)
            if not data:
                break
            came += splitter.feed(data)
        process.kill()
    return came


def by_way(board: Board) -> dict[int, float]:
    """Link -> rows archived of its stations."""
    found = dict.fromkeys(WAYS.values(), 0.0)
    for row in board.devices():
        found[row["link"]] += row["counts"].get("archived", 0)
    return found


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    told = Story()
    scene = Scene(tmp_path_factory.mktemp("output"))
    site = {"station": "lower", "unknown": "admit", "devices": []}
    with PrivateStation(scene.sender(), site) as lower:

        def tells(board: Any) -> bool:
            streams = [board.voices.get(name) for name in ("upstream", "single")]
            return all(each and each.last.counters["stations"] for each in streams)

        with PrivateStation(scene.receiver(), scene.site()) as upper:  # it starts while the streams begin
            assert lower.wait(tells, PATIENCE), lower.board.alarms(0.0)
            assert upper.wait(lambda board: min(by_way(board).values()) > 150, PATIENCE), upper.board.alarms(0.0)
            told.openssl = client(scene, scene.theirs)
            told.refused = {
                "none": client(scene, None),
                "of another authority": client(scene, scene.other.issue("receiver.example")),
                "of another name": client(scene, scene.authority.issue("somebody.example")),
            }
            words = [sys.executable, "-m", "tests.pypmu", "client", str(scene.single), "15"]
            told.pypmu = json.loads(subprocess.run(words, capture_output=True, timeout=PATIENCE, check=True).stdout)
            lower.settle()
            health = lower.board.voices["upstream"].last
            told.publisher, told.alarms = dict(health.counters), list(health.alarms)
            told.killed_at = time.time_ns()
            os.kill(lower.board.voices["upstream"].last.pid, signal.SIGKILL)
            assert lower.wait(lambda board: board.restarts.get("upstream") == 1 and tells(board), PATIENCE)
            upper.settle()
            before = by_way(upper.board)
            assert upper.wait(lambda board: all(by_way(board)[n] > before[n] + 300 for n in before), PATIENCE), (
                before,
                by_way(upper.board),
                upper.board.alarms(0.0),
                lower.board.alarms(0.0),
            )
            lower.stop("simulator")
            upper.settle()
            upper.stop()
            told.counts = frames(upper.board)
            told.troubles = upper.troubles()
        lower.stop()
        told.troubles += lower.troubles()
    told.here = {key: column for table in values(scene.folder / "sender").values() for key, column in table.items()}
    told.there = values(scene.folder / "receiver")
    return told


@pytest.mark.parametrize("way", WAYS)
def test_the_next_station_archives_what_this_one_does(story: Story, way: str) -> None:
    theirs = story.there[WAYS[way]]
    assert set(theirs) == set(story.here)
    for key, column in theirs.items():
        ours = story.here[key]
        times = [time for time in column if time in ours and np.isfinite(column[time])]
        assert len(times) > 100, key
        got, sent = np.array([column[time] for time in times]), np.array([ours[time] for time in times])
        if key[1] == "status":
            assert set((got.astype(int) & ~0x01C0).tolist()) <= {0, 0x0400}
        elif key[1].endswith("angle"):
            np.testing.assert_allclose((got - sent + 180) % 360 - 180, 0, atol=2e-5)
        else:
            np.testing.assert_array_equal(got, sent)


@pytest.mark.parametrize("way", ["tcp", "tls"])
def test_no_instant_is_missing_in_between(story: Story, way: str) -> None:
    for name in DEVICES:
        times = sorted(story.there[WAYS[way]][name, "frequency"])
        early = [time for time in times if time < story.killed_at - 5 * SECOND]
        assert set(np.diff(early)) == {20_000_000}
        assert times[-1] > story.killed_at + SECOND, "dialled anew after the publisher was killed"


def test_the_books_of_the_next_station_balance(story: Story) -> None:
    assert accounted(story.counts), story.counts
    assert story.counts["corrupt"] == story.counts["refused"] == story.counts["duplicate"] == 0


def test_openssl_gets_the_stream(story: Story) -> None:
    cfg = next(each for frame in story.openssl if isinstance(each := parse(frame), ConfigurationFrame))
    data = [frame for frame in story.openssl if frame_type(frame) == 0]
    assert all(sound(frame) for frame in story.openssl)
    assert len(data) > 50
    batch = compile_codec(cfg).decode(data)
    assert set(np.diff(batch.time)) == {20_000_000}
    stations = {station.name: rows for station, rows in zip(cfg.stations, batch.stations, strict=True)}
    assert set(stations) == set(DEVICES)
    for name, rows in stations.items():
        sent = [story.here[name, "frequency"][time] for time in batch.time.tolist()]
        np.testing.assert_array_equal(rows.values[:, 0], np.array(sent, np.float32))


@pytest.mark.parametrize("who", ["none", "of another authority", "of another name"])
def test_who_has_no_certificate_that_counts_gets_nothing(story: Story, who: str) -> None:
    assert story.refused[who] == []


def test_who_was_refused_is_named(story: Story) -> None:
    alarms = "\n".join(story.alarms)
    for words in ("it shows no certificate", "unable to get local issuer certificate",
                  "its certificate is issued to somebody.example, which is not in `names`"):  # fmt: skip
        assert words in alarms


def test_tshark_reads_it_without_a_complaint(story: Story, tmp_path: Path) -> None:
    path = tmp_path / "stream.pcap"
    tshark.write(path, story.openssl)
    text = tshark.run(path)
    said = tshark.read(text)
    assert "Malformed" not in text
    assert tshark.compare(said, story.openssl) == len(story.openssl) - 1


def test_pypmu_reads_one_device_at_a_lower_rate_in_the_edition_of_2005(story: Story) -> None:
    said = story.pypmu
    assert "lower: single" in said["header"]
    assert (said["station"].strip(), said["rate"]) == ("SIM 00001", 10)
    assert len(said["data"]) == 15
    for each in said["data"]:
        at = round(each["time"] * 10) * 100_000_000
        [seen] = each["measurements"]
        assert seen["stat"] == "ok"
        assert seen["frequency"] == pytest.approx(story.here["SIM 00001", "frequency"][at], abs=1e-3)
        magnitudes = [story.here["SIM 00001", f"{name} magnitude"][at] for name in ("VA", "VB", "VC")]
        np.testing.assert_allclose([abs(complex(*phasor)) for phasor in seen["phasors"]], magnitudes, rtol=1e-6)


def test_the_publisher_counts(story: Story) -> None:
    counters = story.publisher
    assert counters["stations"] == 3
    assert counters["frames"] > 300
    assert counters["client_frames"] >= 2 * len(story.there[1][DEVICES[0], "frequency"]) * 0.5
    assert counters["cut"] == 3, "those who were refused"
    assert counters["late"] == counters["lost"] == counters["datagrams_dropped"] == 0


def test_nobody_had_a_fault(story: Story) -> None:
    assert [each for each in story.troubles if not each.startswith("upstream")] == []
