"""Which devices and channels an output stream tells, and as what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from nodes._outsettings import Settings
from nodes._outstream import Choice, Format, Stream
from protocol.c37118 import ConfigurationFrame, encode_configuration, parse
from protocol.messages import Configuration, Table
from tests.outputs import NARROW, WIDE, configuration, number


def stream(devices: list[str] | None = None, channels: list[str] | None = None, rate: int | None = None,
           **form: Any) -> Stream:  # fmt: skip
    return Stream(700, 2, 1_000_000, Choice(devices or ["*"], channels or ["*"], rate), Format(**form))


def known(*words: Configuration) -> dict[int, Configuration]:
    return {word.device: word for word in words}


def test_nobody_is_known_and_there_is_no_stream() -> None:
    assert stream().layout({}) is None
    assert stream(devices=["wind*"]).layout(known(configuration(number(1)))) is None


def test_devices_of_one_table_stand_together_in_the_order_of_their_numbers() -> None:
    words = known(*(configuration(number(n), NARROW if n % 2 else WIDE) for n in (5, 2, 1, 4)))
    layout = stream().layout(words)
    assert layout is not None
    assert [(part.table, (part.devices >> 16).tolist()) for part in layout.parts] == [(NARROW, [1, 5]), (WIDE, [2, 4])]
    assert [station.name for station in layout.cfg.stations] == ["PMU 1", "PMU 5", "PMU 2", "PMU 4"]
    assert [station.idcode for station in layout.cfg.stations] == [1, 5, 2, 4]
    assert {station.changes for station in layout.cfg.stations} == {0}, "the stream counts its own"
    assert (layout.cfg.stream, layout.cfg.rate, layout.left_out) == (700, 50, [])


@pytest.mark.parametrize("kind", [2, 3])
def test_the_configuration_can_be_read_again(kind: int) -> None:
    detail = {"global_id": "0f" * 16, "window_us": 40_000, "phasor_channels": [{"component": "B"}]}
    words = known(configuration(number(1)), configuration(number(2), NARROW, detail=detail, latitude=35.5))
    layout = stream().layout(words)
    assert layout is not None
    (frame,) = encode_configuration(layout.cfg, kind)
    read = parse(frame)
    assert isinstance(read, ConfigurationFrame)
    for told, meant in zip(read.stations, layout.cfg.stations, strict=True):
        assert [(each.name, each.unit) for each in told.phasors] == [(each.name, each.unit) for each in meant.phasors]
        assert (told.digitals, told.changes, told.nominal) == (meant.digitals, meant.changes, meant.nominal)
    if kind == 3:
        second = read.stations[0]
        assert (second.global_id, second.window, second.latitude) == (b"\x0f" * 16, 40_000, 35.5)
        assert [phasor.component for phasor in second.phasors] == [5]


@pytest.mark.parametrize("pattern", ["link 2", "PMU 2", "*2"])
def test_devices_are_chosen_by_either_name(pattern: str) -> None:
    layout = stream(devices=[pattern]).layout(known(*(configuration(number(n)) for n in (1, 2, 3))))
    assert layout is not None
    assert [station.name for station in layout.cfg.stations] == ["PMU 2"]


def test_channels_are_chosen_by_name_and_words_by_any_label() -> None:
    layout = stream(channels=["V*", "word 1 bit 7"]).layout(known(configuration(number(1), Table(50, 3, 1, 2))))
    assert layout is not None
    (part,) = layout.parts
    assert part.channels.tolist() == [0, 1, 2, 3, 6, 7]
    assert part.digitals.tolist() == [1]
    (station,) = layout.cfg.stations
    assert [phasor.name for phasor in station.phasors] == ["V0", "V2"]
    assert station.analogs == ()


def test_the_rate_is_that_of_most_devices_unless_it_is_set() -> None:
    slow, fast, slower = Table(10, 1, 0, 1), Table(100, 1, 0, 1), Table(-5, 1, 0, 1)
    words = known(*(configuration(number(n), table) for n, table in enumerate((slow, slow, fast, slower), 1)))
    for chosen, rate in ((None, 10), (25, 25), (-2, -2)):
        layout = stream(rate=chosen).layout(words)
        assert layout is not None
        assert layout.cfg.rate == rate


def test_devices_of_another_grid_are_named() -> None:
    tables = (Table(50, 1, 0, 1), Table(50, 1, 0, 1), Table(60, 1, 0, 1), Table(25, 1, 0, 1), Table(-5, 1, 0, 1))
    layout = stream().layout(known(*(configuration(number(n), table) for n, table in enumerate(tables, 1))))
    assert layout is not None
    assert layout.off_grid == ["link 3"]


def test_reselected_phasors_say_so() -> None:
    words = known(configuration(number(1)), configuration(number(2), NARROW._replace(rate=25)))
    layout = stream(rate=25).layout(words)
    assert layout is not None
    assert [station.phasors[0].modified for station in layout.cfg.stations] == [0, 8]


def test_layouts_are_the_same_only_if_they_read_the_same() -> None:
    plain = stream(channels=["V*"], rate=25)
    first = plain.layout(known(configuration(number(1))))
    assert first is not None
    others = [
        configuration(number(1), phasors=["I1", "V0", "V2"], phasor_units=["A", "V", "V"]),
        configuration(number(1), WIDE._replace(rate=25)),
        configuration(number(1), WIDE._replace(phasors=4), phasors=["V0", "I1", "V2", "I3"], phasor_units=list("VAVA")),
    ]
    for word in others:
        other = plain.layout(known(word))
        assert other is not None
        assert not other.same_as(first)
    assert first.same_as(first)


def test_a_name_may_have_brackets() -> None:
    word = configuration(number(1), phasors=["V[kV]", "I1", "V2"])
    layout = stream(channels=["V[kV]"]).layout(known(word))
    assert layout is not None
    assert [phasor.name for phasor in layout.cfg.stations[0].phasors] == ["V[kV]"]


def test_patterns_that_nothing_answers_to_are_named() -> None:
    choice = Choice(["link 1", "nobody*"], ["V*", "X9", "word 0 bit 3"], None)
    assert choice.vain([configuration(number(1)), configuration(number(2))]) == ["nobody*", "X9"]
    assert Choice(["*"], ["*"], None).vain([configuration(number(1), Table(50, 0, 0, 0))]) == []


def test_integers_keep_the_scale_of_the_device_or_get_that_of_the_settings() -> None:
    integer = {"format": {"word": 0}, "phasor_scales": [9.15527, 0.45776, 0.0], "analog_scales": [4.0]}
    floats = {"format": {"word": 15}, "phasor_scales": [0.01, 0.01, 0.01], "analog_scales": [7.0]}
    words = known(configuration(number(1), detail=integer), configuration(number(2), detail=floats))
    layout = stream(phasors="int", analogs="int", volts=8.0, amperes=0.5).layout(words)
    assert layout is not None
    first, second = layout.cfg.stations
    assert [phasor.scale for phasor in first.phasors] == [9.15527, 0.45776, 8.0]
    assert [phasor.scale for phasor in second.phasors] == [8.0, 0.5, 8.0]
    tiny = {"format": {"word": 0}, "phasor_scales": [3.05e-5, 3e-6, 4e-6]}
    layout = stream(phasors="int", volts=8.0, amperes=0.5).layout(known(configuration(number(1), detail=tiny)))
    assert layout is not None
    assert [phasor.scale for phasor in layout.cfg.stations[0].phasors] == [3e-5, 0.5, 8.0], "what PHUNIT can say"
    assert (first.analogs[0].scale, second.analogs[0].scale) == (4.0, 1.0)
    assert first.format == 9


def test_what_a_cfg2_cannot_tell_is_left_out() -> None:
    layout = stream().layout(known(*(configuration(number(n)) for n in range(1, 301))))
    assert layout is not None
    told = len(layout.cfg.stations)
    assert 0 < told < 300
    assert len(encode_configuration(layout.cfg)[0]) <= 0xFFFF
    assert len(layout.left_out) == 300 - told
    assert layout.left_out[0] == f"link {told + 1}"
    assert sum(part.devices.size for part in layout.parts) == told
    assert layout.cfg.told_size == len(encode_configuration(layout.cfg)[0])
    (left,) = {300} & {int(name.split()[1]) for name in layout.left_out}
    again = stream().layout(known(*(configuration(number(n)) for n in range(1, 301))), {number(left)})
    assert again is not None
    assert number(left) in again.devices, "who is in it stays"
    huge = configuration(number(1), Table(-5, 3300, 0, 0))
    both = stream().layout(known(huge, configuration(number(2))))
    assert both is not None
    assert (both.left_out, [each.name for each in both.cfg.stations]) == (["link 1"], ["PMU 2"])
    assert stream().layout(known(huge)) is None
    more = stream(channels=["V0"]).layout(known(*(configuration(number(n)) for n in range(1, 301))))
    assert more is not None
    assert len(more.cfg.stations) == 300


def test_devices_and_channels_are_told_by_other_names() -> None:
    names: dict[str, dict[str, str | int]] = {
        "link 1": {"station": "WFA", "idcode": 1201, "V0": "U L1", "AN0": "P", "word 0 bit 3": "breaker"},
        "PMU 2": {"V2": "U L3", "V9": "no such"},
        "nobody": {"station": "X"},
    }
    words = known(configuration(number(1)), configuration(number(2)))
    made = replace(stream(channels=["V0", "V2", "AN*", "word*"]), rename=names)
    layout = made.layout(words)
    assert layout is not None
    first, second = layout.cfg.stations
    assert (first.name, first.idcode, second.name, second.idcode) == ("WFA", 1201, "PMU 2", 2)
    assert [[each.name for each in station.phasors] for station in (first, second)] == [["U L1", "V2"], ["V0", "U L3"]]
    assert (first.analogs[0].name, first.digitals[0].labels[3]) == ("P", "breaker")
    assert made.vain(words.values()) == ["V9", "nobody"]
    (frame,) = encode_configuration(layout.cfg, 2)
    assert b"WFA             \x04\xb1" in frame


@pytest.mark.parametrize(("own", "fault"), [
    ({"station": "seventeen letters"}, "'seventeen letters' can't be a name; write a text of at most 16 bytes"),
    ({"VA": ""}, "can't be a name"),
    ({"VA": 3}, "3 can't be a name"),
    ({"idcode": 0}, "0 can't be an IDCODE; write a number from 1 to 65534"),
    ({"idcode": "7"}, "'7' can't be an IDCODE"),
    ({"idcode": True}, "rename"),
])  # fmt: skip
def test_names_that_cannot_be(own: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        Settings.model_validate({"idcode": 1, "listen": "127.0.0.1:0", "rename": {"PMU 1": own}})
