"""Captures of every kind through the real commands: what `syms try` archives is what `syms decode` prints.

Each run of a station costs seconds, so many devices with many troubles share a capture (`tests/crowds.py`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from commands.app import make_app
from protocol.c37118 import Batch
from protocol.c37118.offline import examine
from protocol.capture import parse
from tests import crowds, scenes, tshark
from tests.captures import Records, cooked, enhanced, interface, pcap, section
from tests.scenes import configuration, data, told

pytestmark = pytest.mark.system

HEADER = "time_ns,stream,station_id,station,quantity,name,value"
SHARES = ("archived", "aside", "duplicate", "corrupt", "refused", "lost", "pending")


def syms(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """A command, as a person gives it."""
    command = [sys.executable, "-m", "commands", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def decoded(capture: Path) -> Counter[str]:
    """Rows that decoding a capture prints."""
    done = syms("decode", capture, "--format", "csv")
    assert done.returncode == 0, done.stderr
    header, *rows = done.stdout.splitlines()
    assert header == HEADER
    return Counter(rows)


@dataclass
class Trial:
    """What became of a capture."""

    summary: dict[str, Any]
    rows: Counter[str]
    """Without the column `aside`."""
    aside: Counter[tuple[str, str]]
    """(stream, reason) of the rows set aside, in rows of a station."""

    @property
    def frames(self) -> dict[str, int]:
        frames: dict[str, int] = self.summary["frames"]
        return frames


def tried(capture: Path, out: Path) -> Trial:
    """`syms try` and `syms export`."""
    done = syms("try", capture, "--out", out, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    exported = syms("export", out, "--format", "csv")
    assert exported.returncode == 0, exported.stderr
    header, *lines = exported.stdout.splitlines()
    aside: Counter[tuple[str, str]] = Counter()
    if header == f"{HEADER},aside":
        pairs = [line.rsplit(",", 1) for line in lines]
        aside.update((row.split(",")[1], reason) for row, reason in pairs if reason and ",status,," in row)
        lines = [row for row, _ in pairs]
    else:
        assert header == HEADER
    return Trial(json.loads(done.stdout), Counter(lines), aside)


def balanced(trial: Trial) -> None:
    """Every frame is in the books, once."""
    frames = trial.frames
    assert frames["sent"] == frames["received"] == sum(frames[share] for share in SHARES)
    assert frames["lost"] == frames["pending"] == 0
    assert trial.summary["troubles"] == []


def written(folder: Path, records: Records) -> Path:
    path = folder / "capture.pcap"
    path.write_bytes(pcap(records))
    return path


@pytest.mark.slow
def test_shapes_formats_rates_and_names(tmp_path: Path) -> None:
    capture = written(tmp_path, crowds.formats().ordered())
    rows, trial = decoded(capture), tried(capture, tmp_path / "out")
    balanced(trial)
    assert trial.rows == rows
    study = examine(parse(capture.read_bytes()))
    assert trial.frames["archived"] == sum(len(sender.in_force) for sender in study.senders) == trial.frames["sent"]
    stations = {row.split(",", 3)[3].split(",status,")[0] for row in rows if ",status,," in row}
    assert {'"a,b"', '"say ""x"""', "both ends", "twolines", "nul", "Umspannwerk Süd", "北京站"} <= stations


@pytest.mark.slow
def test_troubles_on_the_way(tmp_path: Path) -> None:
    capture = written(tmp_path, crowds.troubles().ordered())
    rows, trial = decoded(capture), tried(capture, tmp_path / "out")
    balanced(trial)
    assert trial.rows == rows
    streams = {trouble.__name__: str(600 + number) for number, trouble in enumerate(crowds.TROUBLES)}
    asides = Counter(dict(trial.aside))
    assert asides[streams["stale"], "implausible_time"] == 3
    assert asides[streams["too_many"], "place_taken"] == 24  # of 50 in 26 places
    assert asides[streams["clock_back"], "place_taken"] == 10
    assert not [key for key in asides if key[0] in (streams["stale_copy"], streams["twice"], streams["changed"])]
    assert trial.frames["duplicate"] > 40
    assert trial.frames["refused"] == 4


@pytest.mark.slow
def test_ways_to_send(tmp_path: Path) -> None:
    capture = written(tmp_path, crowds.ways().ordered())
    rows, trial = decoded(capture), tried(capture, tmp_path / "out")
    balanced(trial)
    assert trial.rows == rows
    assert not trial.aside
    assert trial.frames["duplicate"] == 15
    assert trial.summary["unplayed"] == 5


@pytest.mark.slow
def test_a_file_of_one_stream(tmp_path: Path) -> None:
    """Raw bytes have no times of their own; commands of the master stand between."""
    cfg = configuration(7, stations=2)
    frames = data(cfg, 50)
    capture = tmp_path / "stream.PmuCapture"
    mixed = [scenes.command(7, 5), *frames[:5], told(cfg), scenes.command(7, 2), *frames[5:], b"\xaa\x01", frames[0]]
    capture.write_bytes(b"\x00" + b"".join(mixed))
    rows, trial = decoded(capture), tried(capture, tmp_path / "out")
    balanced(trial)
    assert trial.rows == rows
    assert (trial.frames["archived"], trial.frames["duplicate"]) == (50, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"GET / HTTP/1.1\r\n\r\n", "looks like HTTP"),
        (pcap([]), "without TCP or UDP traffic"),
        (scenes.command(7, 2) * 2, "no DATA frames"),
        (told(configuration(7)), "no DATA frames"),
        (b"".join(data(configuration(7), 3)), "3 DATA frames, and no configuration"),
    ],
    ids=["empty", "http", "no traffic", "commands", "configuration", "no configuration"],
)
def test_nothing_to_play_is_said_at_once(content: bytes, message: str, tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    capture.write_bytes(content)
    done = CliRunner().invoke(make_app(["try_"]), ["try", str(capture), "--out", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 1
    assert message in done.stderr
    assert not done.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("crowd", [crowds.formats, crowds.troubles, crowds.ways])
def test_other_files_of_the_same_packets_say_the_same(crowd: Any, tmp_path: Path) -> None:
    records = crowd().ordered()
    rows = decoded(written(tmp_path, records))
    other = tmp_path / "other.pcapng"
    packets = [enhanced(time, cooked(packet)) for time, packet in records]
    other.write_bytes(section() + interface(113, 9) + b"".join(packets))
    assert decoded(other) == rows


@pytest.mark.parametrize("crowd", [crowds.formats, crowds.ways])
def test_tshark_sees_the_same(crowd: Any, tmp_path: Path) -> None:
    """DATA frames that tshark can read: not those before their configuration; and markers it shows as numbers."""
    capture = written(tmp_path, crowd().ordered())
    said = tshark.read(tshark.run(capture, "-d", "udp.port==4713,synphasor", "-d", "tcp.port==4712-4721,synphasor"))
    study = examine(parse(capture.read_bytes()))
    ours: dict[tuple[int, int, str], Batch] = {}
    for part in study.decode(block=1):
        frame = part.sender.pieces[part.pieces[0]].frame
        ours[part.configuration.stream, int.from_bytes(frame[11:14], "big"), frame[-2:].hex()] = part.batch
    compared, odd = 0, set()
    for each in (frame for frame in said if frame.good and frame.stations):
        batch = ours.get((each.stream, each.count, each.check.removeprefix("0x")))
        if batch is None:
            odd.add(each.stream)
            continue
        for theirs, rows in zip(each.stations, batch.stations, strict=True):
            if np.isfinite(rows.values).all():
                tshark.compare_values(theirs, rows)
                compared += 1
    assert compared > 200
    # A name of two lines breaks its text; of two frames in a datagram it shows the first's time, the last's check.
    assert odd <= {402, 832}


@pytest.mark.slow
def test_a_large_capture(tmp_path: Path) -> None:
    crowd = crowds.Crowd()
    for number in range(20):
        cfg = configuration(100 + number, stations=2, name=f"Large {number}")
        crowd.device(cfg, data(cfg, 10_000))
    capture = written(tmp_path, crowd.ordered())
    trial = tried(capture, tmp_path / "out")
    balanced(trial)
    assert trial.frames["archived"] == 200_000
    assert trial.rows == decoded(capture)
