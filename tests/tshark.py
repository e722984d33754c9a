"""tshark as a second opinion: its text (`tshark -V`) read back into values, and frames wrapped for it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from protocol.c37118 import Codec, ConfigurationFrame, DataFrame, StationRows, compile_codec, parse
from protocol.c37118.conversion import ABSENT
from protocol.c37118.decoding import signed_24
from tests import captures

PROTOCOL = "IEEE C37.118 Synchrophasor Protocol, "
PHASOR = re.compile(r'Phasor #\d+: "(.*)", *(\S+)([VA]) ∠ *(\S+)°')
FLAGS = {
    "Data error": 14,
    "Time synchronized": 13,
    "Data sorting": 12,
    "Trigger detected": 11,
    "Configuration changed": 10,
    "Data modified indicator": 9,
    "PMU Time Quality": 6,
    "Unlocked time": 4,
    "Trigger reason": 0,
}


@dataclass
class Station:
    """What tshark says of one station in a DATA frame."""

    name: str
    phasors: list[tuple[str, float, str, float]] = field(default_factory=list)
    """Name, magnitude, unit, degrees."""
    frequency: float = 0.0
    rocof: float = 0.0
    analogs: list[float] = field(default_factory=list)
    digital: list[int] = field(default_factory=list)
    status: int = 0


@dataclass
class Frame:
    """What tshark says of one frame."""

    kind: str
    good: bool
    """Checksum."""
    size: int = 0
    stream: int = 0
    check: str = ""
    quality: int = 0
    count: int = 0
    """FRACSEC, raw."""
    milliseconds: float = 0.0
    stations: list[Station] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def run(path: Path, *options: str) -> str:
    """`tshark -V` of a capture; the test is skipped where there is no tshark."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    done = subprocess.run(
        ["tshark", "-n", "-V", "-r", str(path), *options], capture_output=True, check=True, timeout=100
    )
    return done.stdout.decode("utf-8", "replace")


def write(path: Path, frames: Sequence[bytes]) -> None:
    """A capture with each frame in a UDP datagram of its own."""
    packets = [
        captures.ethernet(captures.ipv4("10.0.0.1", "10.0.0.2", 17, captures.udp(4713, 50_000, frame), ident=1 + k))
        for k, frame in enumerate(frames)
    ]
    path.write_bytes(captures.pcap((k * 1_000_000, packet) for k, packet in enumerate(packets)))


def read(text: str) -> list[Frame]:
    """The synchrophasor frames in a `tshark -V` text."""
    frames: list[Frame] = []
    for line in text.splitlines():
        if line.startswith(PROTOCOL):
            frames.append(Frame(line[len(PROTOCOL) :].rsplit(" [", 1)[0], line.endswith("[correct]")))
        elif line and not line.startswith(" "):
            frames.append(Frame("", False))
        elif frames:
            _line(frames[-1], line.strip(), line)
    return [frame for frame in frames if frame.kind]


def _line(frame: Frame, text: str, line: str) -> None:
    frame.lines.append(text)
    name, _, value = text.partition(": ")
    if name == "Framesize":
        frame.size = int(value.split()[0])
    elif name == "PMU/DC ID number (Stream source ID)":
        frame.stream = int(value)
    elif name == "Checksum":
        frame.check = value.split()[0]
    elif name == "Fraction of second (raw)":
        frame.count = int(value)
    elif name == "Fraction of second":
        frame.milliseconds = float(value)
    elif "Message Time Quality indicator code" in text:
        frame.quality = int(text.rsplit("(", 1)[1].rstrip(")"), 16)
    elif frame.kind == "Data Frame" and line.startswith("        Station: "):
        frame.stations.append(Station(value.strip('"').strip()))
    elif frame.stations:
        _value(frame.stations[-1], name, value, text)


def _value(station: Station, name: str, value: str, text: str) -> None:
    if match := PHASOR.match(text):
        station.phasors.append((match[1].strip(), float(match[2]), match[3], float(match[4])))
    elif name == "Frequency deviation from nominal":
        station.frequency = float(re.findall(r"frequency: (\S+)Hz", text)[0])
    elif name == "Actual frequency value":
        station.frequency = float(value)
    elif name == "Rate of change of frequency":
        station.rocof = float(value.removesuffix("Hz/s"))
    elif name.startswith("Analog value #"):
        raw, *factor = value.rsplit('", ', 1)[1].split(" (conversion factor: ")
        scale = signed_24(int(factor[0].rstrip(")"), 16)) if factor else 1
        station.analogs.append(float(raw) * (scale or 1))
    elif name.startswith("Digital status word #"):
        station.digital.append(int(value, 16))
    elif " = " in name and name.rsplit(" = ", 1)[1] in FLAGS:
        bits, flag = name.rsplit(" = ", 1)
        used = [bit for bit in bits if bit in "01"]
        station.status |= int("".join(used), 2) << FLAGS[flag]


def compare(said: Sequence[Frame], frames: Sequence[bytes]) -> int:
    """Check every DATA frame that tshark decoded against our own decoding; how many were compared."""
    by_check = {(frame[-2:].hex(), frame[11:14].hex(), len(frame)): frame for frame in frames}
    codecs = dict(_codecs(frames))
    compared = 0
    for each in said:
        assert each.good, each.lines
        frame = by_check[each.check.removeprefix("0x"), f"{each.count:06x}", each.size]
        if isinstance(parse(frame), DataFrame) and each.stations:
            _compare(each, frame, codecs[each.stream, each.size])
            compared += 1
    return compared


def _codecs(frames: Sequence[bytes]) -> Iterator[tuple[tuple[int, int], Codec]]:
    for frame in frames:
        cfg = parse(frame)
        if isinstance(cfg, ConfigurationFrame):
            yield (cfg.stream, cfg.data_size), compile_codec(cfg)


def _compare(said: Frame, frame: bytes, codec: Codec) -> None:
    batch = codec.decode([frame])
    own = int(batch.time[0] - batch.snapped[0]) % 1_000_000_000 / 1e6
    assert own == pytest.approx(said.milliseconds, abs=0.51 if said.milliseconds.is_integer() else 6e-4)
    assert batch.quality[0] & 15 == said.quality
    assert len(said.stations) == len(batch.stations)
    for place, (station, rows) in enumerate(zip(said.stations, batch.stations, strict=True)):
        configured = codec.cfg.stations[place]
        if station.name.isascii():
            assert station.name == configured.name
        assert station.status == rows.status[0]
        assert [(name, unit) for name, _, unit, _ in station.phasors if name.isascii()] == [
            (phasor.name, phasor.unit) for phasor in configured.phasors if phasor.name.isascii()
        ]
        compare_values(station, rows)


def compare_values(station: Station, rows: StationRows) -> None:
    """Within what tshark prints: three decimals, six digits of a float."""
    values = rows.values[0].astype(float)
    if np.isnan(values).all():
        assert station.status >> 14 == ABSENT  # tshark prints the marker of absent values as a number
        return
    end = 2 + 2 * len(station.phasors)
    assert values[0] == pytest.approx(station.frequency, abs=5.1e-4, rel=1e-5)
    assert values[1] == pytest.approx(station.rocof, abs=5.1e-4, rel=1e-5)
    for (_, magnitude, _, angle), ours, turn in zip(station.phasors, values[2:end:2], values[3:end:2], strict=True):
        assert ours == pytest.approx(magnitude, abs=5.1e-4, rel=2e-7)
        assert (turn - angle + 180) % 360 - 180 == pytest.approx(0, abs=6e-4)
    np.testing.assert_allclose(values[end:], station.analogs, rtol=1e-5, atol=5.1e-4)
    assert rows.digital[0].tolist() == station.digital
