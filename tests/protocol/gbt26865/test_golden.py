"""Golden frames: the project's own, written by hand, and those of a vendor's manual."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from protocol.clock import SECOND
from protocol.gbt26865 import (
    Analog,
    Bank,
    Codec,
    Command,
    CommandCode,
    ConfigurationFrame,
    DataFrame,
    HeaderFrame,
    Splitter,
    compile_codec,
    encode_command,
    encode_header,
    parse,
)
from protocol.gbt26865.common import head_size
from tests.protocol.gbt26865 import byhand
from tests.protocol.gbt26865 import strategies as make


def read(path: Path) -> dict[str, bytes]:
    """Frames by their labels."""
    lines = [line.split("\t") for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    return {line[0]: bytes.fromhex(line[1]) for line in lines}


GOLDEN = read(Path(__file__).with_name("golden.hex"))
COMMANDS = {
    "send CFG-1": 4, "download CFG-2": 0x8000, "ACK": 0xE000, "NACK": 0x2000, "send CFG-2": 5, "open data": 2,
    "close data": 1, "send HDR": 3, "receive reference phasor": 8, "heartbeat": 0x4000, "reset": 0x6000,
    "network trigger": 0xA000,
}  # fmt: skip
STATS = {"good": 0, "invalid": 0x8000, "unsynchronised": 0x2000, "triggered by oscillation": 0x0808,
         "configuration changed": 0x0400}  # fmt: skip


def again(codec: Codec, frame: bytes) -> bytes:
    """DATA decoded and encoded."""
    stamp = frame[codec.head - 8 : codec.head]
    soc, quality, count = int.from_bytes(stamp[:4], "big"), stamp[4], int.from_bytes(stamp[5:], "big")
    return Bank([codec]).encode(codec.decode([frame]).stations, [soc], [count], quality)[0]


@pytest.mark.parametrize("label", GOLDEN)
def test_each_is_what_its_label_says(label: str) -> None:
    version, what = int(label[1]), label[3:]
    frame = GOLDEN[label]
    assert Splitter().feed(frame) == [frame]
    told = parse(frame)
    assert told.version == version
    if isinstance(told, Command):
        assert told.command == COMMANDS[what.removeprefix("CMD ")]
        assert (told.identity, told.soc) == (b"0GX00GP1", 1_700_000_000 + 30 * (told.command == CommandCode.HEARTBEAT))
        assert encode_command(told) == frame
    elif isinstance(told, HeaderFrame):
        assert told.text == "场站说明 PMU"
        assert encode_header(told) == frame
    elif isinstance(told, ConfigurationFrame):
        assert what == f"CFG-{told.kind}"
        assert [station.name for station in told.stations] == ["场站一 PMU", "二号机组"][: len(told.stations)]
    else:
        assert isinstance(told, DataFrame)
        assert int.from_bytes(told.body[:2], "big") == STATS[what.removeprefix("DATA ")]


@pytest.mark.parametrize("version", [2, 3])
def test_data_by_the_configuration_that_was_downloaded(version: int) -> None:
    cfg = parse(GOLDEN[f"V{version} CFG-2"])
    assert isinstance(cfg, ConfigurationFrame)
    frames = [GOLDEN[f"V{version} DATA {label}"] for label in STATS]
    batch = compile_codec(cfg).decode(frames)
    (rows,) = batch.stations
    assert batch.time.tolist() == [1_700_000_002 * SECOND + k * 10_000_000 for k in range(5)]
    assert rows.status.tolist() == list(STATS.values())
    assert batch.quality.tolist() == [0, 0, 15, 0, 0]
    magnitude = np.hypot(6000 + np.arange(5), 8000) * 9.15527
    np.testing.assert_allclose(rows.values[:, 2], magnitude, rtol=1e-6)
    np.testing.assert_allclose(rows.values[:, 0], 50.02 + np.arange(5) / 1000, rtol=1e-6)
    np.testing.assert_allclose(rows.values[:, 6], 1234 * 2.5)


def test_the_golden_file_is_written_by_hand() -> None:
    assert GOLDEN["V3 CMD ACK"] == byhand.command(0xE000, 3)
    block = byhand.Block(period=50, digitals=[])
    assert GOLDEN["V2 CFG-2"] == byhand.configuration(2, 2, [block], soc=1_700_000_001)


def test_the_frames_of_a_vendors_manual_byte_for_byte(shared: Path) -> None:
    (path,) = (shared / "data" / "captures").rglob("GBT_PmuSim_examples.hex")
    frames = read(path)
    assert len(frames) == 12
    assert Splitter().feed(b"".join(frames.values())) == list(frames.values())
    codes = {"req CFG-1": 4, "heartbeat": 0x4000, "ack": 0xE000, "open data": 2, "download CFG-2": 0x8000}
    for label, frame in frames.items():
        told = parse(frame)
        assert told.version == int(label[1])
        if isinstance(told, Command):
            assert told.command == codes[label[7:]]
            assert told.identity == b"0GX00GP1"
            assert encode_command(told) == frame
            continue
        cfg = make.configuration(told.version)
        analogs = tuple(Analog(f"A{k}", 1, 1.0) for k in range(11))
        codec = compile_codec(replace(cfg, stations=(replace(cfg.stations[0], phasors=(), analogs=analogs),)))
        (rows,) = codec.decode([frame]).stations
        assert rows.values[0, 2:5].tolist() == ([300, 3000, 9175] if told.version == 2 else [400, 300, 9185])
        assert rows.digital.tolist() == [[10]]
        assert again(codec, frame) == frame
        assert head_size(told.version, 0) == codec.head
