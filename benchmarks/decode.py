"""How fast are DATA frames decoded? Against pyPMU, a minimal C decoder and numpy, all in turn in one run.

    python -m benchmarks.decode [--quick]

A batch is what a tick of a receiver brings: frames of many devices of one layout, each with scales of its own, end to
end in one block. All do the same work: check word, stamp on its grid, STAT, values scaled and NaN where they are
missing, digital words. Times are CPU times on one core, medians of rounds in which each has its turn; of the
largest batch also with cold caches, as a tick may find them.
"""

from __future__ import annotations

import argparse
import collections
import collections.abc
import ctypes
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks._programs import BUILT, HERE
from benchmarks._report import goal, goals, progress, section, table
from protocol.c37118 import (
    Analog,
    Bank,
    Batch,
    ConfigurationFrame,
    Digital,
    Phasor,
    Station,
    StationRows,
    compile_codec,
    encode_configuration,
    fractions,
    kernels,
    sound,
    use_kernels,
)
from protocol.clock import SECOND, snap_limit

SOC = 1_750_000_000
RATE, TIME_BASE = 50, 1_000_000
POLAR, RECTANGULAR = 15, 14
"""FORMAT of floats."""
SIZES = (20, 200, 2000)
OURS, BEST_C, PEER = "compiled", "C, check word by eight bytes", "pyPMU, to numbers"
TURN = 3e-3
CACHES = 6_000_000
"""float64: more than the caches hold."""
LEAST_PEER, LEAST_C, MOST_FORMAT, LEAST_MANY = 400.0, 1 / 3, 3.0, 100.0
PUBLISHED = 1e-3
"""Seconds for a frame of 4 stations and 594 values, as PhasorToolBox's README has it (a computer of 2012)."""

Shape = tuple[int, int, int]
"""Phasors, analogs, digital words of a station."""
ONE: tuple[Shape, ...] = ((6, 2, 1),)
"""16 values; in floats a frame of 84 bytes."""
MANY: tuple[Shape, ...] = ((60, 26, 0), (60, 26, 0), (60, 27, 0), (60, 27, 0))
"""594 values: FREQ, DFREQ, two of each phasor, analogs."""


def configuration(device: int, form: int, shapes: Sequence[Shape]) -> ConfigurationFrame:
    """Of a device whose scales are its own."""
    stations = tuple(
        Station(
            name=f"Station {place}",
            idcode=device,
            format=form,
            phasors=tuple(Phasor(f"V{k}", k % 2, 9 + device % 97 / 100) for k in range(phasors)),
            analogs=tuple(Analog(f"A{k}", 1, 2.0 + device % 89) for k in range(analogs)),
            digitals=tuple(Digital(tuple(f"bit {k}" for k in range(16))) for _ in range(digitals)),
        )
        for place, (phasors, analogs, digitals) in enumerate(shapes)
    )
    return ConfigurationFrame(stream=device, kind=2, time_base=TIME_BASE, rate=RATE, stations=stations)


def plausible(count: int, shape: Shape, mean: float) -> StationRows:
    """Rows of a station; mean: of the frequency."""
    (phasors, analogs, digitals), random = shape, np.random.default_rng(count)
    end = 2 + 2 * phasors
    values = np.empty((count, end + analogs), np.float32)
    values[:, 0], values[:, 1] = random.normal(mean, 0.01, count), random.normal(0, 0.1, count)
    values[:, 2:end:2] = random.uniform(100, 10_000, (count, phasors))
    values[:, 3:end:2] = random.uniform(-179.9, 180, (count, phasors))
    values[:, end:] = random.uniform(-1000, 1000, (count, analogs))
    words = random.integers(0, 0x10000, (count, digitals)).astype(np.uint16)
    return StationRows(np.zeros(count, np.uint16), values, words)


class Tick:
    """A batch: one frame of each of so many devices."""

    def __init__(self, count: int, form: int, shapes: Sequence[Shape] = ONE, mean: float = 50.0) -> None:
        self.bank = Bank([compile_codec(configuration(1 + device, form, shapes)) for device in range(count)])
        self.count, self.size, self.which = count, self.bank.frame_size, np.arange(count)
        rows = [plausible(count, shape, mean) for shape in shapes]
        stamp = fractions(np.full(count, SOC * SECOND + 7 * SECOND // RATE), TIME_BASE)
        self.frames = self.bank.encode(rows, *stamp, which=self.which)
        self.block = b"".join(self.frames)

    def compiled(self) -> Batch:
        """As a receiver that reads in bulk does it."""
        raw, at = np.frombuffer(self.block, np.uint8), np.arange(self.count) * self.size
        if not kernels.check_words(raw, at, np.full(self.count, self.size)).all():
            raise SystemExit("a frame has a bad check word")
        use_kernels()
        return self.bank.decode(self.block, self.which)

    def numpy(self) -> Batch:
        """Check words by the standard library, the rest by the plain twin."""
        if not all(map(sound, self.frames)):
            raise SystemExit("a frame has a bad check word")
        use_kernels(False)
        return self.bank.decode(self.block, self.which)


class Layout(ctypes.Structure):
    """`Layout` of decode.c."""

    _fields_ = [
        (name, ctypes.c_int64)
        for name in ("size", "form", "phasors", "analogs", "digitals", "rate", "time_base", "limit", "sliced")
    ]


class Columns(ctypes.Structure):
    """`Columns` of decode.c."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("time", "snapped", "quality", "status", "values", "digital")]


def library() -> ctypes.CDLL:
    """decode.c, compiled."""
    BUILT.mkdir(parents=True, exist_ok=True)
    built = BUILT / "decode.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", str(built), str(HERE / "decode.c"), "-lm"], check=True)
    found = ctypes.CDLL(str(built))
    found.prepare()
    found.decode.restype = ctypes.c_int64
    return found


class InC:
    """decode.c on a tick of one station; sliced: check words by eight bytes at a time."""

    def __init__(self, library: ctypes.CDLL, tick: Tick, sliced: bool) -> None:
        self._decode, self._tick = library.decode, tick
        first = tick.bank.codecs[0]
        (shape,) = first.shapes
        self._layout = Layout(tick.size, *shape, RATE, TIME_BASE, snap_limit(RATE, TIME_BASE), sliced)
        scales = [np.concatenate([np.ravel(each) for each in codec.scales[0]]) for codec in tick.bank.codecs]
        self._scales, self._raw = np.array(scales), np.frombuffer(tick.block, np.uint8)

    def decode(self) -> Batch:
        """Columns of its own each time, as the others have."""
        count, table = self._tick.count, self._tick.bank.codecs[0].tables[0]
        time, snapped, quality = np.empty(count, np.int64), np.empty(count, np.int32), np.empty(count, np.uint8)
        rows = StationRows(
            np.empty(count, np.uint16),
            np.empty((count, table.channels), np.float32),
            np.empty((count, table.digitals), np.uint16),
        )
        arrays = (time, snapped, quality, rows.status, rows.values, rows.digital)
        good = self._decode(
            ctypes.c_void_p(self._raw.ctypes.data),
            ctypes.c_int64(count),
            ctypes.byref(self._layout),
            ctypes.c_void_p(self._scales.ctypes.data),
            ctypes.c_void_p(self._tick.which.ctypes.data),
            ctypes.byref(Columns(*(array.ctypes.data for array in arrays))),
        )
        if good != count:
            raise SystemExit("a frame has a bad check word")
        return Batch(time, snapped, quality, [rows])


class Peer:
    """pyPMU on frames of one device. Its FREQ is a deviation, in floats too, so it has frames of its own."""

    def __init__(self, form: int, count: int) -> None:
        collections.Sequence = collections.abc.Sequence  # type: ignore[attr-defined]  # gone since Python 3.10
        from synchrophasor.frame import CommonFrame, ConfigFrame2

        tick = Tick(count, form, mean=0.0)
        self.frames, self._read = tick.frames, CommonFrame.convert2frame
        self._cfg = ConfigFrame2.convert2frame(encode_configuration(tick.bank.codecs[0].cfg)[0])

    def parse(self) -> None:
        """Fields as they were sent, only STAT is put into words."""
        for frame in self.frames:
            self._read(frame, self._cfg)

    def values(self) -> None:
        """What everybody else gives: numbers."""
        for frame in self.frames:
            self._read(frame, self._cfg).get_measurements()


class Took(NamedTuple):
    """CPU seconds of a call, medians."""

    warm: float
    """again and again"""
    cold: float
    """with caches full of other things, as a tick may find them"""


def medians(turns: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, Took]:
    """In a round each has a turn of some `TURN` seconds, and before it a call with cold caches."""
    other = np.zeros(CACHES)
    calls = {name: max(1, round(TURN / min(timed(call, 1) for _ in range(5)))) for name, call in turns.items()}
    cold: dict[str, list[float]] = {name: [] for name in turns}
    warm: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, call in turns.items():
            other += 1
            cold[name].append(timed(call, 1))
            warm[name].append(timed(call, calls[name]))
    return {name: Took(statistics.median(warm[name]), statistics.median(cold[name])) for name in turns}


def timed(call: Callable[[], Any], times: int) -> float:
    """CPU seconds of a call."""
    begun = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - begun) / times


def same(mine: Batch, other: Batch) -> bool:
    """Whether two decoders said the same, angles of rectangular phasors to the last bit of a float32."""
    ours, theirs = mine.stations[0], other.stations[0]
    equal = all(
        np.array_equal(a, b)
        for a, b in (
            (mine.time, other.time),
            (mine.snapped, other.snapped),
            (mine.quality, other.quality),
            (ours.status, theirs.status),
            (ours.digital, theirs.digital),
        )
    )
    return equal and np.allclose(ours.values, theirs.values, rtol=2e-7, atol=0, equal_nan=True)


def contest(c: ctypes.CDLL, form: int, rounds: int) -> dict[str, list[Took]]:
    """Nanoseconds a frame of each decoder, for batches of `SIZES`."""
    result: dict[str, list[Took]] = {}
    for count in SIZES:
        tick = Tick(count, form)
        by_byte, sliced, peer = InC(c, tick, False), InC(c, tick, True), Peer(form, 20)
        if not (same(tick.compiled(), sliced.decode()) and same(tick.compiled(), tick.numpy())):
            raise SystemExit("the decoders differ")
        turns = {
            OURS: tick.compiled,
            BEST_C: sliced.decode,
            "C, check word by single bytes": by_byte.decode,
            "numpy, `crc_hqx`": tick.numpy,
            PEER: peer.values,
            "pyPMU, fields only": peer.parse,
        }
        for name, took in medians(turns, rounds).items():
            frames = len(peer.frames) if name.startswith("pyPMU") else count
            result.setdefault(name, []).append(Took(took.warm / frames * 1e9, took.cold / frames * 1e9))
    return result


def contest_table(times: Mapping[str, Sequence[Took]]) -> str:
    """Of `contest`."""
    peer = times[PEER][-1].warm
    heads = [
        "decoder",
        *(f"{count} in a batch, ns a frame" for count in SIZES),
        f"{SIZES[-1]}, caches cold",
        "million frames/s",
        "x pyPMU",
    ]
    rows = []
    for name, row in times.items():
        last = row[-1]
        spent = [f"{each:,.0f}" for each in (*(took.warm for took in row), last.cold)]
        rows.append([name, *spent, f"{1e3 / last.warm:.2f}", f"{peer / last.warm:,.1f}"])
    return table(heads, rows)


def formats(c: ctypes.CDLL, rounds: int) -> tuple[str, float]:
    """(table of all FORMATs, the slowest relative to floats in polar form)."""
    ticks = {form: Tick(SIZES[-1], form) for form in range(16)}
    native = {form: InC(c, tick, True) for form, tick in ticks.items()}
    for form, tick in ticks.items():
        if not same(tick.compiled(), native[form].decode()):
            raise SystemExit(f"the decoders differ in FORMAT {form}")
    times = medians(
        {f"{form}": tick.compiled for form, tick in ticks.items()}
        | {f"C {form}": each.decode for form, each in native.items()},
        rounds,
    )
    best, rows = times[f"{POLAR}"].warm, []
    for form, tick in reversed(ticks.items()):
        ours, theirs = times[f"{form}"].warm, times[f"C {form}"].warm
        kinds = ["float" if form & bit else "int16" for bit in (2, 4, 8)]
        shape = "polar" if form & 1 else "rectangular"
        spent = [f"{each / tick.count * 1e9:.0f}" for each in (ours, theirs)]
        rows.append(
            [form, f"{shape}, {', '.join(kinds)}", tick.size, *spent, f"{ours / best:.2f}", f"{theirs / ours:.2f}"]
        )
    heads = ["FORMAT", "phasors, then analogs, FREQ", "bytes", "ns a frame", "C", "x FORMAT 15", "of C's rate"]
    return table(heads, rows), max(times[f"{form}"].warm for form in ticks) / best


def many(rounds: int) -> tuple[str, float]:
    """(table of frames of 4 stations, seconds of the slower)."""
    ticks = {"polar": Tick(50, POLAR, MANY), "rectangular": Tick(50, RECTANGULAR, MANY), "int16": Tick(50, 0, MANY)}
    times = medians({name: tick.compiled for name, tick in ticks.items()}, rounds)
    each = {name: took.warm / ticks[name].count for name, took in times.items()}
    rows = [[name, ticks[name].size, f"{took * 1e6:.2f}", f"{PUBLISHED / took:,.0f}"] for name, took in each.items()]
    return table(["594 values of 4 stations", "bytes", "µs a frame", "x 1 ms"], rows), max(each.values())


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decode")
    parser.add_argument("--quick", action="store_true", help="few rounds")
    rounds = 3 if parser.parse_args().quick else 31
    c = library()
    use_kernels()
    progress("floats in polar form")
    polar = contest(c, POLAR, rounds)
    progress("floats in rectangular form")
    rectangular = contest(c, RECTANGULAR, rounds)
    progress("all FORMATs")
    all_formats, slowest = formats(c, rounds)
    progress("four stations")
    four, longest = many(rounds)
    peer = min(times[PEER][-1].warm / times[OURS][-1].warm for times in (polar, rectangular))
    native = min(times[BEST_C][-1].warm / times[OURS][-1].warm for times in (polar, rectangular))
    section(
        "Decoding DATA frames",
        "benchmarks.decode",
        "84-byte frames (6 phasors, FREQ, DFREQ, 2 analogs in floats, a digital word), phasors in polar form:",
        contest_table(polar),
        "The same, phasors in rectangular form:",
        contest_table(rectangular),
        f"All FORMATs of that station, {SIZES[-1]} frames in a batch:",
        all_formats,
        four,
        goals(
            goal(f"≥ {LEAST_PEER:.0f} x pyPMU ({peer:.0f})", peer >= LEAST_PEER),
            goal(f"≥ 1/3 of the rate of C ({native:.2f})", native >= LEAST_C),
            goal(f"every FORMAT within {MOST_FORMAT:.0f} x ({slowest:.2f})", slowest <= MOST_FORMAT),
            goal(
                f"594 values of 4 stations ≥ {LEAST_MANY:.0f} x faster than 1 ms ({PUBLISHED / longest:.0f})",
                PUBLISHED / longest >= LEAST_MANY,
            ),
        ),
    )


if __name__ == "__main__":
    main()
