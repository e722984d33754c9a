"""Captures made up for whole runs: many devices at once, each with a habit or a trouble of its own.

Every device is small (some ten frames); what counts is that they are many in one file, as a run costs seconds.
"""

from __future__ import annotations

import struct
from binascii import crc_hqx
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from protocol.c37118 import (
    Analog,
    Command,
    ConfigurationFrame,
    Digital,
    HeaderFrame,
    Phasor,
    Station,
    encode_command,
    encode_configuration,
    encode_header,
)
from protocol.c37118.common import CRC_START
from protocol.clock import SECOND, to_soc
from tests import scenes
from tests.captures import Records, Talk, datagram, ethernet, ipv4, udp
from tests.scenes import BEGIN, configuration, data, told

MASTER = "10.0.0.9"
START = BEGIN * SECOND


class Crowd:
    """A capture being written; addresses are given in order."""

    def __init__(self) -> None:
        self.records: Records = []
        self._host = count(10)

    def address(self) -> str:
        host = next(self._host)
        return f"10.1.{host // 256}.{host % 256}"

    def device(
        self,
        cfg: ConfigurationFrame,
        frames: Sequence[bytes],
        *,
        before: Sequence[bytes] = (),
        start: float = 0.0,
        gap: float = 0.02,
        talk: Talk | None = None,
        asked: bool = True,
    ) -> Talk:
        """A TCP connection dialled by a master; `frames` one to a segment. `before` stands before the answer."""
        talk = talk or Talk(self.address())
        begin = START + int(start * SECOND)
        talk.opened(begin)
        for frame in before:
            talk.sends(begin + 500, frame)
        if asked:
            talk.says(begin + 1000, scenes.command(cfg.stream, 5)).sends(begin + 2000, told(cfg))
        talk.says(begin + 3000, scenes.command(cfg.stream, 2))
        for number, frame in enumerate(frames):
            talk.sends(begin + 10_000 + int(number * gap * SECOND), frame)
        self.keep(talk)
        return talk

    def keep(self, talk: Talk) -> None:
        """Take over what a connection has written."""
        self.records += talk.records
        talk.records = []

    def datagrams(self, source: str, frames: Sequence[bytes], start: float = 0.0, port: int = 4713) -> None:
        """UDP, 20 ms apart."""
        begin = START + int(start * SECOND)
        to = "fd00::9" if ":" in source else MASTER
        self.records += [datagram(begin + k * 20_000_000, source, to, frame, port) for k, frame in enumerate(frames)]

    def ordered(self) -> Records:
        """The packets as captured."""
        return sorted(self.records, key=lambda record: record[0])


# ── frames that no device should send ───────────────────────────────────────────────────────────────────────────


def sealed(body: bytes) -> bytes:
    """A frame with the check word that its bytes want."""
    return body + crc_hqx(body, CRC_START).to_bytes(2, "big")


def stamped(frame: bytes, soc: int | None = None, fracsec: int | None = None) -> bytes:
    """The frame with another time."""
    changed = bytearray(frame[:-2])
    if soc is not None:
        changed[6:10] = soc.to_bytes(4, "big")
    if fracsec is not None:
        changed[10:14] = fracsec.to_bytes(4, "big")
    return sealed(bytes(changed))


def at(cfg: ConfigurationFrame, frame: bytes, time: int) -> bytes:
    """The frame stamped with an instant [ns]."""
    soc, fraction = to_soc(time, cfg.time_base)
    return stamped(frame, soc, fraction)


def filled(frame: bytes, pattern: bytes, start: int = 14) -> bytes:
    """The frame with its body made of a pattern: every marker in every field, good check word."""
    size = len(frame) - 2 - start
    return sealed(frame[:start] + (pattern * (size // len(pattern) + 1))[:size])


def damaged(frame: bytes) -> bytes:
    """The frame with one bit turned."""
    return frame[:-3] + bytes([frame[-3] ^ 1]) + frame[-2:]


MARKERS = (b"\x80\x00", b"\x7f\xff", b"\x7f\xc0\x00\x00", b"\x7f\x80\x00\x00", b"\xff\x80\x00\x00", b"\0", b"\xff")
"""Of int16, float32 NaN, +inf, -inf, all zero, all one."""


# ── crowds ──────────────────────────────────────────────────────────────────────────────────────────────────────


def formats() -> Crowd:
    """All FORMATs, shapes and rates; several stations of different shape in one stream; names of all kinds."""
    crowd = Crowd()
    for form in range(16):
        cfg = configuration(100 + form, form=form, stations=2, name=f"Format {form}")
        frames = data(cfg, 6)
        crowd.device(cfg, [*frames, *(at(cfg, filled(frames[0], mark), START + (7 + k) * 20_000_000)
                                      for k, mark in enumerate(MARKERS))])  # fmt: skip
    mixed = configuration(200)
    shapes = [(15, 0, 0, 0), (0, 3, 2, 2), (5, 1, 0, 1), (10, 2, 3, 0), (15, 1, 0, 1)]
    mixed = replace(mixed, stations=tuple(_station(k, *shape) for k, shape in enumerate(shapes)))
    crowd.device(mixed, data(mixed, 20))
    for number, (rate, base) in enumerate(
        [(10, 1_000_000), (25, 0xFFFFFF), (60, 1_000_000), (120, 720), (1, 1000), (-1, 1), (-5, 16_000), (30, 65_536),
         (100, 1_000_000), (240, 0xFFFFFF), (50, 50), (1000, 1_000_000)]
    ):  # fmt: skip
        cfg = configuration(300 + number, rate=rate, time_base=base, name=f"Rate {rate}")
        crowd.device(cfg, data(cfg, 12), gap=1 / rate if rate > 0 else -rate)
    names = [
        "a,b",
        'say "x"',
        "two\nlines",
        "nul\0behind",
        "  both ends  ",
        "Umspannwerk Süd",
        "北京站",
        "",
        "same",
        "same",
    ]
    for number, name in enumerate(names):
        cfg = configuration(400 + number)
        station = replace(cfg.stations[0], name=name, phasors=(Phasor(name), Phasor(name), Phasor("x,y", kind=1)))
        crowd.device(replace(cfg, stations=(station, replace(station, idcode=7))), data(_with(cfg, station), 4))
    twin = [
        configuration(40, rate=rate, time_base=base, name="Twin") for rate, base in ((50, 1_000_000), (60, 0xFFFFFF))
    ]
    for cfg in twin:
        crowd.device(cfg, data(cfg, 15))
    address = crowd.address()
    for number in range(3):
        cfg = configuration(500 + number, phasors=number, name="Port")
        crowd.device(cfg, data(cfg, 10), talk=Talk(address, device_port=4712 + number))
    same = configuration(510, name="Same port")
    for number in range(2):
        crowd.device(same, data(same, 10, first=50 * number), talk=Talk(address, device_port=4720 + number))
    return crowd


def _with(cfg: ConfigurationFrame, station: Station) -> ConfigurationFrame:
    return replace(cfg, stations=(station, replace(station, idcode=7)))


def _station(place: int, form: int, phasors: int, analogs: int, digitals: int) -> Station:
    return Station(
        f"Mixed {place}",
        900 + place,
        form,
        tuple(Phasor(f"P{k}", kind=k % 2, scale=0.25) for k in range(phasors)),
        tuple(Analog(f"A{k}", scale=3.0) for k in range(analogs)),
        tuple(Digital() for _ in range(digitals)),
        60 if place % 2 else 50,
    )


def troubles() -> Crowd:
    """Damaged bytes and odd times, each in a connection of its own."""
    crowd = Crowd()
    for number, trouble in enumerate(TROUBLES):
        cfg = configuration(600 + number, name=trouble.__name__)
        crowd.device(cfg, list(trouble(cfg)), gap=0.001)
    cfg = configuration(700, name="segments")
    talk = Talk(crowd.address()).opened(START)
    frames = data(cfg, 30)
    talk.sends(START + 1, told(cfg) + frames[0][:9]).sends(START + 2, frames[0][9:] + frames[1] + frames[2][:1])
    talk.sends(START + 3, frames[2][1:]).repeats(START + 4, frames[2][5:]).repeats(START + 5, frames[1], len(frames[2]))
    talk.swapped(START + 6, frames[3] + frames[4], frames[5] + frames[6][:3]).sends(START + 9, frames[6][3:])
    talk.sends(START + 10, b"".join(frames[7:20])).loses(len(frames[20]) + 11).sends(START + 11, frames[21][11:])
    talk.sends(START + 12, b"".join(frames[22:29])).sends(START + 13, frames[29][:20])
    crowd.keep(talk)
    cfg = configuration(701, name="mid stream")
    frames = data(cfg, 12)
    talk = Talk(crowd.address(), device_sequence=2**32 - 100)
    talk.sends(START, frames[0][7:]).sends(START + 1, b"".join(frames[1:6]) + told(cfg) + b"".join(frames[6:]))
    crowd.keep(talk)
    return crowd


def junk(cfg: ConfigurationFrame) -> Iterator[bytes]:
    frames = data(cfg, 20)
    yield from [*frames[:5], b"\xaa", *frames[5:8], b"\0", *frames[8:10], b"\xaa\x01\x00", frames[10]]
    yield from [b"\xaa\x31\xff\xff", *frames[11:15], b"\xaa\x01\x00\x30" + bytes(9), *frames[15:]]


def bad_check(cfg: ConfigurationFrame) -> Iterator[bytes]:
    frames = data(cfg, 20)
    yield from [*frames[:5], damaged(frames[5]), *frames[6:9], damaged(frames[9]), damaged(frames[10])]
    yield from [damaged(told(cfg)), *frames[11:], damaged(frames[0])]


def cut_short(cfg: ConfigurationFrame) -> Iterator[bytes]:
    frames = data(cfg, 20)
    yield from [frames[0], frames[1][:20], *frames[2:9], frames[9][:-1], *frames[10:15], frames[15][:15], *frames[16:]]
    yield frames[0][:30]


def stale(cfg: ConfigurationFrame) -> Iterator[bytes]:
    frames = data(cfg, 40)
    old = data(cfg, 3, first=-5_000_000)
    yield from [*frames[:10], old[0], *frames[10:20], old[1], old[2], old[0], *frames[20:]]


def stale_copy(cfg: ConfigurationFrame) -> Iterator[bytes]:
    """A frame of two minutes ago once more; the capture has both."""
    frames = data(cfg, 10)
    later = data(cfg, 10, first=6000)
    between = data(cfg, 120, first=50)[::50] + data(cfg, 3, first=2400) + data(cfg, 3, first=4500)
    yield from [*frames, *between, *later[:5], frames[3], *later[5:], frames[3], later[2]]


def clock_back(cfg: ConfigurationFrame) -> Iterator[bytes]:
    """A second twice, with other values; and the hour set."""
    frames = data(cfg, 60)
    again = [stamped(frame, soc=int.from_bytes(frame[6:10], "big") - 1) for frame in frames[50:]]
    yield from [*frames[:50], *again, *frames[50:], *data(cfg, 30, first=180_000), *data(cfg, 30, first=60)]


def leap(cfg: ConfigurationFrame) -> Iterator[bytes]:
    """FRACSEC runs on beyond TIME_BASE through the inserted second; then the quality flags of one."""
    frames = data(cfg, 60)
    for frame in frames[40:50]:
        yield stamped(frame, fracsec=int.from_bytes(frame[11:14], "big") + cfg.time_base)
    yield stamped(frames[50], fracsec=cfg.time_base)
    yield from [stamped(frame, fracsec=0x2F << 24 | int.from_bytes(frame[11:14], "big")) for frame in frames[10:20]]
    yield stamped(frames[51], fracsec=0xFFFFFF)


def off_grid(cfg: ConfigurationFrame) -> Iterator[bytes]:
    yield from (at(cfg, frame, START + 5_000_000 + k * 20_000_000) for k, frame in enumerate(data(cfg, 20)))
    yield from (at(cfg, frame, START + 10**9 + k * 19_700_001) for k, frame in enumerate(data(cfg, 60, first=90)))


def too_many(cfg: ConfigurationFrame) -> Iterator[bytes]:
    """100 frames/s where the configuration says 50."""
    yield from (at(cfg, frame, START + k * 10_000_000) for k, frame in enumerate(data(cfg, 50)))


def twice(cfg: ConfigurationFrame) -> Iterator[bytes]:
    """Every frame two times; then some long after."""
    frames = data(cfg, 20)
    yield from (frame for frame in frames for _ in range(2))
    yield from frames[5:9]


def twice_and_set(cfg: ConfigurationFrame) -> Iterator[bytes]:
    """Every frame two times, and the clock set by a day meanwhile."""
    frames = [*data(cfg, 20), *data(cfg, 30, first=50 * 86_400)]
    yield from (frame for frame in frames for _ in range(2))


def changed(cfg: ConfigurationFrame) -> Iterator[bytes]:
    """Another configuration, announced; then one that comes after its first DATA; then the first again."""
    second = replace(configuration(cfg.stream, phasors=3, name="second"), soc=BEGIN + 1)
    third = replace(configuration(cfg.stream, phasors=4, form=0, name="third"), soc=BEGIN + 2)
    same_size = replace(cfg, stations=(replace(cfg.stations[0], name="renamed"),))
    yield from [*data(cfg, 8), *data(cfg, 2, first=8, status=0x0400), told(second), *data(second, 10, first=10)]
    yield from [*data(third, 5, first=20), told(third), *data(third, 5, first=25), told(third), told(cfg)]
    yield from [*data(cfg, 5, first=30), told(same_size), *data(same_size, 5, first=35)]


def nothing_fits(cfg: ConfigurationFrame) -> Iterator[bytes]:
    """Some DATA are of a configuration that the capture does not have."""
    other = data(configuration(cfg.stream, phasors=5), 4)
    yield from [*data(cfg, 5), *other[:2], *data(cfg, 10, first=5), *other[2:], *data(cfg, 5, first=15)]


def absent(cfg: ConfigurationFrame) -> Iterator[bytes]:
    """STAT says in turn everything that its upper bits can."""
    for k in range(16):
        yield from data(cfg, 1, first=k, status=k << 12 | k)


TROUBLES: tuple[Callable[[ConfigurationFrame], Iterator[bytes]], ...] = (
    junk, bad_check, cut_short, stale, stale_copy, clock_back, leap, off_grid, too_many, twice, twice_and_set,
    changed, nothing_fits, absent,
)  # fmt: skip


def ways() -> Crowd:
    """Connections and datagrams of every kind, with foreign traffic between them."""
    crowd = Crowd()
    _streams_together(crowd)
    _reconnects(crowd)
    _over_udp(crowd)
    _configurations(crowd)
    _foreign(crowd)
    return crowd


def _streams_together(crowd: Crowd) -> None:
    """Three streams on one connection, with garbage between them; two in one pair of UDP ports."""
    cfgs = [configuration(800 + k, phasors=k, stations=1 + k % 2, name=f"Multiplex {k}") for k in range(3)]
    talk = Talk(crowd.address()).opened(START)
    for cfg in cfgs:
        talk.says(START + 1, scenes.command(cfg.stream, 5)).sends(START + 2, told(cfg))
    for k in range(20):
        for cfg in cfgs:
            talk.sends(START + 20_000_000 * k, data(cfg, 1, first=k)[0] + (b"\xaa\x01\x00\x99" if k == 7 else b""))
    talk.sends(START + SECOND, data(cfgs[0], 1, first=40)[0][:20] + data(cfgs[1], 1, first=40)[0])
    crowd.keep(talk)
    cfgs = [configuration(810 + k, phasors=1 + k, name=f"Datagram {k}") for k in range(2)]
    frames = [frame for k in range(15) for cfg in cfgs for frame in data(cfg, 1, first=k)]
    crowd.datagrams(crowd.address(), [told(cfgs[0]) + told(cfgs[1]), *frames])


def _reconnects(crowd: Crowd) -> None:
    cfg = configuration(820, name="Reconnect")
    address = crowd.address()
    for k in range(4):
        new = replace(configuration(820, phasors=2 + k % 2, name=f"Reconnect {k}"), soc=BEGIN + k)
        frames = data(new, 12, first=200 * k)
        crowd.device(new, [*frames, frames[-1][:13]], start=4.0 * k, talk=Talk(address, master_port=51_000 + k))
    overlapping, address = configuration(821, name="Overlap"), crowd.address()
    for k in range(2):  # two masters, or the old connection lingering: each gets the same frames
        crowd.device(overlapping, data(overlapping, 25), start=0.1 * k, talk=Talk(address, master_port=52_000 + k))
    late, address = configuration(822, name="Hour later"), crowd.address()
    for k in range(2):
        frames = data(late, 10, first=180_000 * k)
        crowd.device(late, frames, start=3600.0 * k, talk=Talk(address, master_port=53_000 + k))
    unasked = configuration(823, name="Unasked")
    address = crowd.address()
    crowd.device(unasked, data(unasked, 10), talk=Talk(address))
    crowd.device(unasked, data(unasked, 10, 100), start=2, talk=Talk(address, master_port=54_000), asked=False)
    dials = Talk(MASTER, crowd.address(), device_port=4712, master_port=40_000).opened(START)
    for frame in (told(cfg), *data(cfg, 10)):  # the device dials us: it is the client of this connection
        dials.says(START + SECOND, frame)
    crowd.keep(dials)


def _over_udp(crowd: Crowd) -> None:
    cfg = configuration(830, name="Doubled")
    frames = data(cfg, 15)
    crowd.datagrams(crowd.address(), [told(cfg), *(frame for frame in frames for _ in range(2))])
    cfg, address = configuration(831, name="Both ways"), crowd.address()
    crowd.device(cfg, [], talk=Talk(address))
    crowd.datagrams(address, [*data(cfg, 10), *data(cfg, 4, 10)[::-1]], start=0.5)
    cfg = configuration(832, name="Cut datagrams")
    frames = data(cfg, 10)
    crowd.datagrams(
        crowd.address(), [told(cfg), frames[0], frames[1][:30], frames[2] + frames[3], b"\xaa", *frames[4:]]
    )
    cfg = configuration(833, name="Late word")
    crowd.datagrams(crowd.address(), [*data(cfg, 10), told(cfg), *data(cfg, 10, first=10)])
    cfg = configuration(834, name="Six")
    crowd.datagrams("fd00::7", [told(cfg), *data(cfg, 10)])
    cfg = configuration(835, name="Six over TCP", stations=2)
    crowd.device(cfg, data(cfg, 10), talk=Talk("fd00::8", "fd00::9", vlans=(5, 6)))
    none = configuration(836, name="Never told")
    crowd.datagrams(crowd.address(), data(none, 5))


def _configurations(crowd: Crowd) -> None:
    """CFG-3 whole and in pieces of both habits, CFG-1, headers, commands, each around DATA."""
    for k, check in enumerate(("each", "whole")):
        cfg = configuration(840 + k, kind=3, stations=4, name=f"Pieces {check}")
        pieces = encode_configuration(cfg, 3, 300, check)  # type: ignore[arg-type]
        talk = Talk(crowd.address()).opened(START).sends(START + 1, b"".join(pieces))
        for number, frame in enumerate(data(cfg, 10)):
            talk.sends(START + number * 20_000_000, frame)
        again = encode_configuration(replace(cfg, stations=cfg.stations[:3]), 3, 300, check)  # type: ignore[arg-type]
        talk.sends(START + SECOND, b"".join(again))
        for frame in data(replace(cfg, stations=cfg.stations[:3]), 10, first=50):
            talk.sends(START + SECOND + 1, frame)
        crowd.keep(talk)
    cfg = configuration(844, kind=3, stations=4, name="Pieces in datagrams")
    for check in ("each", "whole"):
        pieces = encode_configuration(cfg, 3, 300, check)  # type: ignore[arg-type]
        crowd.datagrams(crowd.address(), [*pieces, *data(cfg, 10)])
    cfg, address = configuration(845, name="Ports"), crowd.address()
    for k, frame in enumerate([told(cfg), *data(cfg, 60)]):
        crowd.datagrams(address, [frame], start=0.02 * k, port=30_000 + k)
    cfg = configuration(842, name="All kinds", kind=3)
    words = [encode_header(HeaderFrame(stream=842, text="hello")), encode_configuration(cfg, 1)[0]]
    words += [encode_configuration(cfg, 2)[0], encode_header(HeaderFrame(stream=842, text=""))]
    words.append(encode_command(Command(stream=842, command=8, extended=bytes(20))))
    frames = data(cfg, 15)
    mixed = [frame for k, frame in enumerate(frames) for frame in ([words[k // 3], frame] if k % 3 == 0 else [frame])]
    crowd.device(cfg, mixed)
    only = configuration(843, name="Only CFG-1", kind=1)
    crowd.device(only, data(only, 10))


def _foreign(crowd: Crowd) -> None:
    web = Talk(MASTER, "10.0.0.77", device_port=80, master_port=51_000).opened(START)
    web.says(START + 1, b"GET /aa HTTP/1.1\r\n\r\n").sends(
        START + 2, b"HTTP/1.1 200 OK\r\n\r\n" + b"\xaa\x01\0\x30" * 99
    )
    tls = Talk(MASTER, "10.0.0.78", device_port=443).opened(START)
    tls.says(START + 3, b"\x16\x03\x01\x02\x00\x01" + np.random.default_rng(7).bytes(9000))
    bus = Talk(MASTER, "10.0.0.79", device_port=502).opened(START)
    bus.says(START + 4, struct.pack(">HHHBBHH", 1, 0, 6, 17, 3, 107, 3))
    for talk in (web, tls, bus):
        crowd.keep(talk)
    query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\0\0\x01\0\x01"
    crowd.records.append((START, ethernet(ipv4(MASTER, "10.0.0.1", 17, udp(5353, 53, query)))))
    crowd.records.append((START, bytes(12) + b"\x08\x06" + bytes(46)))
