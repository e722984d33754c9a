"""Frames written field by field from the description of the protocol, with none of its code: to compare with."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

V2, V3 = 2, 3
WHO = b"0GX00GP1"


def crc(data: bytes) -> int:
    """CRC-CCITT with initial value 0, bit by bit."""
    word = 0
    for byte in data:
        word ^= byte << 8
        for _ in range(8):
            word = (word << 1 ^ (0x1021 if word & 0x8000 else 0)) & 0xFFFF
    return word


def frame(kind: int, version: int, rest: bytes) -> bytes:
    """`rest` is everything behind SIZE and before CHK."""
    image = bytes([0xAA, kind << 4 | version]) + struct.pack(">H", len(rest) + 6) + rest
    return image + struct.pack(">H", crc(image))


def name(text: str | bytes, pad: bytes = b"\0") -> bytes:
    """16 bytes of GBK."""
    return (text if isinstance(text, bytes) else text.encode("gbk")).ljust(16, pad)


@dataclass
class Block:
    """One PMU block; words as sent."""

    stn: bytes = field(default_factory=lambda: name("场站一 PMU"))
    identity: bytes = b"0GX00PM1"
    form: int = 0
    phasors: list[tuple[bytes, int]] = field(
        default_factory=lambda: [(name("UA-A相电压", b" "), 915_527), (name("IA"), 1 << 24 | 45_776)]
    )
    analogs: list[tuple[bytes, int]] = field(default_factory=lambda: [(name("有功功率"), 1 << 24 | 250_000)])
    digitals: list[tuple[list[bytes], int]] = field(
        default_factory=lambda: [([name(f"开关{bit}") for bit in range(16)], 0x0001_00FF)]
    )
    fnom: int = 1
    period: int = 100

    def bytes(self) -> bytes:
        counts = struct.pack(">4H", self.form, len(self.phasors), len(self.analogs), len(self.digitals))
        labels = [each for names, _ in self.digitals for each in names]
        names = b"".join([each for each, _ in self.phasors] + [each for each, _ in self.analogs] + labels)
        words = [word for channels in (self.phasors, self.analogs, self.digitals) for _, word in channels]
        units = b"".join(struct.pack(">I", word) for word in words)
        return self.stn + self.identity + counts + names + units + struct.pack(">HH", self.fnom, self.period)


def configuration(
    kind: int,
    version: int,
    blocks: list[Block],
    soc: int = 1_700_000_000,
    identity: bytes = WHO,
    rate: int = 1_000_000,
    fraction: int = 0,
    check_kind: int = 0,
) -> bytes:
    """CFG-1 (kind 1) or CFG-2."""
    head = struct.pack(">IH", soc, check_kind) if version == V2 else identity + struct.pack(">II", soc, fraction)
    body = head + struct.pack(">IH", rate, len(blocks)) + b"".join(block.bytes() for block in blocks)
    return frame(kind + 1, version, body)


def command(word: int, version: int, soc: int = 1_700_000_000, identity: bytes = WHO) -> bytes:
    """CMD."""
    if version == V2:
        return frame(4, version, struct.pack(">I", soc) + identity + struct.pack(">H", word))
    return frame(4, version, identity + struct.pack(">IIH", soc, 0, word))


def data(version: int, body: bytes, soc: int = 1_700_000_000, fraction: int = 0, identity: bytes = WHO) -> bytes:
    """DATA; body from the first STAT on."""
    head = b"" if version == V2 else identity
    return frame(0, version, head + struct.pack(">II", soc, fraction) + body)


def integers(stat: int = 0, shift: int = 0) -> bytes:
    """The block of a `Block` as it is by default: two rectangular phasors, FREQ, DFREQ, one analog, one word."""
    fields = (stat, 6000 + shift, 8000, -300, 400, 20 + shift, -5, 1234, 0x00F1)
    return struct.pack(">H4hhhhH", *fields)
