"""Real captures, frame by frame, against what tshark said of them (its stored text)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from protocol.c37118 import Command, ConfigurationFrame, DataFrame, HeaderFrame, Splitter, compile_codec, parse
from protocol.c37118.common import sound
from protocol.capture.reading import read
from protocol.clock import SECOND
from tests import tshark

GOLDENS = {
    "C37.118_1PMU_TCP": ("C37.118_1PMU_TCP.pcap", 6),
    "C37.118_1PMU_UDP": ("C37.118_1PMU_UDP.pcap", 6),
    "C37.118_1PMU_UDP_minimal": ("C37.118_1PMU_UDP_minimal.pcap", 1),
    "c37_1100_clean_tcp": ("c37_1100_clean_tcp.pcap", 6),
    "c37_1100_fullclean": ("c37_1100_fullclean.pcap", 6),
    "nDPI_ieee_c37118": ("nDPI_ieee_c37118.pcap", 6),
    "RTPA_annexD": ("RTPA_annexD.pcap", 1),
    "GSF_i16_polar_cfg2": ("GSF_generated_i16_polar_cfg2.pcap", 1),
    "GSF_i16_polar_cfg3": ("GSF_generated_i16_polar_cfg3.pcap", 1),
    "GSF_f32_rect_cfg2": ("GSF_generated_f32_rect_cfg2.pcap", 1),
    "GSF_f32_rect_cfg3": ("GSF_generated_f32_rect_cfg3.pcap", 1),
}
"""Golden -> capture, DATA frames that the golden shows at least."""


def frames_of(path: Path) -> list[bytes]:
    """Every frame of a capture, flow by flow."""
    frames: list[bytes] = []
    for flow in read(path).flows:
        splitter = Splitter()
        for chunk in flow.chunks:
            frames += splitter.feed(chunk.data)
        frames += splitter.close()
        assert (splitter.skipped, splitter.corrupt) == (0, 0)
    return frames


@pytest.mark.parametrize("golden", GOLDENS)
def test_data_is_what_tshark_says(golden: str, shared: Path) -> None:
    capture, least = GOLDENS[golden]
    text = (shared / "data/captures/golden" / f"{golden}.golden.txt").read_text("utf-8", "replace")
    compared = tshark.compare(tshark.read(text), frames_of(shared / "data/captures" / capture))
    assert compared >= least


COUNTS = {
    "C37.118_1PMU_TCP.pcap": (3, 0, 1, 252),
    "C37.118_1PMU_UDP.pcap": (4, 0, 1, 356),
    "C37.118_1PMU_UDP_minimal_otherport.pcap": (3, 0, 1, 1),
    "c37_1100_clean_tcp.pcap": (3, 1, 1, 422),
    "nDPI_ieee_c37118.pcap": (7, 0, 2, 608),
}


@pytest.mark.parametrize("capture", COUNTS)
def test_every_frame_of_a_capture_is_found(capture: str, shared: Path) -> None:
    parsed = [parse(frame) for frame in frames_of(shared / "data/captures" / capture)]
    kinds = (Command, HeaderFrame, ConfigurationFrame, DataFrame)
    assert tuple(sum(isinstance(each, kind) for each in parsed) for kind in kinds) == COUNTS[capture]


def test_the_example_of_annex_d(shared: Path) -> None:
    folder = shared / "data/captures"
    command, config, multi, data = (
        bytes.fromhex((folder / f"RTPA_{name}_message.hex").read_text()) for name in ("cmd", "config", "config", "data")
    )
    assert isinstance(parse(command), Command)
    assert config == multi
    cfg = parse(config)
    assert isinstance(cfg, ConfigurationFrame)
    assert (cfg.rate, cfg.stations[0].nominal, cfg.stations[0].changes) == (30, 60, 22)
    assert [phasor.unit for phasor in cfg.stations[0].phasors] == ["V", "V", "V", "A"]
    batch = compile_codec(cfg).decode([data])
    assert batch.time.tolist() == [1149580800 * SECOND + 16_817_000]
    (rows,) = batch.stations
    assert rows.values[0, [0, 1, 10, 11, 12]].tolist() == [62.5, 0.0, 100.0, 1000.0, 10_000.0]
    assert rows.values[0, 2] == np.float32(14_635 * 9.15527)
    assert rows.digital.tolist() == [[0x3C12]]


def test_a_configuration_of_two_stations(shared: Path) -> None:
    cfg = parse(bytes.fromhex((shared / "data/captures/RTPA_config_message_multi.hex").read_text()))
    assert isinstance(cfg, ConfigurationFrame)
    assert len(cfg.stations) == 2


def test_what_gsf_put_into_its_frames_comes_out(shared: Path) -> None:
    for name in ("i16_polar_cfg2", "i16_polar_cfg3", "f32_rect_cfg2", "f32_rect_cfg3"):
        cfg, frame = frames_of(shared / "data/captures" / f"GSF_generated_{name}.pcap")
        parsed = parse(cfg)
        assert isinstance(parsed, ConfigurationFrame)
        (station,) = parsed.stations
        assert (parsed.stream, station.idcode, station.nominal) == (77, 101, 50)
        (rows,) = compile_codec(parsed).decode([frame]).stations
        offset = np.degrees(0.5235988) if name == "i16_polar_cfg3" else 0.0
        expected = [50.0125, -0.25, 134_000, np.degrees(-0.5), 500, np.degrees(2.5) - offset]
        np.testing.assert_allclose(rows.values[0, :6], expected, rtol=5e-4)
        if name.endswith("cfg3"):
            assert station.changes == 5
            assert station.name == "变电站 Station GSF"
            assert station.global_id.hex() == "00112233445566778899aabbccddeeff"
            assert (station.latitude, station.longitude, station.elevation) == (35.5, -89.25, 123.5)
            assert (station.service, station.window, station.delay) == ("P", 40_000, 20_000)
            assert (station.phasors[1].modified, station.phasors[1].user) == (0x0202, 0x5A)


def test_frames_of_the_chinese_protocol_are_none_of_ours(shared: Path) -> None:
    lines = (shared / "data/captures/GBT_PmuSim_examples.hex").read_text().splitlines()
    frames = [bytes.fromhex(line.split("\t")[1]) for line in lines if "\t" in line and not line.startswith("#")]
    assert len(frames) == 12
    assert not any(map(sound, frames))
    splitter = Splitter()
    assert splitter.feed(b"".join(frames)) + splitter.close() == []
