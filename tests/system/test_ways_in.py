"""Every way in, and what goes wrong on it: real stations, simulated devices, exact books."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
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
from nodes.simulator import CATCH_UP
from protocol.clock import MILLISECOND, SECOND
from protocol.messages import Configuration, Snapshots

PERIOD = 20 * MILLISECOND
pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
PATIENCE = 40.0
GROUP = "239.77.1.1"
CONFIGURATION_CHANGED = 0x0400


# ── helpers ─────────────────────────────────────────────────────────────────────────────────────────────────


def free_datagram_port() -> int:
    """A UDP port that nobody uses at the moment."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("0.0.0.0", 0))
        port: int = probe.getsockname()[1]
        return port


def simulator(first: int, devices: int = 1, **settings: Any) -> dict[str, Any]:
    """Devices with few channels, IDCODEs from `first` on; they dial the station unless told otherwise."""
    reached = {} if settings.get("listen") else {"to": "front"}
    return {"kind": "simulator", "first": first, "devices": devices, "phasors": 1} | reached | settings


def pipeline(archive: Path, **others: dict[str, Any]) -> dict[str, Any]:
    """Balancer, two receivers, archive, and others."""
    return others | {
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}"},
        "receivers": {"kind": "receiver", "from": "front", "copies": 2},
        "archive": {"kind": "archiver", "from": "receivers", "path": str(archive)},
    }


def site(unknown: str, *devices: tuple[str, int, Any]) -> dict[str, Any]:
    """Devices as (name, stream, link), numbered 1, 2, …"""
    listed = [
        {"name": name, "number": number, "stream": stream, "link": link}
        for number, (name, stream, link) in enumerate(devices, 1)
    ]
    return {"station": "test", "unknown": unknown, "devices": listed}


@contextmanager
def sender(port: int, first: int, devices: int, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`syms simulate`: devices that send unasked, for two seconds; it ends by itself."""
    command = [sys.executable, "-m", "commands", "simulate", "--mode", "spontaneous", "--phasors", "1", "--json"]
    command += ["--first", str(first), "--devices", str(devices), "--duration", "2 s", "--source", "127.0.0.1"]
    command += options or ("--to", f"127.0.0.1:{port}")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE)


def sent_by(process: subprocess.Popen[str]) -> dict[int, int]:
    """Frames by IDCODE that a `syms simulate` said it has sent."""
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    return {int(each["device"].split()[1]): int(each["sent"]) for each in json.loads(out)["devices"]}


@dataclass
class Outcome:
    """What a station of the tests ended with."""

    sent: dict[int, int]
    """Frames by IDCODE of the stream, as the devices counted."""
    counts: dict[str, int]
    """The books."""
    alarms: list[str]
    """The last ones while the devices sent."""
    board: Board
    troubles: list[str]
    rows: dict[str, list[tuple[Configuration, np.ndarray, np.ndarray]]] = field(default_factory=dict)
    """Link -> configuration, times and STAT of its rows, each configuration's in order of time."""

    def archived(self) -> dict[int, int]:
        """Rows of first stations by IDCODE of the stream."""
        held: Counter[int] = Counter()
        for configuration, times, _ in (each for rows in self.rows.values() for each in rows):
            if configuration.device % 65536 == 0:
                held[configuration.stream] += len(np.unique(times))
        return dict(held)

    def times(self, link: str) -> np.ndarray:
        return np.sort(np.concatenate([times for _, times, _ in self.rows[link]]))


def own_sent(board: Board) -> dict[int, int]:
    """Frames by IDCODE that the simulators of the pipeline say they have sent."""
    said = [voice.last for voice in board.voices.values() if voice.last.kind == "simulator"]
    return {
        int(device) // 65536: int(counts[health.columns.index("sent")])
        for health in said
        for device, counts in zip(health.devices, health.counts, strict=True)
    }


def run(
    station: PrivateStation,
    archive: Path,
    enough: Callable[[Board], bool],
    others: Callable[[], dict[int, int]] = dict,
) -> Outcome:
    """Stream until it is enough, stop the devices, drain, stop all; `others` are what devices elsewhere have sent."""
    assert station.wait(enough, PATIENCE), [own_sent(station.board), station.board.alarms(0.0)]
    alarms = [alarm for voice in station.board.voices.values() for alarm in voice.last.alarms]
    elsewhere = others()
    station.stop("simulator")

    def all_there(board: Board) -> bool:
        counts = frames(board)
        total = counts["sent"] + sum(elsewhere.values())
        return counts["received"] == total and not counts["pending"] and accounted(counts)

    drained = station.wait(all_there, 10.0)
    station.stop()
    counts = frames(station.board)
    sent = own_sent(station.board) | elsewhere
    assert drained, (sent, counts, station.board.devices())
    outcome = Outcome(sent, counts, alarms, station.board, station.troubles())
    with open_archive(archive) as found:
        for rows in found.rows():
            outcome.rows.setdefault(rows.configuration.link, []).append((rows.configuration, rows.time, rows.status))
    return outcome


def streamed(least: int, *streams: int) -> Callable[[Board], bool]:
    """Whether each of these devices has sent so many frames."""
    return lambda board: all(own_sent(board).get(stream, 0) >= least for stream in streams)


# ── every way in ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One station that devices reach in every way; it admits one that dials in and is not listed."""
    archive = tmp_path_factory.mktemp("ways") / "data"
    tcp, split, asked = free_port(), free_port(), free_datagram_port()
    data, told, grouped = free_datagram_port(), free_datagram_port(), free_datagram_port()
    listed = site(
        "admit",
        ("Caller A", 11, "dials_in"),
        ("Caller B", 12, "dials_in"),
        ("Dialled", 21, {"tcp": f"127.0.0.1:{tcp}"}),
        ("Split A", 31, {"tcp": f"127.0.0.2:{split}", "udp": data}),
        ("Split B", 32, {"tcp": f"127.0.0.3:{split}", "udp": data}),
        ("Asked", 41, {"udp": f"127.0.0.1:{asked}"}),
        ("Told A", 51, {"spontaneous": f"127.0.0.1:{told}"}),
        ("Told B", 52, {"spontaneous": f"127.0.0.1:{told}", "source": "127.0.0.1"}),
        ("Grouped", 61, {"spontaneous": f"127.0.0.1:{grouped}", "group": GROUP}),
    )
    nodes = pipeline(
        archive,
        callers=simulator(11, 2, stations=2),
        guest=simulator(15),
        dialled=simulator(21, mode="listens", listen=f"127.0.0.1:{tcp}"),
        split_a=simulator(31, mode="tcp_udp", listen=f"127.0.0.2:{split}", data_port=data),
        split_b=simulator(32, mode="tcp_udp", listen=f"127.0.0.3:{split}", data_port=data),
        asked=simulator(41, mode="udp", listen=f"127.0.0.1:{asked}"),
    )
    with (
        PrivateStation(nodes, listed) as station,
        sender(told, 51, 2) as unicast,
        sender(grouped, 61, 1, "--to", f"{GROUP}:{grouped}") as multicast,
    ):
        enough = streamed(100, 11, 12, 15, 21, 31, 32, 41)
        return run(station, archive, enough, lambda: sent_by(unicast) | sent_by(multicast))


def test_every_frame_sent_is_archived_once(ways: Outcome) -> None:
    assert ways.troubles == []
    total = sum(ways.sent.values())
    nothing = dict.fromkeys(("late", "duplicate", "corrupt", "refused", "aside", "lost", "pending"), 0)
    assert ways.counts == {"sent": ways.counts["sent"], "received": total, "archived": total, **nothing}


@pytest.mark.parametrize(
    ("stream", "name"),
    [
        pytest.param(11, "Caller A", id="the device dials us"),
        pytest.param(12, "Caller B", id="the device dials us, another"),
        pytest.param(15, "127.0.0.1/15", id="not listed but admitted"),
        pytest.param(21, "Dialled", id="we dial the device"),
        pytest.param(31, "Split A", id="TCP commands, UDP data"),
        pytest.param(32, "Split B", id="TCP commands, UDP data to the same port"),
        pytest.param(41, "Asked", id="UDP commands and data"),
        pytest.param(51, "Told A", id="spontaneous unicast"),
        pytest.param(52, "Told B", id="spontaneous unicast, another by one port"),
        pytest.param(61, "Grouped", id="spontaneous multicast"),
    ],
)
def test_the_archive_has_what_the_device_sent_under_its_name(ways: Outcome, stream: int, name: str) -> None:
    assert ways.sent[stream] >= 90
    assert ways.archived()[stream] == ways.sent[stream]
    stations = {(each.stream, each.name) for each, _, _ in ways.rows[name]}
    parts = [" 1", " 2"] if stream in (11, 12) else [""]
    assert stations == {(stream, f"SIM {stream:05d}{part}") for part in parts}
    steps = np.diff(np.unique(ways.times(name)))
    assert not (steps % PERIOD).any()
    assert (steps[steps != PERIOD] > CATCH_UP).all()  # a simulator that stood still leaves out what is older


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────────────────

REFUSED = {
    201: "stream 201 from 127.0.0.1: not in the site file",
    202: "Other at 127.0.0.1: says stream 202, the site file stream 203",
    204: "Other split at 127.0.0.1: says stream 204, the site file stream 205",
    302: "stream 302 from 127.0.0.1: not in the site file",
}
"""Stream -> what the station says of it."""


def refused(alarms: list[str]) -> set[int]:
    """Streams that are named as refused."""
    said = [alarm for alarm in alarms if " refused " in f" {alarm}"]
    return {stream for stream, words in REFUSED.items() if any(alarm.endswith(words) for alarm in said)}


@pytest.fixture(scope="module")
def trouble(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One station that admits nobody, with devices of its own that go wrong and strangers of every kind."""
    archive = tmp_path_factory.mktemp("trouble") / "data"
    tcp, split, told = free_port(), free_port(), free_datagram_port()
    listed = site(
        "refuse",
        ("Sound", 101, "dials_in"),
        ("Noisy", 111, "dials_in"),
        ("Broken", 112, "dials_in"),
        ("Again", 113, "dials_in"),
        ("Renamed", 114, "dials_in"),
        ("Other", 203, {"tcp": f"127.0.0.1:{tcp}"}),
        ("Other split", 205, {"tcp": f"127.0.0.1:{split}", "udp": free_datagram_port()}),
        ("Told", 301, {"spontaneous": f"127.0.0.1:{told}"}),
    )
    nodes = pipeline(
        archive,
        sound=simulator(101),
        noisy=simulator(111, faults=[{"kind": "garbage", "every": "200 ms"}]),
        broken=simulator(112, faults=[{"kind": "bad_crc", "every": "200 ms"}]),
        again=simulator(113, faults=[{"kind": "reconnect", "every": "1 s", "length": "60 ms"}]),
        renamed=simulator(114, faults=[{"kind": "reconfigure", "every": "2500 ms"}]),
        stranger=simulator(201),
        other=simulator(202, mode="listens", listen=f"127.0.0.1:{tcp}"),
        other_split=simulator(204, mode="tcp_udp", listen=f"127.0.0.1:{split}", data_port=free_datagram_port()),
    )
    with PrivateStation(nodes, listed) as station, sender(told, 301, 2) as unicast:
        streaming = streamed(180, 101, 111, 112, 113, 114)

        def enough(board: Board) -> bool:
            return streaming(board) and refused(board.alarms(0.0)) == set(REFUSED)

        return run(station, archive, enough, lambda: sent_by(unicast))


def total(outcome: Outcome, counter: str) -> int:
    return int(outcome.board.total("simulator", counter))


@pytest.mark.slow
def test_the_books_of_damaged_and_refused_frames_balance(trouble: Outcome) -> None:
    assert trouble.troubles == []
    damaged, strange = total(trouble, "damaged"), trouble.sent[302]
    assert damaged >= 10
    counts = trouble.counts
    assert counts["received"] == sum(trouble.sent.values())
    assert counts["archived"] == counts["received"] - damaged - strange
    assert (counts["corrupt"], counts["refused"]) == (damaged, strange)
    assert (counts["duplicate"], counts["aside"], counts["lost"]) == (0, 0, 0)


@pytest.mark.slow
def test_garbage_between_frames_costs_none(trouble: Outcome) -> None:
    assert trouble.archived()[111] == trouble.sent[111]
    assert int(trouble.board.total("receiver", "skipped_bytes")) > 0


@pytest.mark.slow
def test_a_bad_check_word_costs_that_frame_only(trouble: Outcome) -> None:
    assert trouble.archived()[112] == trouble.sent[112] - total(trouble, "damaged")


@pytest.mark.slow
def test_a_device_that_reconnects_loses_nothing_that_it_sent(trouble: Outcome) -> None:
    assert trouble.board.voices["again"].last.counters["connects"] >= 3
    assert trouble.archived()[113] == trouble.sent[113]


@pytest.mark.slow
def test_a_changed_configuration_holds_for_the_rows_after_it(trouble: Outcome) -> None:
    """The device announces it in STAT; rows are of the old one until the device has told the new one."""
    former, latter = (
        (np.concatenate([times for each, times, _ in trouble.rows["Renamed"] if each.name == name]),
         np.concatenate([status for each, _, status in trouble.rows["Renamed"] if each.name == name]))
        for name in ("SIM 00114", "SIM 00114 v2")
    )  # fmt: skip
    assert {each.name for each, _, _ in trouble.rows["Renamed"]} == {"SIM 00114", "SIM 00114 v2"}
    assert len(former[0]) + len(latter[0]) == trouble.sent[114]
    assert former[0].max() < latter[0].min()
    assert (latter[1] & CONFIGURATION_CHANGED).all()
    unknowing = np.count_nonzero(former[1] & CONFIGURATION_CHANGED)
    assert unknowing <= 25  # half a second to notice, to ask, and to be told


@pytest.mark.slow
@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(201, id="an unlisted caller"),
        pytest.param(202, id="wrong IDCODE over TCP"),
        pytest.param(204, id="wrong IDCODE, UDP data"),
        pytest.param(302, id="an unlisted sender of datagrams"),
    ],
)
def test_who_is_not_in_the_site_file_is_refused_and_named(trouble: Outcome, stream: int) -> None:
    assert stream in refused(trouble.alarms)
    assert stream not in trouble.archived()
    if stream != 302:  # which nobody can hinder
        assert trouble.sent[stream] == 0


# ── a wrong clock ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_a_wrong_clock_neither_delays_nor_poisons_the_others(tmp_path: Path) -> None:
    archive = tmp_path / "data"
    behind = {"kind": "wrong_clock", "device": 4, "offset": "-30 s"}
    ahead = {"kind": "wrong_clock", "device": 5, "offset": "30 s"}
    nodes = pipeline(archive, devices=simulator(1, 5, faults=[behind, ahead]))
    nodes["align"] = {"kind": "concentrator", "from": "receivers", "wait": "1 s"}
    released: list[Snapshots] = []
    """Since both are marked."""

    def marked(board: Board) -> bool:
        voice = board.voices.get("align")
        return voice is not None and sum("its clock is" in alarm for alarm in voice.last.alarms) == 2

    def hear(snapshots: Snapshots) -> None:
        if marked(station.board) and sum(len(each.slot) for each in released) < 100:
            released.append(snapshots)

    admitting = {"station": "test", "unknown": "admit"}
    with PrivateStation(nodes, admitting, (Snapshots.TAG,), hear) as station:  # type: ignore[attr-defined]
        outcome = run(station, archive, lambda _: sum(len(each.slot) for each in released) >= 100)
    assert outcome.troubles == []
    assert outcome.counts["archived"] == sum(outcome.sent.values())
    assert outcome.archived() == outcome.sent

    # Marked: which, and since then no slot waited for one of them or holds its values.
    assert sorted(alarm.split()[1] for alarm in outcome.alarms if "its clock is" in alarm) == ["00004", "00005"]
    assert np.median(np.concatenate([each.latency for each in released])) < 500 * MILLISECOND
    number = {each.stream: each.device for rows in outcome.rows.values() for each, _, _ in rows}
    for snapshots in released:
        here = dict(zip(snapshots.device.tolist(), snapshots.present.T.tolist(), strict=True))
        assert not any(sum(here.get(number[stream], [])) for stream in (4, 5))
        assert all(all(here[number[stream]]) for stream in (1, 2, 3))
    align = outcome.board.voices["align"].last
    late = dict(zip(align.labels, align.counts[:, align.columns.index("late")].tolist(), strict=True))
    assert [late[f"SIM {stream:05d}"] for stream in (1, 2, 3)] == [0, 0, 0]

    # Archived at their own times.
    right = set(outcome.times("127.0.0.1/1").tolist())
    for stream, off in ((4, -30 * SECOND), (5, 30 * SECOND)):
        own = {time - off for time in outcome.times(f"127.0.0.1/{stream}").tolist()}
        assert len(own ^ right) <= 25  # what one of the two sent before the other was asked to


# ── a balancer that dies ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_a_killed_balancer_costs_nothing_however_a_device_is_reached(tmp_path: Path) -> None:
    archive = tmp_path / "data"
    tcp, asked, told = free_port(), free_datagram_port(), free_datagram_port()
    split, data = free_port(), free_datagram_port()
    listed = site(
        "refuse",
        ("Caller", 11, "dials_in"),
        ("Dialled", 21, {"tcp": f"127.0.0.1:{tcp}"}),
        ("Split", 31, {"tcp": f"127.0.0.1:{split}", "udp": data}),
        ("Asked", 41, {"udp": f"127.0.0.1:{asked}"}),
        ("Told", 51, {"spontaneous": f"127.0.0.1:{told}"}),
        ("Newcomer", 61, "dials_in"),
    )
    nodes = pipeline(
        archive,
        caller=simulator(11),
        dialled=simulator(21, mode="listens", listen=f"127.0.0.1:{tcp}"),
        split=simulator(31, mode="tcp_udp", listen=f"127.0.0.1:{split}", data_port=data),
        asked=simulator(41, mode="udp", listen=f"127.0.0.1:{asked}"),
        newcomer=simulator(61, faults=[{"kind": "reconnect", "every": "500 ms", "length": "60 ms"}]),
    )

    def said(board: Board, process: str, counter: str) -> float:
        return board.voices[process].last.counters.get(counter, 0.0)

    with PrivateStation(nodes, listed) as station, sender(told, 51, 1) as unicast:
        assert station.wait(streamed(50, 11, 21, 31, 41, 61), PATIENCE)
        os.kill(station.board.voices["front"].last.pid, signal.SIGKILL)
        assert station.wait(lambda board: board.restarts.get("front") == 1, PATIENCE)
        before, connects = own_sent(station.board), said(station.board, "newcomer", "connects")
        more = lambda board: all(own_sent(board)[each] >= before[each] + 50 for each in before)  # noqa: E731
        assert station.wait(more, PATIENCE), (before, own_sent(station.board))
        assert station.wait(lambda board: said(board, "front", "brought_back") >= 5, PATIENCE)
        strangers = sent_by(unicast)
        station.stop("simulator")
        station.listen(2.0)  # a commit, and a word about it
        station.stop()
        board = station.board
    assert board.restarts == {"front": 1}
    assert {each: said(board, each, "connects") for each in ("caller", "dialled", "split", "asked")} == {
        "caller": 1, "dialled": 1, "split": 1, "asked": 1,
    }  # fmt: skip
    assert said(board, "newcomer", "connects") > connects
    counts, sent = frames(board), own_sent(board) | strangers
    assert accounted(counts)
    assert (counts["pending"], counts["duplicate"], counts["lost"], counts["refused"]) == (0, 0, 0, 0)
    with open_archive(archive) as found:
        held = {rows.configuration.stream: 0 for rows in found.rows()}
        for rows in found.rows():
            held[rows.configuration.stream] += len(rows.time)
    assert held == sent
