"""A configuration told to the other nodes."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given

from protocol import wire
from protocol.c37118 import ConfigurationFrame, compile_codec, configurations
from protocol.messages import split_device
from tests.protocol.c37118 import strategies as make


def test_what_a_cfg2_says() -> None:
    (told,) = configurations(make.configuration(form=3), 4, "plant", 2, region="north")
    assert split_device(told.device) == (4, 0)
    assert (told.link, told.version, told.region, told.protocol) == ("plant", 2, "north", "c37118")
    assert (told.stream, told.station, told.name, told.count, told.nominal) == (60, 61, "Station A", 3, 50)
    assert (told.phasors, told.phasor_units) == (["VA", "I1"], ["V", "A"])
    assert (told.analogs, told.analog_units) == (["P"], ["instantaneous"])
    assert (told.digital_normal, told.digital_valid, told.digitals[0][:2]) == ([1], [255], ["bit 0", "bit 1"])
    assert math.isnan(told.latitude)
    assert told.detail["format"] == {
        "word": 3,
        "phasors": "float32 polar",
        "analogs": "int16",
        "frequency": "int16",
    }


def test_what_a_cfg3_says() -> None:
    cfg = make.configuration(kind=3, version=2)
    station = replace(cfg.stations[0], global_id=bytes(range(16)), latitude=35.5, longitude=math.inf, window=40_000)
    (told,) = configurations(replace(cfg, stations=(station,)), 4, "plant", 1, longitude=1.25)
    assert (told.latitude, told.longitude) == (35.5, 1.25)
    assert math.isnan(told.elevation)
    assert told.detail["global_id"] == "000102030405060708090a0b0c0d0e0f"
    assert (told.detail["window_us"], told.detail["service_class"]) == (40_000, "M")
    assert told.analog_units == [""]


@given(make.configurations())
def test_any_configuration_crosses_the_wire(cfg: ConfigurationFrame) -> None:
    told = configurations(cfg, 7, "link", 1)
    assert [split_device(each.device) for each in told] == [(7, k) for k in range(len(cfg.stations))]
    for each, table in zip(told, compile_codec(cfg).tables, strict=True):
        assert each.table == table.key
        again = wire.unpack([bytes(part) for part in wire.pack(each)])
        assert repr(again) == repr(each)
