"""What reads a device's bytes: splitter, parser, pieces of a CFG-3, codec, session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from protocol import wire
from protocol.c37118 import (
    Analog,
    Bank,
    Codec,
    Command,
    ConfigurationFrame,
    Device,
    Digital,
    Fragments,
    FrameError,
    HeaderFrame,
    Master,
    MasterSettings,
    Phasor,
    Splitter,
    Station,
    StationRows,
    compile_codec,
    configurations,
    encode_command,
    encode_configuration,
    encode_header,
    parse,
    sound,
)
from protocol.c37118.common import Frame, seal
from protocol.c37118.decoding import recalled, remembered
from protocol.c37118.splitter import piece_index
from protocol.clock import SECOND, Now
from tests.fuzz import plain
from tests.fuzz.mutated import configuration
from tests.fuzz.source import Source

MAX_BODY = 65_000
LARGEST_FRAME = 4096
"""Bytes of a DATA frame that is still decoded."""


def _data(cfg: ConfigurationFrame) -> list[bytes]:
    codec = compile_codec(cfg)
    rows = [
        StationRows(np.zeros(2, np.uint16), np.ones((2, table.channels), np.float32), np.zeros((2, 1), np.uint16))
        for table in codec.tables
    ]
    return Bank([codec]).encode(rows, [1_700_000_000] * 2, [0, 20_000])


def _good() -> list[bytes]:
    """Frames of every type, none inside another one."""
    found = _data(configuration(0)) + _data(configuration(15, stations=2))
    for kind in (1, 2, 3):
        found += encode_configuration(configuration(kind, kind))
    found += [encode_command(Command(stream=1, command=code)) for code in (1, 2, 8)]
    return [*found, encode_header(HeaderFrame(stream=1, text="some words"))]


GOOD = _good()
PIECES = [
    encode_configuration(configuration(0, 3, 3), max_size=200, check="whole"),
    encode_configuration(configuration(0, 3, 3), max_size=200),
]


def stream_of(source: Source, good: Sequence[bytes] = GOOD, pieces: Sequence[Sequence[bytes]] = PIECES) -> bytes:
    """Good frames, damaged ones, false heads and anything else, as the source says; pieces: two series of a CFG-3."""
    parts: list[bytes] = []
    while source.left and len(parts) < 60:
        what = source.below(8)
        frame = bytearray(good[source.below(len(good))])
        if what == 1:
            frame[source.below(len(frame))] ^= source.below(256) or 1
        elif what == 2:
            del frame[source.below(len(frame)) :]
        elif what == 3:
            frame = bytearray(source.take(source.below(256)))
        elif what == 4:
            frame = bytearray(b"\xaa" + source.take(3))
        elif what == 5:
            frame = bytearray(source.take(source.below(5)) * source.below(256))
        elif what == 6:
            frame = bytearray(b"".join(pieces[source.below(2)]))
        elif what == 7:
            frame = bytearray(b"".join(pieces[source.below(2)][source.below(6) :]))
        parts.append(bytes(frame))
    return b"".join(parts)


def splitter(data: bytes) -> None:
    """Frames and counts are the same at any cut, and of a splitter that was put down and taken up; no byte is lost."""
    source = Source(data)
    steps = steps_of(source)
    frames = cut_up(stream_of(source), steps, Splitter)
    assert all(sound(frame) or piece_index(frame) for frame in frames)


def steps_of(source: Source) -> list[int]:
    """Sizes of the cuts."""
    return [1 + each * each // 4 for each in source.take(1 + source.below(4))] or [100]


def cut_up(stream: bytes, steps: list[int], kind: type[Splitter]) -> list[bytes]:
    """The frames of a stream, which are the same at any cut."""
    whole, cut = kind(), kind()
    frames = whole.feed(stream) + whole.close()
    found: list[bytes] = []
    skipped = corrupt = at = turn = 0
    while at < len(stream):
        step = steps[turn % len(steps)]
        found += cut.feed(stream[at : at + step])
        at, turn = at + step, turn + 1
        if turn % 8 == 0:
            skipped, corrupt = skipped + cut.skipped, corrupt + cut.corrupt
            cut = kind.restored(cut.tail(0), cut.state())
        assert cut.pending <= 0xFFFF + 16 + step
    found += cut.close()
    assert found == frames
    assert (skipped + cut.skipped, corrupt + cut.corrupt) == (whole.skipped, whole.corrupt)
    assert sum(map(len, frames)) + whole.skipped == len(stream)
    return frames


def frame(data: bytes) -> None:
    """Whatever has a good head and check word is parsed or refused; what was parsed is written and read as the same."""
    source = Source(data)
    kind, version, quality = source.below(8), source.below(16), source.below(256)
    head = Frame(stream=source.below(1 << 16), soc=source.below(1 << 32), quality=quality, count=9, version=version)
    whole = seal(kind, head, source.rest()[:MAX_BODY])
    try:
        parsed = parse(whole)
    except FrameError:
        return
    if isinstance(parsed, ConfigurationFrame):
        told(parsed)
    elif isinstance(parsed, HeaderFrame):
        if len(parsed.text.encode()) <= MAX_BODY:
            assert parse(encode_header(parsed)) == parsed
    elif isinstance(parsed, Command):
        assert encode_command(parsed) == whole


def told(cfg: ConfigurationFrame) -> None:
    """What a configuration leads to: journal, codec, words to other nodes, and its own frames again."""
    assert recalled(remembered(cfg)) == cfg
    codec = compile_codec(cfg)
    if codec.frame_size <= LARGEST_FRAME:
        decoded(cfg, bytes(codec.frame_size) + bytes(range(256)) * 16)
    for word in configurations(cfg, 1, "fuzz", 1):
        parts = wire.pack(word)
        assert wire.pack(wire.unpack(parts)) == parts
    if cfg.data_size > MAX_BODY:
        return
    try:
        again = encode_configuration(cfg, max_size=2000)
    except ValueError:
        assert cfg.kind < 3  # a name of 15 Latin-1 letters may need more bytes; CFG-2 has 65,535 in all
        return
    joined = Fragments()
    assert [joined.add(each, 0) if cfg.kind == 3 else None for each in again[:-1]] == [None] * (len(again) - 1)
    other = joined.add(again[-1], 0) if cfg.kind == 3 else parse(again[0])
    assert isinstance(other, ConfigurationFrame)
    assert (other.rate, other.time_base, other.data_size) == (cfg.rate, cfg.time_base, cfg.data_size)
    assert [_numbers(each) for each in other.stations] == [_numbers(each) for each in cfg.stations]


def _numbers(station: Station) -> list[Any]:
    """A station without its names, which a field may cut."""
    return [
        station.idcode, station.format, station.nominal, station.changes, station.latitude, station.window,
        [(each.kind, each.scale, each.offset) for each in station.phasors],
        [(each.kind, each.scale, each.offset) for each in station.analogs],
        [(each.normal, each.valid) for each in station.digitals],
    ]  # fmt: skip


def pieces(data: bytes) -> None:
    """CFG-3 pieces of any size, also lost, doubled, swapped and damaged: whole or refused, and never much held."""
    source = Source(data)
    cfg = configuration(source.below(16), 3, 1 + source.below(4))
    check = ("each", "whole")[source.below(2)]
    sent = encode_configuration(cfg, max_size=40 + source.below(600), check=check)  # type: ignore[arg-type]
    heard, fragments, clean = list(sent), Fragments(max_bytes=1 << 16), True
    for _ in range(source.below(4)):
        clean = False
        _disturb(heard, source)
    now = 0
    for each in heard:
        now += source.below(1 << 16) * SECOND // 4096
        try:
            found = fragments.add(each, now)
        except FrameError:
            assert not clean
            continue
        assert found is None or found.stations[0].idcode >= 0
        if clean and now < SECOND:
            assert (found == cfg) == (each is heard[-1])
    assert sum(len(each) for _, _, kept in fragments.state(1 << 30) for each in kept) <= 1 << 16


def _disturb(heard: list[bytes], source: Source) -> None:
    what, at = source.below(5), source.below(len(heard) or 1)
    if not heard:
        return
    if what == 0:
        del heard[at]
    elif what == 1:
        heard.insert(source.below(len(heard)), heard[at])
    elif what == 2:
        damaged = bytearray(heard[at])
        damaged[source.below(len(damaged))] ^= source.below(256)
        heard[at] = bytes(damaged)
    elif what == 3:
        heard[at] = heard[at][: 6 + source.below(len(heard[at]))]
    else:
        heard[at] = seal(5, Frame(stream=source.below(4), version=2), source.take(source.below(256)))


def codec(data: bytes) -> None:
    """Columns of frames with any content are what a reader of one field after the other reads."""
    source = Source(data)
    stations = tuple(_station(source) for _ in range(1 + source.below(3)))
    cfg = ConfigurationFrame(
        stream=1, version=1, kind=2 + source.below(2), time_base=1 + source.below((1 << 24) - 1),
        rate=source.below(1 << 16) - (1 << 15) or 50, stations=stations,
    )  # fmt: skip
    decoded(cfg, source.rest())


def _station(source: Source) -> Station:
    form, phasors, analogs, digitals = source.below(16), source.below(4), source.below(3), source.below(3)
    return Station(
        "Fuzz", 1, form,
        tuple(
            Phasor(f"P{k}", k % 2, source.below(1 << 16) / 1000 - 30, source.below(256) / 40) for k in range(phasors)
        ),
        tuple(Analog(f"A{k}", 0, source.below(256) - 128.0, source.below(256) / 8) for k in range(analogs)),
        (Digital(),) * digitals, nominal=(50, 60)[source.below(2)],
    )  # fmt: skip


def decoded(
    cfg: ConfigurationFrame, content: bytes, compiled: Callable[[Any], Codec] = compile_codec, head: int = 14
) -> None:
    """Up to eight frames in one call, and each one by hand; `head` bytes before the first station."""
    bank = compiled(cfg)
    size = bank.frame_size
    count = min(8, max(1, len(content) // size))
    block = content[: count * size].ljust(count * size, b"\x80")
    batch = bank.decode(block)
    assert len(batch.time) == count
    for k in range(count):
        plain.check(cfg, block[k * size : (k + 1) * size], batch, k, head)


def session(data: bytes) -> None:
    """A master and a device hear anything at any time; what they say is in proportion to that."""
    source = Source(data)
    now = Now(0, 1_700_000_000 * SECOND)
    master = Master(MasterSettings(stream=source.below(3) or None, attempts=source.below(3)))
    device = Device(configuration(0))
    said = len(list(master.begin(now)))
    heard = 1
    while source.left:
        now = Now(now.monotonic + source.below(256) * 50_000_000, now.utc + source.below(256) * 50_000_000)
        what = source.below(16)
        if what < len(GOOD):
            frame = GOOD[what]
        else:
            body = source.take(source.below(256))
            frame = seal(source.below(6), Frame(stream=source.below(4), version=source.below(4)), body)
        if not master.accepts(frame):
            said += len(list(master.receive(frame, now)))
        said += len(list(master.wake(now)))
        said += len(list(device.receive(frame, now.utc)))
        heard += 1
    assert said <= 16 * heard


def seeds() -> dict[str, list[bytes]]:
    """Inputs to begin with, by target."""
    bodies = [bytes([each[1] >> 4, each[1] & 15, 0, 0, 1, 0, 0, 0, 0]) + each[14:-2] for each in GOOD]
    streams = [bytes([3, 1, 9, 40]) + bytes([what, k, k]) * 3 for what in range(8) for k in range(len(GOOD))]
    formats = [
        bytes([0, form, 2, 1, 1, 120, 0, 3, 110, 0, 5, 3, 9, 0, 0, 0, 0x0F, 0x42, 0x40, 0x80, 50]) + bytes(range(80))
        for form in range(16)
    ]
    return {
        "splitter": streams,
        "frame": bodies,
        "pieces": [bytes([form, k, k % 2, 0, 9 * k, k, k, k, k]) for form in (0, 15) for k in range(12)],
        "codec": formats,
        "session": [bytes([1, 0]) + b"".join(bytes([k, k, what]) for what in range(15)) for k in range(6)],
    }


TARGETS = {"splitter": splitter, "frame": frame, "pieces": pieces, "codec": codec, "session": session}
