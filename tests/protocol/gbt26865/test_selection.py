"""What a master chooses of a CFG-1."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from protocol.gbt26865 import ConfigurationFrame, Device, Phasor, choose, encode_configuration, parse
from protocol.gbt26865.device import offered
from tests.protocol.gbt26865 import byhand
from tests.protocol.gbt26865 import strategies as make

ODD = byhand.Block(
    stn=b"\xff\xfe no GBK\0\0\0\0\0\0\0",
    phasors=[(byhand.name("UA"), 1), (byhand.name("UA", b" "), 2), (bytes(16), 3), (byhand.name("IA"), 1 << 24 | 4)],
)
PLAIN = byhand.Block(byhand.name("二号"), b"0GX00PM2", period=200)


def told(version: int) -> ConfigurationFrame:
    cfg = parse(byhand.configuration(1, version, [ODD, PLAIN]))
    assert isinstance(cfg, ConfigurationFrame)
    return cfg


@pytest.mark.parametrize("version", [2, 3])
def test_what_is_chosen_has_the_very_bytes_of_the_substation(version: int) -> None:
    chosen = choose(told(version), lambda station, channel: isinstance(channel, Phasor) and channel.kind == 0, 50)
    want = [
        replace(ODD, phasors=ODD.phasors[:3], analogs=[], digitals=[], period=50),
        replace(PLAIN, phasors=PLAIN.phasors[:1], analogs=[], digitals=[], period=50),
    ]
    assert chosen
    assert encode_configuration(chosen) == byhand.configuration(2, version, want)
    assert [phasor.name for phasor in chosen.stations[0].phasors] == ["UA", "UA (2)", "phasor 3"]
    assert chosen.rate == 100
    assert Device(told(version)).capability == told(version)


@pytest.mark.parametrize("version", [2, 3])
def test_a_station_without_a_chosen_channel_is_left_out(version: int) -> None:
    chosen = choose(told(version), lambda station, channel: station.name == "二号")
    assert chosen
    assert encode_configuration(chosen) == byhand.configuration(2, version, [PLAIN])
    assert choose(told(version), lambda station, channel: False) is None


@pytest.mark.parametrize("period", [0, -1, 65_536])
def test_periods_that_are_none(period: int) -> None:
    with pytest.raises(ValueError, match="PERIOD"):
        choose(told(3), period=period)


@given(make.configurations())
def test_all_of_it_is_the_same(cfg: ConfigurationFrame) -> None:
    chosen = choose(cfg)
    assert chosen == replace(cfg, kind=2)
    assert offered(chosen, cfg) or len({station.identity for station in cfg.stations}) < len(cfg.stations)


def test_what_was_read_is_written_to_the_byte_until_it_is_changed() -> None:
    frame = byhand.configuration(1, 3, [ODD, PLAIN])
    cfg = parse(frame)
    assert isinstance(cfg, ConfigurationFrame)
    assert encode_configuration(cfg) == frame
    changed = replace(cfg, stations=cfg.stations[1:])
    again = parse(encode_configuration(changed))
    assert again == changed
