"""What the other nodes are told, and STAT in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol import wire
from protocol.gbt26865 import ConfigurationFrame, configurations, describe_quality, describe_status, parse
from protocol.messages import Table, device_number
from tests.protocol.gbt26865 import byhand


def told(version: int) -> ConfigurationFrame:
    blocks = [byhand.Block(), byhand.Block(byhand.name("二号"), b"\xc4\xe3\xc1\xb90002", period=500, fnom=0)]
    cfg = parse(byhand.configuration(2, version, blocks, check_kind=1))
    assert isinstance(cfg, ConfigurationFrame)
    return cfg


@pytest.mark.parametrize("version", [2, 3])
def test_one_message_for_each_station(version: int) -> None:
    first, second = configurations(told(version), 7, "plant", 99, region="north", latitude=40.5)
    assert (first.device, second.device) == (device_number(7, 0), device_number(7, 1))
    assert {(each.protocol, each.stream, each.station, each.count) for each in (first, second)} == {
        ("gbt26865", 0, 0, 0)
    }
    assert (first.table, second.table) == (Table(50, 2, 1, 1).key, Table(12, 2, 1, 1).key)
    assert (first.nominal, second.nominal, first.time_base) == (50, 60, 1_000_000)
    assert (first.name, first.phasors, first.phasor_units) == ("场站一 PMU", ["UA-A相电压", "IA"], ["V", "A"])
    assert (first.analogs, first.analog_units, first.detail["analog_scales"]) == (["有功功率"], ["rms"], [2.5])
    assert (first.digital_normal, first.digital_valid, first.digitals[0][15]) == ([1], [255], "开关15")
    assert (first.link, first.region, first.latitude) == ("plant", "north", 40.5)
    assert second.detail["station_identity"] == "你凉0002"
    assert second.detail["station_identity_hex"] == "c4e3c1b930303032"
    assert second.detail["period"] == 500
    assert first.detail.get("identity") == ("0GX00GP1" if version == 3 else None)
    assert first.detail.get("check_kind") == (1 if version == 2 else None)
    parts = wire.pack(first)
    assert wire.pack(wire.unpack(parts)) == parts


def test_a_link_without_a_name_has_that_of_the_substation() -> None:
    assert configurations(told(3), 1, "", 1)[0].link == "0GX00GP1"
    assert configurations(told(2), 1, "", 1)[0].link == "0GX00PM1", "that of its first block"
    nameless = replace(told(3), identity=bytes(8))
    assert configurations(nameless, 1, "", 1)[0].link == "0000000000000000"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, {"data": "data valid", "synchronised": True, "trigger": False, "configuration_change": False}),
        (0x8000, {"data": "data invalid"}),
        (0x4000, {"data": "PMU error"}),
        (0x2000, {"synchronised": False}),
        (0x0804, {"trigger": True, "trigger_reason": "frequency"}),
        (0x0806, {"trigger_reason": "linear combination"}),
        (0x0808, {"trigger_reason": "low-frequency oscillation"}),
        (0x0805, {"trigger_reason": "df/dt high"}),
        (0x080F, {"trigger_reason": "user 15"}),
        (0x0400, {"configuration_change": True}),
    ],
)
def test_status_in_words(status: int, words: dict[str, object]) -> None:
    said = describe_status(status)
    assert {key: said[key] for key in words} == words
    assert "sorting" not in said, "nothing is known of bits 12 and 9-4"


def test_quality_in_words() -> None:
    assert describe_quality(0)["time"].startswith("locked")
    assert describe_quality(0x0B)["time"] == "unlocked, time within 10^1 s"
    assert describe_quality(0x0F)["time"].startswith("clock failure")
