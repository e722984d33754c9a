"""A real station under devices that mean harm, with four sound ones beside them: those notice nothing."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archive.reading import open_archive
from commands._account import accounted, frames
from commands._station import PrivateStation, free_port
from protocol.clock import MILLISECOND
from protocol.messages import Measurements
from tests import attackers
from tests.attackers import Attack

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(120)]

SECONDS = 3.5
"""Each round of attacks lasts so long."""
LATENCY = 500 * MILLISECOND
"""99 of 100 rows of sound devices arrive before that, also on a busy machine."""
GROWTH = 64 << 20
"""Bytes that a receiver may grow by."""
SOUND = range(1, 5)
"""Link numbers of the sound devices."""

ROUNDS: list[dict[int, Callable[[Attack], None]]] = [
    {11: attackers.garbage, 12: attackers.damaged, 13: attackers.sizes, 14: attackers.trickle, 15: attackers.headers,
     16: attackers.orders, 17: attackers.pieces},
    {21: attackers.many_stations, 22: attackers.names, 23: attackers.storm, 24: attackers.values, 25: attackers.back,
     26: attackers.leap, 27: attackers.standing},
    {31: attackers.fast, 32: attackers.many_streams, 33: attackers.deaf, 34: attackers.twins, 35: attackers.stranger},
    {41: attackers.crowd, 42: attackers.resets, 43: attackers.half},
]  # fmt: skip


def name_of(number: int) -> str:
    """In the site file, of an attacker."""
    (harm,) = (each[number] for each in ROUNDS if number in each)
    return f"Foe {harm.__name__}"


@dataclass
class Watched:
    """What was seen of the station."""

    counters: dict[str, float] = field(default_factory=dict)
    late: list[np.ndarray] = field(default_factory=list)
    """[n] ns between measurement and arrival, of the sound devices."""
    grown: list[int] = field(default_factory=list)
    sent: dict[int, int] = field(default_factory=dict)
    archived: dict[int, int] = field(default_factory=dict)
    books: dict[str, int] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    """Of devices and channels in the archive."""
    texts: set[str] = field(default_factory=set)
    register: int = 0

    def hear(self, word: Any) -> None:
        own = np.isin(word.device >> 16, SOUND)
        if own.any():
            self.late.append((word.arrival - word.time)[own])


def free_datagrams() -> int:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def site(port: int) -> dict[str, Any]:
    """Sound devices, and foes at addresses of their own; `port`: where the datagrams of one device are to come."""
    sound = [{"name": f"Sound {each}", "number": each, "stream": each, "address": "127.0.0.1"} for each in SOUND]
    foes = [
        {"name": name_of(each), "number": each, "stream": each, "address": "127.0.1.0/24"}
        for attacks in ROUNDS
        for each in attacks
    ]
    told = {
        "name": "Told",
        "number": 90,
        "stream": 90,
        "link": {"spontaneous": f"127.0.0.1:{port}", "source": "127.0.0.1"},
    }
    return {"station": "test", "unknown": "refuse", "devices": [*sound, *foes, told]}


def nodes(archive: Path, front: int) -> dict[str, dict[str, Any]]:
    """Limits so low that seconds are enough to reach them."""
    return {
        "sound": {"kind": "simulator", "to": "front", "devices": len(SOUND), "phasors": 1},
        "front": {
            "kind": "balancer",
            "listen": f"127.0.0.1:{front}",
            "connections": 300,
            "per_address": 100,
            "calls": "20/s",
        },
        "receivers": {"kind": "receiver", "from": "front", "copies": 2, "backlog": "2 s", "noise": "200 kB"},
        "archive": {"kind": "archiver", "from": "receivers", "path": str(archive)},
    }


def memory(station: PrivateStation) -> dict[str, int]:
    """RSS of the receivers, by name."""
    voices = station.board.voices.items()
    return {name: voice.last.memory for name, voice in voices if voice.last.kind == "receiver"}


def attacked(station: PrivateStation, attacks: list[Attack], watched: Watched) -> None:
    """A round: all of them at once, for some seconds."""
    before = memory(station)
    for attack in attacks:
        attack.start()
    try:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            station.wait(lambda _: time.monotonic() >= until, SECONDS)
            watched.texts.update(station.board.alarms(0.0))
    finally:
        for attack in attacks:
            attack.over.set()
        for attack in attacks:
            attack.stop()
    station.wait(lambda _: False, 1.5)
    after = memory(station)
    watched.texts.update(each.partition(": ")[2] for each in station.board.alarms(0.0))
    watched.grown.append(max(after[name] - before.get(name, after[name]) for name in after))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    folder = tmp_path_factory.mktemp("hostile")
    front, told = free_port(), free_datagrams()
    seen = Watched()
    with PrivateStation(nodes(folder, front), site(told), (Measurements.TAG,), seen.hear) as station:
        assert station.wait(lambda board: frames(board)["archived"] > 50 * len(SOUND), 30)
        for attacks in ROUNDS:
            made = [
                Attack(harm, number, told if harm is attackers.stranger else front) for number, harm in attacks.items()
            ]
            attacked(station, made, seen)
        station.stop("simulator")
        station.wait(lambda board: not frames(board)["pending"] and accounted(frames(board)), 10.0)
        seen.books = frames(station.board)
        seen.restarts = dict(station.board.restarts)
        for voice in station.board.voices.values():
            for name, count in voice.last.counters.items():
                if voice.last.kind in ("receiver", "balancer"):
                    seen.counters[name] = seen.counters.get(name, 0) + count
        [devices] = [each.last for each in station.board.voices.values() if each.last.kind == "simulator"]
        sent = devices.counts[:, devices.columns.index("sent")].astype(int).tolist()
        seen.sent = dict(zip((devices.devices >> 16).tolist(), sent, strict=True))
        station.stop()
    seen.register = (folder / "configurations.jsonl").stat().st_size
    _look_into_archive(folder, seen)
    return seen


def _look_into_archive(folder: Path, seen: Watched) -> None:
    with open_archive(folder) as found:
        for rows in found.rows():
            told = rows.configuration
            seen.names |= {told.name, *told.phasors, *told.analogs}
            link = told.device >> 16
            if link in SOUND:
                seen.archived[link] = seen.archived.get(link, 0) + len(np.unique(rows.time))


EXPECTED = [
    (attackers.garbage, "127.0.1.11: more than 200000 bytes of no use came (`noise`)"),
    (attackers.damaged, "Foe damaged: damaged frames"),
    (attackers.sizes, "Foe sizes: bytes that are of no frame"),
    (attackers.headers, "Foe headers: headers that nobody asked for"),
    (attackers.orders, "Foe orders: a frame of type 4 is not for us"),
    (attackers.pieces, "127.0.1.17: more than 200000 bytes of no use came (`noise`)"),
    (attackers.many_stations, "of 65535: name needs 16 bytes"),
    (attackers.storm, "Foe storm: tells other configurations too often (`configurations`)"),
    (attackers.values, "Foe values: values that are no numbers, said to be good"),
    (attackers.back, "Foe back: implausible times"),
    (attackers.leap, "Foe leap: implausible times"),
    (attackers.standing, "Foe standing: a time that does not move"),
    (attackers.fast, "Foe fast: DATA faster than `rate` allows, its configuration says 50/s"),
    (attackers.many_streams, "Foe many_streams: DATA of stream 1064 on a link of stream 32"),
    (attackers.twins, "Foe twins: 127.0.1.134 and 127.0.1.34 both send its IDCODE"),
    (attackers.stranger, "127.0.1.35: DATA of stream 35: no device of the site sends them from there"),
    (attackers.crowd, "127.0.1.41: more than 100 connections at once (`per_address`)"),
    (attackers.resets, "127.0.1.42: more than 20 calls a second (`calls`)"),
]


@pytest.mark.parametrize(("harm", "alarm"), [pytest.param(*each, id=each[0].__name__) for each in EXPECTED])
def test_an_alarm_names_who_does_harm(watched: Watched, harm: Callable[[Attack], None], alarm: str) -> None:
    assert [each for each in watched.texts if alarm in each], sorted(watched.texts)


@pytest.mark.parametrize(
    "counter",
    [
        "skipped_bytes",
        "corrupt",
        "headers",
        "configurations_refused",
        "over_rate",
        "strange_frames",
        "turned_away",
        "replaced",
    ],
)
def test_harm_is_counted(watched: Watched, counter: str) -> None:
    assert watched.counters[counter] > 0


def test_sound_devices_lose_nothing(watched: Watched) -> None:
    assert set(watched.sent) == set(SOUND)
    assert watched.archived == watched.sent


def test_sound_devices_are_not_kept_waiting(watched: Watched) -> None:
    assert np.percentile(np.concatenate(watched.late), 99) < LATENCY


def test_receivers_do_not_grow_and_do_not_fall(watched: Watched) -> None:
    assert max(watched.grown) < GROWTH
    assert watched.restarts == {}


def test_the_books_balance_and_the_disk_is_not_filled(watched: Watched) -> None:
    assert accounted(watched.books), watched.books
    assert watched.register < 100_000, "bytes of configurations"


def test_nobody_writes_to_our_terminal(watched: Watched) -> None:
    assert not [each for each in watched.texts if not each.isprintable()]
    assert all(name.isprintable() for name in watched.names)
    assert [name for name in watched.names if "owned" in name], "it was archived under what is left of its name"


@pytest.mark.slow
def test_ten_thousand_connections_that_say_nothing(tmp_path: Path) -> None:
    crowd = 10_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < crowd + 1000:
        pytest.skip(f"only {hard} open files are allowed here")
    front, seen = free_port(), Watched()
    wiring = nodes(tmp_path, front)
    wiring["front"] |= {"connections": 20_000, "per_address": 4000}
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (crowd + 1000, hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        station = stack.enter_context(PrivateStation(wiring, site(free_datagrams()), (Measurements.TAG,), seen.hear))
        assert station.wait(lambda board: frames(board)["archived"] > 50 * len(SOUND) and len(memory(station)) == 2, 30)
        before = memory(station)
        for number in range(crowd):
            end = stack.enter_context(socket.socket())
            end.bind((f"127.0.1.{number // 2500 + 1}", 0))
            end.connect(("127.0.0.1", front))
        assert station.wait(lambda board: board.total("balancer", "handed_over") >= crowd + len(SOUND), 20)
        station.wait(lambda _: False, SECONDS)
        grown = [after - before[name] for name, after in memory(station).items()]
        station.stop()
    assert max(grown) < GROWTH
    assert np.percentile(np.concatenate(seen.late), 99) < LATENCY
