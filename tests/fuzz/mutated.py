"""Mutated C37.118 frames through splitter, parser, session and codec: no exception, no hang, bounded memory.

Frames of every type and FORMAT are damaged (bits, bytes, cuts, counts, sizes); half of them get a good check word
again, so that the damage reaches the parsers. They go as one stream in random pieces through the splitter; what comes
out is parsed, told to a `Master` and a `Device`, and decoded where its size fits. Anything but FrameError ends the run.
"""

from __future__ import annotations

import random
import resource
import time
import warnings
from binascii import crc_hqx
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from protocol.c37118 import (
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
    Send,
    Splitter,
    Station,
    compile_codec,
    configurations,
    encode_command,
    encode_configuration,
    encode_header,
    frame_type,
    parse,
)
from protocol.c37118.codec import StationRows
from protocol.c37118.common import FrameType
from protocol.clock import SECOND, Now

BATCH = 500
"""Frames of one chunk of work."""
PATIENCE = 5.0
"""Seconds of CPU that one chunk may take before it is called a hang."""


def configuration(form: int, kind: int = 2, stations: int = 1) -> ConfigurationFrame:
    """A small configuration with every kind of channel."""
    phasors = (Phasor("VA", 0, 9.15527), Phasor("IA", 1, 0.45776))
    station = Station("Fuzz", 1, form, phasors, (), (Digital(),), service="M")
    return ConfigurationFrame(
        stream=1, version=2, kind=kind, time_base=1_000_000, rate=50, stations=(station,) * stations
    )


def corpus() -> tuple[list[bytes], dict[int, list[Codec]]]:
    """Good frames of every type and FORMAT, and the codecs of their DATA by frame size."""
    frames: list[bytes] = []
    codecs: dict[int, list[Codec]] = {}
    for form in range(16):
        codec = compile_codec(configuration(form, stations=1 + form % 3))
        codecs.setdefault(codec.frame_size, []).append(codec)
        rows = [
            StationRows(np.zeros(2, np.uint16), np.ones((2, table.channels), np.float32), np.zeros((2, 1), np.uint16))
            for table in codec.tables
        ]
        frames += Bank([codec]).encode(rows, [1_700_000_000] * 2, [0, 20_000]) * 2
    for kind in (1, 2, 3):
        frames += encode_configuration(configuration(kind, kind, 2)) * 8
    frames += encode_configuration(configuration(0, 3, 4), max_size=300) * 2
    frames += encode_configuration(configuration(0, 3, 4), max_size=300, check="whole") * 2
    frames += [encode_command(Command(stream=1, command=code)) for code in range(1, 9)]
    frames += [encode_header(HeaderFrame(stream=1, text="some words")), encode_header(HeaderFrame(stream=1))]
    return frames, codecs


def mutated(frame: bytes, chance: random.Random) -> bytes:
    """A frame with one to four kinds of damage; half of them with a good check word (and FRAMESIZE) again."""
    data = bytearray(frame)
    for _ in range(chance.randint(1, 4)):
        kind = chance.randrange(6)
        at = chance.randrange(len(data)) if data else 0
        if kind == 0 and data:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and data:
            data[at] = chance.choice((0, 0x7F, 0x80, 0xAA, 0xFF))
        elif kind == 2:
            del data[at : at + chance.randint(1, 8)]
        elif kind == 3:
            data[at:at] = chance.randbytes(chance.randint(1, 8))
        elif kind == 4 and len(data) > 20:
            data[14 : chance.randint(15, 20)] = b""
        else:
            data[at : at + 2] = chance.randbytes(2)
    return repaired(data) if chance.random() < 0.5 and len(data) >= 16 else bytes(data)


def repaired(data: bytearray) -> bytes:
    """The same with SYNC, FRAMESIZE and check word as they should be."""
    data[0], data[1] = 0xAA, data[1] & 0x73
    data[2:4] = len(data).to_bytes(2, "big")
    data[-2:] = crc_hqx(bytes(data[:-2]), 0xFFFF).to_bytes(2, "big")
    return bytes(data)


def pieces(stream: bytes, chance: random.Random) -> Iterator[bytes]:
    """The stream cut anywhere."""
    at = 0
    while at < len(stream):
        step = chance.choice((1, 16, 100, 1448, 65_536))
        yield stream[at : at + step]
        at += step


class Subject:
    """Everything that reads what a device sends."""

    def __init__(self, codecs: dict[int, list[Codec]]) -> None:
        self.counts: Counter[str] = Counter()
        self.highest_pending = 0
        self._codecs = codecs
        self._splitter = Splitter()
        self._fragments = Fragments()
        self._device = Device(configuration(0))
        self._now = Now(0, 1_700_000_000 * SECOND)
        self._master = Master(MasterSettings(stream=1, attempts=0))
        self._master.begin(self._now)

    def take(self, chunk: bytes) -> None:
        """Some bytes of the stream."""
        for frame in self._splitter.feed(chunk):
            self._read(frame)
        self.highest_pending = max(self.highest_pending, self._splitter.pending)

    def _read(self, frame: bytes) -> None:
        self.counts["frames"] += 1
        self._now = Now(self._now.monotonic + 20_000_000, self._now.utc + 20_000_000)
        try:
            parsed = parse(frame)
            self.counts[type(parsed).__name__] += 1
            if isinstance(parsed, ConfigurationFrame):
                self._configured(parsed)
            if frame_type(frame) == FrameType.CONFIGURATION_3:
                self._fragments.add(frame, self._now.monotonic)
        except FrameError:
            self.counts["refused"] += 1
        if not self._master.accepts(frame):
            self._master.receive(frame, self._now)
        self._master.wake(self._now)
        self.counts["answers"] += sum(isinstance(each, Send) for each in self._device.receive(frame, self._now.utc))
        if frame_type(frame) == FrameType.DATA:
            for codec in self._codecs.get(len(frame), ()):
                codec.decode(frame)
                self.counts["decoded"] += 1

    def _configured(self, cfg: ConfigurationFrame) -> None:
        codec = compile_codec(cfg)
        configurations(cfg, 1, "fuzz", 1)
        if codec.frame_size <= 0xFFFF:
            codec.decode(bytes(codec.frame_size) * 2)
        if cfg.stations:
            encode_configuration(replace(cfg, kind=3), max_size=4096)

    def summary(self) -> dict[str, int]:
        """What happened."""
        splitter = self._splitter
        return {**self.counts, "skipped_bytes": splitter.skipped, "corrupt_frames": splitter.corrupt}


def fuzz(count: int, seed: int) -> dict[str, float]:
    """Run so many mutated frames; raises what is raised, and AssertionError on a hang."""
    chance = random.Random(seed)
    frames, codecs = corpus()
    subject = Subject(codecs)
    start = time.perf_counter()
    slowest = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for begin in range(0, count, BATCH):
            stream = b"".join(
                mutated(chance.choice(frames), chance) + (chance.choice(frames) if chance.random() < 0.2 else b"")
                for _ in range(min(BATCH, count - begin))
            )
            began = time.process_time()
            for chunk in pieces(stream, chance):
                subject.take(chunk)
            slowest = max(slowest, time.process_time() - began)
            if slowest > PATIENCE:
                raise AssertionError(f"{BATCH} frames took {slowest:.1f} s of CPU")
    return {
        "mutated": count,
        **subject.summary(),
        "highest_pending_bytes": subject.highest_pending,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "slowest_batch_cpu_s": round(slowest, 3),
        "seconds": round(time.perf_counter() - start, 1),
    }
