"""C37.118 frames of the chaos devices: an encoder of their own, written from the standard, apart from the station's."""

from __future__ import annotations

import struct
from binascii import crc_hqx
from collections.abc import Iterator

import numpy as np

from tests.chaos.truth import FLOAT, MAGNITUDE_SCALE, PERIOD, RATE, Device, raw

DATA, CFG2, CFG3, COMMAND = 0x01, 0x31, 0x52, 4
STOP, START, SEND_HEADER, SEND_CFG1, SEND_CFG2, SEND_CFG3 = range(1, 7)
TIME_BASE = 1_000_000
CHANGING = 1 << 10
"""STAT: the configuration will change."""


def frame(kind: int, stream: int, time: int, body: bytes) -> bytes:
    """A whole frame of an instant [ns UTC]."""
    soc, rest = divmod(time, 1_000_000_000)
    head = struct.pack(">BBHHII", 0xAA, kind, len(body) + 16, stream, soc, rest * TIME_BASE // 1_000_000_000)
    return head + body + struct.pack(">H", crc_hqx(head + body, 0xFFFF))


def data(device: Device, form: int, k: int, status: int = 0, ahead: int = 0) -> bytes:
    """The DATA frame of the k-th instant, from a clock that is so many ns ahead."""
    said = raw(device, form, np.array([k], np.int64))
    if form == FLOAT:
        phasors = np.stack([said.magnitude[0], said.angle[0]], axis=1).astype(">f4").tobytes()
        rest = struct.pack(">ff", said.frequency[0], said.rocof[0]) + said.analog[0].astype(">f4").tobytes()
    else:
        phasors = b"".join(
            struct.pack(">Hh", int(m), int(a)) for m, a in zip(said.magnitude[0], said.angle[0], strict=True)
        )
        rest = struct.pack(">hh", int(said.frequency[0]), int(said.rocof[0])) + said.analog[0].astype(">i2").tobytes()
    body = struct.pack(">H", status) + phasors + rest + said.digital[0].astype(">u2").tobytes()
    return frame(DATA, device.number, k * PERIOD + ahead, body)


def _format(form: int) -> int:
    return 0x000F if form == FLOAT else 0x0001  # polar; int16 or float throughout


def _names(device: Device) -> list[str]:
    words = [f"D{w}B{b}" for w in range(device.digitals) for b in range(16)]
    return [f"V{p}" for p in range(device.phasors)] + [f"A{a}" for a in range(device.analogs)] + words


def cfg2(device: Device, form: int, count: int, time: int) -> bytes:
    """CFG-2 of one form; `count` is CFGCNT."""
    names = b"".join(name.encode().ljust(16) for name in _names(device))
    units = struct.pack(">I", round(MAGNITUDE_SCALE / 1e-5)) * device.phasors + struct.pack(">I", 1) * device.analogs
    shape = struct.pack(">HHHHH", device.number, _format(form), device.phasors, device.analogs, device.digitals)
    block = f"Chaos {device.number}".encode().ljust(16) + shape + names + units
    block += struct.pack(">HH", 0, 0xFFFF) * device.digitals + struct.pack(">HH", 1, count)
    return frame(CFG2, device.number, time, struct.pack(">IH", TIME_BASE, 1) + block + struct.pack(">h", RATE))


def cfg3(device: Device, form: int, count: int, time: int) -> bytes:
    """CFG-3 of one form, in one frame."""
    names = b"".join(bytes([len(name)]) + name.encode() for name in [*_names(device)])
    station = f"Chaos {device.number}".encode()
    shape = struct.pack(">HHHH", _format(form), device.phasors, device.analogs, device.digitals)
    block = bytes([len(station)]) + station + struct.pack(">H", device.number) + bytes(16) + shape + names
    block += struct.pack(">HBBff", 0, 0, 0, MAGNITUDE_SCALE, 0.0) * device.phasors
    block += struct.pack(">ff", 1.0, 0.0) * device.analogs + struct.pack(">HH", 0, 0xFFFF) * device.digitals
    block += struct.pack(">fff", 47.0, 119.0, 600.0) + b"M" + struct.pack(">iiHH", 0, 0, 1, count)
    return frame(CFG3, device.number, time, struct.pack(">HIH", 0, TIME_BASE, 1) + block + struct.pack(">h", RATE))


def commands(heard: bytearray) -> Iterator[int]:
    """Command words in what was heard; takes them off the buffer. Junk is skipped byte by byte."""
    while len(heard) >= 4:
        size = int.from_bytes(heard[2:4], "big")
        if heard[0] != 0xAA or heard[1] >> 4 & 7 != COMMAND or not 18 <= size <= 65535:
            del heard[0]
            continue
        if len(heard) < size:
            return
        whole = bytes(heard[:size])
        if crc_hqx(whole[:-2], 0xFFFF) != int.from_bytes(whole[-2:], "big"):
            del heard[0]
            continue
        del heard[:size]
        yield int.from_bytes(whole[14:16], "big")
