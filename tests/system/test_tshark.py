"""tshark, a decoder of others, reads what we send without a complaint and finds the values we meant."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from protocol.c37118 import (
    Command,
    ConfigurationFrame,
    HeaderFrame,
    Splitter,
    compile_codec,
    encode_command,
    encode_configuration,
    encode_data,
    encode_header,
    fractions,
)
from protocol.capture.reading import read
from protocol.clock import SECOND, slot_time
from tests import tshark
from tests.protocol.c37118 import strategies as make

pytestmark = pytest.mark.system

Read = tuple[list[tshark.Frame], list[bytes]]
COMPLAINTS = ("Malformed", "Warning", "Error", "incorrect", "exceeds", "undecoded")


def frames_of(cfg: ConfigurationFrame, kind: int, count: int = 5) -> list[bytes]:
    """A configuration and some DATA of it."""
    codec = compile_codec(cfg)
    times = slot_time(1_700_000_000 * cfg.rate + np.arange(count, dtype=np.int64), cfg.rate)
    data = encode_data(codec, make.rows(codec, count), *fractions(times, cfg.time_base))
    return [*encode_configuration(cfg, kind), *data]


def judged(folder: Path, frames: list[bytes]) -> tuple[list[tshark.Frame], str]:
    path = folder / "sent.pcap"
    tshark.write(path, frames)
    text = tshark.run(path)
    said = tshark.read(text)
    assert len(said) == len(frames)
    assert all(frame.good for frame in said)
    complaints = [line for line in text.splitlines() if any(word in line for word in COMPLAINTS)]
    assert not [line for line in complaints if "Data error" not in line and "PMU error" not in line]
    return said, text


FORMATS = list(itertools.product((2, 3), range(16)))
"""(kind of configuration, FORMAT)"""


@pytest.fixture(scope="module")
def every_format(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, int], Read]:
    """All in one capture, since tshark takes long to start: what it says, and the frames."""
    sent = {}
    for kind, form in FORMATS:
        cfg = make.configuration(form, kind=kind, version=2)
        station = cfg.stations[0]
        cfg = replace(cfg, stations=(station, replace(station, name="Station B", idcode=62, nominal=60)))
        sent[kind, form] = frames_of(cfg, kind)
    said, _ = judged(tmp_path_factory.mktemp("formats"), [frame for frames in sent.values() for frame in frames])
    rest = iter(said)
    return {key: (list(itertools.islice(rest, len(frames))), frames) for key, frames in sent.items()}


@pytest.mark.parametrize(("kind", "form"), FORMATS)
def test_every_format(every_format: dict[tuple[int, int], Read], kind: int, form: int) -> None:
    assert tshark.compare(*every_format[kind, form]) == 5


def test_every_other_frame(tmp_path: Path) -> None:
    cfg = make.configuration()
    frames = [
        *(encode_command(Command(stream=60, soc=1_700_000_000, command=code)) for code in range(1, 7)),
        encode_command(Command(stream=60, command=8, extended=b"\x12\x34")),
        encode_header(HeaderFrame(stream=60, text="some words")),
        *encode_configuration(cfg, 1),
        *encode_configuration(cfg, 2),
    ]
    said, text = judged(tmp_path, frames)
    assert [frame.kind for frame in said] == [
        *["Command Frame"] * 7,
        "Header Frame",
        "Configuration Frame 1",
        "Configuration Frame 2",
    ]
    for words in ("data transmission off", "data transmission on", "send HDR frame", "send CFG-3 frame"):
        assert words in text


def test_what_only_a_cfg3_says(tmp_path: Path) -> None:
    cfg = make.configuration(kind=3, version=2)
    phasors = tuple(replace(phasor, offset=0.25, component=4, modified=0x0202) for phasor in cfg.stations[0].phasors)
    station = replace(
        cfg.stations[0], phasors=phasors, latitude=35.5, longitude=-89.25, elevation=123.5, window=40_000, delay=20_000
    )
    frames = frames_of(replace(cfg, stations=(station,)), 3)
    said, text = judged(tmp_path, frames)
    assert tshark.compare(said, frames) == 5
    for words in (
        "PMU Latitude: 35.5",
        "PMU Longitude: -89.25",
        "PMU Elevation: 123.5",
        "Service class: Monitoring",
        "PM window length: 40000",
        "PM group delay: 20000",
        "Phasor angle offset: 0.25",
        "Phasor scale factor: 9.15527",
        "Phase A",
    ):
        assert words in text


@pytest.mark.parametrize(("rate", "time_base"), [(60, 1_000_000), (50, 0xFFFFFF), (25, 1000), (100, 14_400)])
def test_times(rate: int, time_base: int, tmp_path: Path) -> None:
    frames = frames_of(make.configuration(3, rate, time_base), 2, rate)
    said, _ = judged(tmp_path, frames)
    assert tshark.compare(said, frames) == rate


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("C37.118_1PMU_TCP.pcap", 252),
        ("C37.118_1PMU_UDP.pcap", 356),
        ("c37_1100_clean_tcp.pcap", 422),
        ("nDPI_ieee_c37118.pcap", 608),
        ("C37.118_1PMU_UDP_minimal_otherport.pcap", 1),
    ],
)
def test_every_frame_of_the_captures(name: str, data: int, shared: Path) -> None:
    path = shared / "data/captures" / name
    frames: list[bytes] = []
    for flow in read(path).flows:
        splitter = Splitter()
        frames += [frame for chunk in flow.chunks for frame in splitter.feed(chunk.data)]
    said = tshark.read(tshark.run(path, "-d", "udp.port==40713,synphasor"))
    assert tshark.compare(said, frames) >= data


def test_grid_times_are_what_tshark_shows(tmp_path: Path) -> None:
    frames = frames_of(make.configuration(), 2)
    batch = compile_codec(make.configuration()).decode(frames[1:])
    assert (batch.time - 1_700_000_000 * SECOND).tolist() == [k * 20_000_000 for k in range(5)]
    said, _ = judged(tmp_path, frames)
    assert [frame.milliseconds for frame in said[1:]] == [0.0, 20.0, 40.0, 60.0, 80.0]
