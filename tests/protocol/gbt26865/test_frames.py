"""Frames as values: what was written is read as the same, and what is wrong is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.gbt26865 import (
    Command,
    CommandCode,
    ConfigurationFrame,
    DataFrame,
    FrameError,
    HeaderFrame,
    Station,
    encode_command,
    encode_configuration,
    encode_header,
    identity_of,
    identity_text,
    meaning,
    parse,
    sound,
)
from protocol.gbt26865.configuration import recalled, remembered
from tests.protocol.gbt26865 import byhand
from tests.protocol.gbt26865 import strategies as make

EDITIONS = pytest.mark.parametrize("version", [2, 3])


@given(make.configurations())
def test_configurations_come_back(cfg: ConfigurationFrame) -> None:
    frame = encode_configuration(cfg)
    told = parse(frame)
    assert isinstance(told, ConfigurationFrame)
    assert told == cfg
    assert encode_configuration(told) == frame
    assert recalled(remembered(told)) == told


@given(make.commands)
def test_commands_come_back(command: Command) -> None:
    frame = encode_command(command)
    assert parse(frame) == command
    assert identity_of(frame) == command.identity


@given(make.headers)
def test_headers_come_back(header: HeaderFrame) -> None:
    assert parse(encode_header(header)) == header


@given(make.configurations(), st.data())
def test_damage_is_seen(cfg: ConfigurationFrame, data: st.DataObject) -> None:
    frame = bytearray(encode_configuration(cfg))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(FrameError):
        parse(bytes(frame))


@given(st.sampled_from([2, 3]), st.integers(0, 7), st.binary(max_size=300))
def test_any_inside_is_read_or_refused(version: int, kind: int, inside: bytes) -> None:
    frame = byhand.frame(kind, version, inside)
    try:
        told = parse(frame)
    except FrameError:
        return
    if isinstance(told, Command):
        assert encode_command(told) == frame


@EDITIONS
def test_a_configuration_is_what_the_description_says(version: int) -> None:
    frame = byhand.configuration(2, version, [byhand.Block()], fraction=0x0F_00_00_07 if version == 3 else 0)
    told = parse(frame)
    want = make.configuration(version)
    assert told == (want if version == 2 else replace(want, quality=15, count=7))
    spaces = byhand.Block(
        stn=byhand.name("场站一 PMU", b" "),
        phasors=[(byhand.name("UA-A相电压", b" "), 915_527), (byhand.name("IA", b" "), 1 << 24 | 45_776)],
        analogs=[(byhand.name("有功功率", b" "), 1 << 24 | 250_000)],
        digitals=[([byhand.name(f"开关{bit}", b" ") for bit in range(16)], 0x0001_00FF)],
    )
    assert encode_configuration(want) == byhand.configuration(2, version, [spaces])


@EDITIONS
@pytest.mark.parametrize("code", list(CommandCode))
def test_commands_are_what_the_description_says(version: int, code: CommandCode) -> None:
    command = Command(version=version, identity=b"0GX00GP1", soc=1_700_000_000, command=code)
    frame = byhand.command(code, version)
    assert encode_command(command) == frame
    assert parse(frame) == command
    assert len(frame) == (20 if version == 2 else 24)
    assert meaning(code) is code


@pytest.mark.parametrize(
    ("word", "code"),
    [(0xE001, CommandCode.ACK), (0x2004, CommandCode.NACK), (0x0014, CommandCode.SEND_CONFIGURATION_1),
     (0, None), (6, None), (0xC000, None), (0x0007, None)],
)  # fmt: skip
def test_bits_beside_the_code_do_not_matter(word: int, code: CommandCode | None) -> None:
    assert meaning(word) is code


def test_data_of_v2_says_nothing_of_its_sender() -> None:
    told = parse(byhand.data(2, byhand.integers(), fraction=0x0C_00_00_05))
    assert isinstance(told, DataFrame)
    assert (told.identity, told.quality, told.count, told.body) == (b"", 12, 5, byhand.integers())
    told = parse(byhand.data(3, byhand.integers()))
    assert told.identity == b"0GX00GP1"


@EDITIONS
@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (lambda v: byhand.configuration(2, v, [byhand.Block(period=0)]), "PERIOD is 0"),
        (lambda v: byhand.configuration(1, v, [byhand.Block(), byhand.Block(period=0)]), "station 2 of 2: PERIOD"),
        (lambda v: byhand.configuration(2, v, []), "NUM_PMU is 0"),
        (lambda v: byhand.configuration(2, v, [byhand.Block()], rate=0), "MEAS_RATE is 0"),
        (lambda v: byhand.configuration(2, v, [byhand.Block()], rate=1 << 24), "MEAS_RATE is 16777216"),
        (lambda v: byhand.frame(3, v, byhand.configuration(2, v, [byhand.Block()])[4:-2] + b"x"), "1 bytes too many"),
        (lambda v: byhand.frame(3, v, byhand.configuration(2, v, [byhand.Block()])[4:-3]), "FNOM|channels"),
        (lambda v: byhand.frame(5, v, bytes(40)), "type 5 of edition"),
        (lambda v: byhand.frame(4, v, byhand.command(1, v)[4:-4]), "no command"),
        (lambda v: byhand.command(1, v)[:-1] + b"\0", "check word"),
        (lambda v: byhand.command(1, v) + b"\0", "SIZE says"),
        (lambda v: byhand.frame(4, v, b""), "bytes"),
        (lambda v: byhand.frame(0, v, bytes(4)), "at least"),
    ],
)  # fmt: skip
def test_what_is_wrong_inside_is_named(frame: Callable[[int], bytes], says: str, version: int) -> None:
    with pytest.raises(FrameError, match=says):
        parse(frame(version))


@pytest.mark.parametrize("edition", [0, 1, 4, 15])
def test_other_editions_are_refused(edition: int) -> None:
    with pytest.raises(FrameError, match=f"edition {edition}"):
        parse(byhand.frame(4, edition, bytes(20)))


def test_counts_that_lie_cost_nothing() -> None:
    block = byhand.Block(phasors=[], analogs=[], digitals=[]).bytes()
    lying = block[:24] + b"\x00\x00\xff\xff\xff\xff\xff\xff" + block[32:]
    for version, head in ((2, bytes(4) + bytes(2)), (3, bytes(16))):
        with pytest.raises(FrameError, match="channels"):
            parse(byhand.frame(3, version, head + b"\x00\x0f\x42\x40\x00\x01" + lying))


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("变电站".encode("gbk").ljust(16, b"\0"), "变电站"),
        ("变电站".encode("gbk").ljust(16, b" "), "变电站"),
        ("变电站变电站变电".encode("gbk"), "变电站变电站变电"),
        (b"A" + "变电站变电站变电".encode("gbk")[:15], "A变电站变电站变"),
        (b"PMU 1\x00rest of it", "PMU 1"),
        (b"\xff\xfe\x80bad".ljust(16, b"\0"), "ÿþbad"),
        (b"a\x07b\x1bc\n".ljust(16, b" "), "abc"),
        (bytes(16), ""),
        (b" " * 16, ""),
    ],
)
def test_names_are_gbk_or_else_latin(raw: bytes, name: str) -> None:
    told = parse(byhand.configuration(2, 3, [byhand.Block(stn=raw, phasors=[(raw, 1), (raw, 2)])]))
    assert isinstance(told, ConfigurationFrame)
    (station,) = told.stations
    assert station.name == name
    first = name or "phasor 1"
    second = f"{name} (2)" if name else "phasor 2"
    assert [phasor.name for phasor in station.phasors] == [first, second]


@pytest.mark.parametrize(
    ("identity", "text"),
    [(b"0GX00GP1", "0GX00GP1"), (b"GP1\0\0\0\0\0", "GP1"), ("场站01".encode("gbk") + b"  ", "场站01"),
     (bytes(8), "0000000000000000"), (b"\xc4\xe3\xff\xfe1234", "Äãÿþ1234")],
)  # fmt: skip
def test_identities_are_bytes_and_shown_as_text(identity: bytes, text: str) -> None:
    told = parse(byhand.command(1, 3, identity=identity))
    assert told.identity == identity
    assert identity_text(identity) == text


@pytest.mark.parametrize(
    ("nominal", "period", "rate"),
    [(50, 100, 50), (50, 50, 100), (50, 200, 25), (50, 500, 10), (50, 5000, 1), (50, 10_000, -2), (60, 100, 60),
     (60, 600, 10), (60, 12_000, -2), (50, 300, 17), (50, 7500, 1), (50, 12_500, -2), (50, 1, 5000)],
)  # fmt: skip
def test_rates_of_periods(nominal: int, period: int, rate: int) -> None:
    assert Station(name="A", format=0, nominal=nominal, period=period).rate == rate


def test_a_configuration_has_the_rate_of_its_fastest_station() -> None:
    slow, fast = (Station(name=name, format=0, period=period) for name, period in (("A", 500), ("B", 50)))
    cfg = make.configuration(stations=(slow, fast))
    assert cfg.rate == 100
    assert [each.rate for each in cfg.stations] == [10, 100]
    with pytest.raises(ValueError, match="PERIOD 0"):
        Station(name="A", format=0, period=0)


def test_what_is_too_long_or_not_of_gbk() -> None:
    cfg = make.configuration()
    with pytest.raises(ValueError, match="65535"):
        encode_configuration(replace(cfg, stations=cfg.stations * 200))
    told = parse(encode_header(HeaderFrame(identity=b"0GX00GP1", text="snow \N{SNOWMAN}")))
    assert isinstance(told, HeaderFrame)
    assert told.text == "snow ?"
    assert not sound(b"")
