"""pipelines/mixed.yaml as it is shipped: devices of every protocol; its output stream, read by the next station."""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from archive.reading import open_archive
from commands._account import accounted, frames
from commands._station import PrivateStation
from console.board import Board
from protocol.c37118 import ConfigurationFrame, Splitter, frame_type, parse
from protocol.messages import Spectrum, Table
from tests import tshark
from tests.scenes import command

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0
STATIONS = 62
"""In the output stream: all links, of which two are one device with another."""
SECOND = 1_000_000_000
VOLTS, HERTZ = 10.0, 1e-3
"""What a bit of the output stream means: the devices' own PHUNIT is 3 V and less, mHz."""


@dataclass
class Story:
    """What was seen."""

    here: dict[str, int] = field(default_factory=dict)
    there: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    alarms: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    merged: float = 0.0
    kept_away: float = 0.0
    frames: list[bytes] = field(default_factory=list)
    """Of the output stream, as a client over TCP got them."""
    relayed: list[bytes] = field(default_factory=list)
    tables: dict[str, Table] = field(default_factory=dict)
    kept: dict[tuple[str, str], dict[int, float]] = field(default_factory=dict)
    """(link, channel) -> time -> value, as this station archived it"""
    told: dict[tuple[str, str], dict[int, float]] = field(default_factory=dict)
    """(station, channel), as the next one did"""
    names: dict[str, str] = field(default_factory=dict)
    """Link -> station"""
    minutes: int = 0


def moved(text: str, base: int) -> str:
    """The same with other ports: 47xxx becomes base + xxx."""
    return re.sub(r"(127\.0\.\d+\.\d+):47(\d\d\d)", lambda found: f"{found[1]}:{base + int(found[2])}", text)


def free_base() -> int:
    """Where the ports of the pipeline are free."""
    for base in range(20_000, 31_000, 500):
        try:
            for offset in (0, 120, 121, 122, 123, 124, 130, *range(200, 205), *range(300, 305)):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", base + offset))
        except OSError:
            continue
        return base
    raise AssertionError("no ports are free")


def shipped(name: str, base: int, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Nodes and site of a pipeline."""
    wiring = yaml.safe_load(moved((ROOT / "pipelines" / f"{name}.yaml").read_text(), base))
    site = yaml.safe_load(moved((ROOT / "config" / f"{name}-site.yaml").read_text(), base))
    for node in wiring["nodes"].values():
        if node["kind"] == "archiver":
            node["path"] = str(folder / name)
    return wiring["nodes"], site


def client(port: int, stream: int, enough: int) -> list[bytes]:
    """A client's frames: the configuration and so many DATA."""
    came, splitter, until = list[bytes](), Splitter(), time.monotonic() + PATIENCE
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as end:
        end.sendall(command(stream, 5) + command(stream, 2))
        while len(came) < enough:
            assert select.select([end], [], [], max(0.0, until - time.monotonic()))[0]
            came += splitter.feed(end.recv(65536))
    return came


def counter(board: Board, process: str, name: str) -> float:
    voice = board.voices.get(process)
    return voice.last.counters.get(name, 0.0) if voice else 0.0


def rows(folder: Path) -> Iterator[tuple[str, str, str, dict[int, float]]]:
    """(link, station, channel, values) of frequencies and voltages."""
    with open_archive(folder) as found:
        for each in found.rows():
            cfg = each.configuration
            for name, column in (("frequency", 0), *((name, 2 + 2 * k) for k, name in enumerate(cfg.phasors[:3]))):
                pairs = zip(each.time.tolist(), each.values[:, column].tolist(), strict=True)
                yield cfg.link, cfg.name, name, dict(pairs)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    told, folder, base = Story(), tmp_path_factory.mktemp("mixed"), free_base()
    with PrivateStation(*shipped("mixed", base, folder)) as lower:
        assert lower.wait(lambda board: counter(board, "upstream", "stations") == STATIONS - 2, PATIENCE)
        with PrivateStation(*shipped("mixed-upstream", base, folder)) as upper:
            assert upper.wait(lambda board: frames(board)["archived"] > 300, PATIENCE), upper.board.alarms(0.0)
            told.frames = client(base + 122, 700, 100)
            told.relayed = client(base + 123, 3, 50)
            assert lower.wait(lambda board: counter(board, "archive", "statistics") > 0, PATIENCE)
            lower.stop("simulator")
            assert lower.wait(lambda board: accounted(frames(board)), PATIENCE)
            lower.settle()
            told.alarms = list(lower.board.voices["align"].last.alarms)
            told.merged = counter(lower.board, "align", "redundant")
            told.kept_away = counter(lower.board, "align", "clock_off")
            upper.settle()
            upper.stop()
            told.there, told.troubles = frames(upper.board), upper.troubles()
        lower.stop()
        told.here, told.sent = frames(lower.board), frames(lower.board)["sent"]
        told.troubles += lower.troubles()
    _read(told, folder)
    return told


def _read(told: Story, folder: Path) -> None:
    with open_archive(folder / "mixed") as found:
        for held in found.configurations.values():
            told.tables |= {each.name: Table(*each.table) for each in held}
        told.minutes = len(found.statistics()["device"])
    for link, station, name, values in rows(folder / "mixed"):
        if not told.tables[station].spectrum:
            told.names[link] = station
            told.kept.setdefault((link, name), {}).update(values)
    for _, station, name, values in rows(folder / "mixed-upstream"):
        told.told.setdefault((station, name), {}).update(values)


def test_every_frame_is_archived_once_at_both_stations(story: Story) -> None:
    assert story.here["archived"] == story.here["received"] == story.sent
    assert story.there["archived"] == story.there["received"] > 0
    for counts in (story.here, story.there):
        assert counts["corrupt"] == counts["refused"] == counts["lost"] == counts["duplicate"] == 0


def test_what_the_next_station_reads_is_what_was_measured(story: Story) -> None:
    """Within a bit of the format; of redundant streams either; who has a wrong clock is absent."""
    compared = 0
    for (link, name), kept in story.kept.items():
        station = story.names[link]
        told = story.told[station, name]
        times = [at for at in told if at in kept and np.isfinite(told[at])]
        if link == "PMU 20":
            assert not times
            continue
        if "backup" in link or f"{link} backup" in story.names:
            continue  # see below
        assert len(times) > 100, (link, name)
        bit = HERTZ if name == "frequency" else VOLTS
        off = [abs(told[at] - kept[at]) for at in times]
        assert max(off) <= 0.501 * bit, (link, name)
        compared += len(times)
    assert compared > 50_000


def test_redundant_streams_are_one_device(story: Story) -> None:
    assert story.merged > 100
    for link in ("PMU 01", "PMU 02"):
        told = story.told[story.names[link], "VA"]
        either = [story.kept[each, "VA"] for each in (link, f"{link} backup")]
        times = [at for at in told if np.isfinite(told[at]) and all(at in kept for kept in either)]
        assert len(times) > 100
        for at in times:
            assert min(abs(told[at] - kept[at]) for kept in either) <= 0.501 * VOLTS


def test_a_wrong_clock_is_kept_away_and_named(story: Story) -> None:
    assert any("SIM 00020" in alarm and "clock" in alarm for alarm in story.alarms)
    assert story.kept_away > 100


def test_spectra_are_archived_on_their_own_grid(story: Story) -> None:
    kinds = [table.spectrum for table in story.tables.values()]
    assert kinds.count(Spectrum.HARMONICS) == 10
    assert kinds.count(Spectrum.INTERHARMONICS) == 20
    rates = {table.rate for table in story.tables.values() if not table.spectrum}
    assert rates == {50, 100}


def test_tshark_reads_the_stream_without_a_complaint(story: Story, tmp_path: Path) -> None:
    path = tmp_path / "stream.pcap"
    tshark.write(path, story.frames[:60])
    text = tshark.run(path)
    assert "Malformed" not in text
    assert tshark.compare(tshark.read(text), story.frames[:60]) >= 55


def test_a_relay_passes_the_frames_of_one_device_on(story: Story) -> None:
    cfg = next(each for frame in story.relayed if isinstance(each := parse(frame), ConfigurationFrame))
    assert [station.name for station in cfg.stations] == ["SIM 00003"]
    assert sum(frame_type(frame) == 0 for frame in story.relayed) > 40


def test_a_minute_has_a_row_for_each_device(story: Story) -> None:
    assert story.minutes >= 90


def test_nobody_had_a_fault(story: Story) -> None:
    assert story.troubles == []
