"""The configuration file of COMTRADE: IEEE C37.111-2013 (IEC 60255-24), clause 7.

    station_name,rec_dev_id,rev_year
    TT,##A,##D
    An,ch_id,ph,ccbm,uu,a,b,skew,min,max,primary,secondary,PS      for each analog channel
    Dn,ch_id,ph,ccbm,y                                             for each status channel
    lf
    nrates
    samp,endsamp
    dd/mm/yyyy,hh:mm:ss.ssssss                                     of the first sample
    dd/mm/yyyy,hh:mm:ss.ssssss                                     of the trigger
    ft
    timemult
    time_code,local_code
    tmq_code,leapsec

Times count in µs, or where these do not suffice in ns; `timemult` widens what 32 bits of a time stamp reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from archive import layout
from archive.exports.plan import Track
from protocol import clock
from protocol.messages import Table

STAMP = (1 << 32) - 2
"""Greatest time stamp; 0xFFFFFFFF is one that is missing."""
FLOAT = "3.4028235E38"
ID_LENGTH = 64
STAT_BITS = ("trigger reason 0", "trigger reason 1", "trigger reason 2", "trigger reason 3", "unlocked time 0",
             "unlocked time 1", "time quality 0", "time quality 1", "time quality 2", "data modified",
             "configuration change", "trigger", "sorted by arrival", "not synchronised", "data error 0",
             "data error 1")  # fmt: skip
"""Of STAT (IEEE C37.118.2-2011, table 7), bit 0 first."""
PENDING, OCCURRED, DELETED = 0x10, 0x20, 0x40
"""Of the time quality byte (C37.118.2-2011, table 3): a leap second is near, was, and which way it goes."""


class Kind(StrEnum):
    """How the data are written, `ft` of the standard."""

    ASCII = "ASCII"
    BINARY32 = "BINARY32"
    """Whole numbers of 32 bits, scaled by a and b."""
    FLOAT32 = "FLOAT32"


class Bit(NamedTuple):
    """A status channel."""

    name: str
    normal: int
    field: str
    word: int
    """Which one of those of that field."""
    bit: int


class Scale(NamedTuple):
    """What a stored number means: a * number + b."""

    a: float = 1.0
    b: float = 0.0


@dataclass(frozen=True)
class Pace:
    """How time is told."""

    start: int
    """ns UTC of the first sample"""
    unit: int
    """ns: 1,000 or 1"""
    multiplier: int

    def text(self, time: int) -> str:
        """An instant as the file has it."""
        digits = 6 if self.unit == clock.MICROSECOND else 9
        second, rest = divmod(time, clock.SECOND)
        return f"{layout.moment(second * clock.SECOND):%d/%m/%Y,%H:%M:%S}.{rest // self.unit:0{digits}d}"


def pace(track: Track) -> Pace:
    """In µs if all stamps, and the first sample's time, are whole ones; a multiplier that has the last stamp fit."""
    rate = Table(*track.configuration.table).rate
    first, last = (int(clock.slot_time(slot, rate)) for slot in (track.first, track.last))
    whole = track.on_grid and (rate < 0 or clock.SECOND % (rate * clock.MICROSECOND) == 0)
    unit, multiplier = clock.MICROSECOND if whole else 1, 1
    while (last - first + clock.period(rate)) // (unit * multiplier) > STAMP:
        multiplier *= 10
    return Pace(first, unit, multiplier)


def bits(track: Track) -> list[Bit]:
    """Status channels: STAT bit by bit, and of the digital words the bits that are in use."""
    each, found = track.configuration, []
    for channel in track.channels:
        if channel.field == "status":
            found += [Bit(f"STAT {name}", 0, "status", 0, bit) for bit, name in enumerate(STAT_BITS)]
    words = [channel.at for channel in track.channels if channel.field == "digital"]
    for at, word in enumerate(words):
        valid, normal = each.digital_valid[word] or 0xFFFF, each.digital_normal[word]
        for bit in range(16):
            if valid >> bit & 1:
                name = each.digitals[word][bit] or f"word {word + 1} bit {bit}"
                found.append(Bit(name, normal >> bit & 1, "digital", at, bit))
    return found


def leap_second(flags: int) -> int:
    """`leapsec` from all time quality bytes of a record put together: one was in it where it was near, then over."""
    if flags & PENDING and flags & OCCURRED:
        return 2 if flags & DELETED else 1
    return 0


def text(track: Track, kind: Kind, timing: Pace, trigger: int, scales: Sequence[Scale], quality: int,
         leap: int) -> str:  # fmt: skip
    """The whole file. `quality`: worst time quality code (0 = locked, 15 = clock failure)."""
    each, status = track.configuration, bits(track)
    analog = [channel for channel in track.channels if channel.field == "values"]
    rate = Table(*each.table).rate
    low, high = ("-2147483647", "2147483647") if kind is Kind.BINARY32 else (f"-{FLOAT}", FLOAT)
    lines = [f"{name(track.label)},{each.stream or each.device},2013",
             f"{len(analog) + len(status)},{len(analog)}A,{len(status)}D"]  # fmt: skip
    for number, (channel, scale) in enumerate(zip(analog, scales, strict=True), 1):
        title = channel.name if channel.quantity == "analog" else f"{channel.name} {channel.quantity}".strip()
        unit = name({"degrees": "deg"}.get(channel.unit, channel.unit), 32)
        lines.append(f"{number},{name(title)},,,{unit},{scale.a!r},{scale.b!r},0,{low},{high},1,1,P")
    lines += [f"{number},{name(bit.name)},,,{bit.normal}" for number, bit in enumerate(status, 1)]
    sampling = ["1", f"{rate if rate > 0 else -1 / rate!r},{track.rows}"] if track.steady else ["0", f"0,{track.rows}"]
    lines += [str(each.nominal), *sampling, timing.text(timing.start), timing.text(trigger), kind.value,
              str(timing.multiplier), "0,x", f"{quality:X},{leap}"]  # fmt: skip
    return "".join(f"{line}\r\n" for line in lines)


def name(told: str, length: int = ID_LENGTH) -> str:
    """A name as a field: no commas, no line ends, not too long."""
    return "".join(" " if mark == "," or not mark.isprintable() else mark for mark in told)[:length].strip()
