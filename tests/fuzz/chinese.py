"""The same of Q/GDW 131 and GB/T 26865.2: splitter, parser, codec, sessions of both sides, pairing, probing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from protocol import wire
from protocol.c37118.codec import StationRows
from protocol.clock import SECOND, Now
from protocol.gbt26865 import (
    Analog,
    Bank,
    Command,
    ConfigurationFrame,
    Device,
    Digital,
    FrameError,
    HeaderFrame,
    Master,
    MasterSettings,
    Pairing,
    Phasor,
    Pipe,
    Splitter,
    Station,
    choose,
    compile_codec,
    configurations,
    encode_command,
    encode_configuration,
    encode_header,
    frame_type,
    parse,
    probe,
    protocol_of,
    sound,
)
from protocol.gbt26865.common import Frame, head_size, seal
from protocol.gbt26865.configuration import recalled, remembered
from tests.fuzz.frames import LARGEST_FRAME, MAX_BODY, cut_up, decoded, steps_of, stream_of
from tests.fuzz.source import Source

WHO = b"0GX00GP1"


def configuration(version: int, kind: int = 2, form: int = 0, period: int = 100) -> ConfigurationFrame:
    """A small configuration with every kind of channel."""
    phasors = (Phasor("UA", 0, 9.15527), Phasor("电流", 1, 0.45776))
    station = Station(
        name="场站", identity=WHO, format=form, period=period, phasors=phasors,
        analogs=(Analog("P", 1, 2.5),), digitals=(Digital(),),
    )  # fmt: skip
    who = WHO if version == 3 else b""
    return ConfigurationFrame(version=version, identity=who, kind=kind, time_base=1_000_000, stations=(station,))


def _data(cfg: ConfigurationFrame) -> list[bytes]:
    codec = compile_codec(cfg)
    channels = codec.tables[0].channels
    rows = StationRows(np.zeros(2, np.uint16), np.ones((2, channels), np.float32), np.zeros((2, 1), np.uint16))
    return Bank([codec]).encode([rows], [1_700_000_000] * 2, [0, 20_000])


def _good() -> list[bytes]:
    """Frames of every type of both editions; sixteen, so that a half byte names one."""
    found = []
    for version in (2, 3):
        cfg = configuration(version)
        found += [encode_configuration(cfg, 1), encode_configuration(cfg), *_data(cfg)]
        found += _data(configuration(version, form=15))[:1]
        codes = (0xE000, 0x2000) if version == 3 else (0xE000,)
        found += [encode_command(Command(version=version, identity=WHO, command=code)) for code in codes]
        found.append(encode_header(HeaderFrame(version=version, identity=cfg.identity, text="说明")))
    return [*found, encode_command(Command(identity=WHO, command=0x4000))]


GOOD = _good()
NO_PIECES = [[b""], [b""]]


def splitter(data: bytes) -> None:
    """Frames and counts are the same at any cut, and of a splitter that was put down and taken up; no byte is lost."""
    source = Source(data)
    steps = steps_of(source)
    stream = stream_of(source, GOOD, NO_PIECES)
    frames = cut_up(stream, steps, Splitter)
    assert all(sound(frame) and protocol_of(frame) == "gbt26865" for frame in frames)
    assert probe(stream) in ("gbt26865", "c37118") if frames else True


def frame(data: bytes) -> None:
    """Whatever has a good head and check word is parsed or refused; what was parsed is written and read as the same."""
    source = Source(data)
    kind, version = source.below(5), 2 + source.below(2)
    head = Frame(version=version, soc=source.below(1 << 32), quality=source.below(256), count=9)
    whole = seal(kind, head, source.take(8), source.rest()[:MAX_BODY])
    try:
        parsed = parse(whole)
    except FrameError:
        return
    if isinstance(parsed, ConfigurationFrame):
        told(parsed)
    elif isinstance(parsed, Command):
        assert encode_command(parsed) == whole
    elif isinstance(parsed, HeaderFrame) and len(parsed.text.encode("gbk", "replace")) <= MAX_BODY:
        again = parse(encode_header(parsed))
        assert isinstance(again, HeaderFrame)
        assert len(again.text) <= len(parsed.text)


def told(cfg: ConfigurationFrame) -> None:
    """What a configuration leads to: journal, codec, words to other nodes, and its own frame again."""
    assert recalled(remembered(cfg)) == cfg
    codec = compile_codec(cfg)
    if codec.frame_size <= LARGEST_FRAME:
        decoded(cfg, bytes(codec.frame_size) + bytes(range(256)) * 16, compile_codec, codec.head)
    for word in configurations(cfg, 1, "fuzz", 1):
        parts = wire.pack(word)
        assert wire.pack(wire.unpack(parts)) == parts
    again = parse(encode_configuration(cfg))
    assert isinstance(again, ConfigurationFrame)
    assert (again.rate, again.time_base, again.data_size) == (cfg.rate, cfg.time_base, cfg.data_size)
    for mine, other in zip(cfg.stations, again.stations, strict=True):
        assert (mine.identity, mine.period, mine.nominal) == (other.identity, other.period, other.nominal)
        assert [each.scale for each in mine.phasors] == [each.scale for each in other.phasors]
        assert [each.scale for each in mine.analogs] == [each.scale for each in other.analogs]


def codec(data: bytes) -> None:
    """Columns of frames with any content are what a reader of one field after the other reads."""
    source = Source(data)
    version = 2 + source.below(2)
    stations = tuple(_station(source) for _ in range(1 + source.below(3)))
    cfg = replace(configuration(version), time_base=1 + source.below((1 << 24) - 1), stations=stations)
    decoded(cfg, source.rest(), compile_codec, head_size(version, 0))


def _station(source: Source) -> Station:
    form, phasors, analogs, digitals = source.below(32), source.below(4), source.below(3), source.below(3)
    return Station(
        name="Fuzz", format=form, nominal=(50, 60)[source.below(2)], period=source.below(1 << 16) or 1,
        phasors=tuple(Phasor(f"P{k}", k % 2, source.below(1 << 16) / 1000) for k in range(phasors)),
        analogs=tuple(Analog(f"A{k}", 0, (source.below(256) - 128) / 100_000) for k in range(analogs)),
        digitals=(Digital(),) * digitals,
    )  # fmt: skip


def session(data: bytes) -> None:
    """A master and a substation hear anything on any pipe at any time; what they say is in proportion to that.

    Now and then each is put down and taken up again. What was held is decoded or told of, each frame once.
    """
    source = Source(data)
    now = Now(0, 1_700_000_000 * SECOND)
    choice = configuration(3, period=50)
    wanted = source.below(4)
    select = (None, lambda _: choice, lambda _: None, lambda cfg: choose(cfg, _wanted, 500))[wanted]
    settings = MasterSettings(identity=(None, WHO)[source.below(2)], select=select, attempts=source.below(3))
    master, device, pairs = Master(settings), Device(configuration(2 + source.below(2), 1)), Pairing()
    device.begin(now)
    said, heard, waiting = len(master.begin(now)), 1, 0
    while source.left:
        now = Now(now.monotonic + source.below(256) * 50_000_000, now.utc + source.below(256) * 50_000_000)
        what = source.below(20)
        if what < len(GOOD):
            each = GOOD[what]
        else:
            head = Frame(version=2 + source.below(2))
            each = seal(source.below(5), head, source.take(8), source.take(source.below(256)))
        events = [] if master.accepts(each) else master.receive(each, now, (Pipe.MANAGEMENT, Pipe.DATA)[what % 2])
        events += [*master.data_pipe(bool(what % 3), now)] if what % 5 == 0 else []
        events += [*master.note_status(what % 7 == 0, what % 2 == 0, now), *master.wake(now)]
        said += len(events) + len(device.receive(each, now)) + len(device.wake(now))
        heard += 1
        waiting += frame_type(each) == 0
        assert master.held <= waiting
        pairs.data(what, "10.0.0.1", each)
        pairs.management(-what, "10.0.0.1", WHO)
        if what == 7:
            master = _taken_up(master, settings)
    assert said <= 16 * heard + 4 * waiting


def _wanted(station: Station, channel: object) -> bool:
    return isinstance(channel, Phasor) and channel.scale > 1


def _taken_up(master: Master, settings: MasterSettings) -> Master:
    """Another one in its place, as after a kill."""
    kept = master.remember()
    wire_like = master.cfg and (recalled(remembered(master.cfg)) if master.cfg.body else master.cfg)
    other = Master(settings)
    other.recall(kept, wire_like, *master.limbo(0))
    assert other.remember() == kept
    assert (other.wake_at(), other.held, other.data_size) == (master.wake_at(), master.held, master.data_size)
    return other


def seeds() -> dict[str, list[bytes]]:
    """Inputs to begin with, by target."""
    bodies = []
    for each in GOOD:
        kind, version = each[1] >> 4, each[1] & 15
        bodies.append(bytes([kind, version - 2, 0, 0, 1, 0, 0]) + WHO + each[head_size(version, kind) : -2])
    streams = [bytes([3, 1, 9, 40]) + bytes([what, k, k]) * 3 for what in range(6) for k in range(len(GOOD))]
    formats = [
        bytes([v, 0, form, 2, 1, 1, 0, 0, 100, 120, 0, 3, 110, 0, 0x0F, 0x42, 0x40, 0x80, 50]) + bytes(range(80))
        for v in (0, 1)
        for form in range(16)
    ]
    return {
        "gbt_splitter": streams,
        "gbt_frame": bodies,
        "gbt_codec": formats,
        "gbt_session": [
            bytes([k % 4, k % 2, k % 3, k % 2]) + b"".join(bytes([k, k, what]) for what in range(20)) for k in range(8)
        ],
    }


TARGETS = {"gbt_splitter": splitter, "gbt_frame": frame, "gbt_codec": codec, "gbt_session": session}
