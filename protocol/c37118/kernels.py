"""DATA decoded by compiled loops (numba). Their plain twin is the numpy of `codec`.

What a value is, and when it is NaN, is told in `codec` and `conversion`; here is the same once more, frame by frame.
Bytes are read at unsigned places: of a signed one numba would ask whether it is counted from the end.

Importing this costs 0.3 s, and compiling what is not in numba's cache seconds: only those who decode much do it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from protocol.c37118 import checking
from protocol.c37118.checking import check_word, check_words, frame_is_good
from protocol.c37118.common import COUNT_MASK, HEAD_SIZE, MIN_FRAME
from protocol.c37118.configuration import FLOAT_ANALOGS, FLOAT_FREQUENCY, FLOAT_PHASORS, POLAR
from protocol.c37118.conversion import ABSENT, ANGLE_STEP, INVALID
from protocol.clock import SECOND, snap_limit
from protocol.messages import FIXED_CHANNELS

U1 = NDArray[np.uint8]
U2 = NDArray[np.uint16]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]
F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
Word = np.uint64

__all__ = ["Columns", "Decoder", "check_word", "check_words", "frame_is_good", "warm"]

DEGREES = 180.0 / math.pi
ROWS = 64
"""Frames whose rectangular phasors become polar at once: few enough for the processor's nearest cache."""
TAN_22 = 0.41421356237309504880
"""Of 22.5 degrees."""
P = (
    -8.750608600031904122785e-1,
    -1.615753718733365076637e1,
    -7.500855792314704667340e1,
    -1.228866684490136173410e2,
    -6.485021904942025371773e1,
)
Q = (
    2.485846490142306297962e1,
    1.650270098316988542046e2,
    4.328810604912902668951e2,
    4.853903996359136964868e2,
    1.945506571482613964425e2,
)
"""Coefficients of `_arctan2`, highest power first; that of Q has 1 before them."""


@njit(cache=True, error_model="numpy", nogil=True)
def _u2(block: U1, at: np.uint64) -> np.uint64:
    return Word(block[at]) << Word(8) | Word(block[at + Word(1)])


@njit(cache=True, error_model="numpy", nogil=True)
def _i2(block: U1, at: np.uint64) -> np.int64:
    return np.int64(np.int16(_u2(block, at)))


@njit(cache=True, error_model="numpy", nogil=True)
def _u4(block: U1, at: np.uint64) -> np.uint64:
    return _u2(block, at) << Word(16) | _u2(block, at + Word(2))


@njit(cache=True, error_model="numpy", nogil=True)
def _f4(block: U1, at: np.uint64) -> np.float32:
    """A float; of a signalling NaN the quiet one, as a way through float64 makes it."""
    bits = _u4(block, at)
    signalling = Word((bits & Word(0x7FFFFFFF)) > Word(0x7F800000))
    quiet: np.float32 = np.uint32(bits | signalling << Word(22)).view(np.float32)
    return quiet


@njit(cache=True, error_model="numpy", nogil=True)
def _angle(degrees: float) -> np.float32:
    """`conversion.wrapped`, rounded; -180 that rounding made is 180."""
    if degrees <= -180.0 or degrees > 180.0:
        degrees = 180.0 - (180.0 - degrees) % 360.0
    angle = np.float32(degrees)
    return np.float32(180.0) if angle <= np.float32(-180.0) else angle


# Below, each loop goes over all frames of `size` bytes and takes one kind of field of one station, `at` bytes from the
# start of each: a function called for each frame would count references to its arrays, at more than the fields cost.


@njit(cache=True, error_model="numpy", nogil=True)
def _words(block: U1, size: np.uint64, at: np.uint64, words: U2) -> None:
    for k in range(words.shape[0]):
        for d in range(words.shape[1]):
            words[k, d] = _u2(block, Word(k) * size + at + Word(2 * d))


@njit(cache=True, error_model="numpy", nogil=True)
def _floats(block: U1, size: np.uint64, at: np.uint64, values: F4) -> None:
    for k in range(values.shape[0]):
        for c in range(values.shape[1]):
            values[k, c] = _f4(block, Word(k) * size + at + Word(4 * c))


@njit(cache=True, error_model="numpy", nogil=True)
def _polar_floats(block: U1, size: np.uint64, at: np.uint64, values: F4) -> None:
    for k in range(values.shape[0]):
        place = Word(k) * size + at
        for c in range(0, values.shape[1], 2):
            values[k, c] = _f4(block, place)
            values[k, c + 1] = _angle(np.float64(_f4(block, place + Word(4))) * DEGREES)
            place += Word(8)


@njit(cache=True, error_model="numpy", nogil=True)
def _polar_integers(
    block: U1, size: np.uint64, at: np.uint64, values: F4, scales: F8, first: int, which: I8, status: U2
) -> None:
    count = values.shape[1] // 2
    for k in range(values.shape[0]):
        place = Word(k) * size + at
        absent = status[k, 0] >> 14 == ABSENT
        for c in range(count):
            magnitude, angle = _i2(block, place), _i2(block, place + Word(2))
            if angle == INVALID or (absent and magnitude == INVALID):
                values[k, 2 * c] = values[k, 2 * c + 1] = np.nan
            else:
                values[k, 2 * c] = np.float64(magnitude & 0xFFFF) * scales[which[k], first + c]
                turned = np.float64(angle) * ANGLE_STEP * DEGREES - scales[which[k], first + count + c]
                values[k, 2 * c + 1] = _angle(turned)
            place += Word(4)


@njit(cache=True, error_model="numpy", nogil=True)
def _arctan2(y: float, x: float) -> float:
    """Without a branch, so that a loop over it takes eight at once.

    S. L. Moshier's atan (Cephes Mathematical Library, netlib.org/cephes), a rational function for up to 0.66; beyond
    22.5 degrees pi/4 is taken off first. It is within 2 units in the last place of a float64, so that its float32 is
    that of any other good arctan2, or the neighbour of it where a midpoint lies between the two: 2^29 float64 lie
    between two float32.
    """
    right, up = abs(x), abs(y)
    low, high = (right, up) if right < up else (up, right)
    same = low == high
    above = low > TAN_22 * high or (same and high > 0.0)
    top = low - high if above else low
    bottom = low + high if above else high
    t = (0.0 if same else top) / (1.0 if same else bottom)
    z = t * t
    p = (((P[0] * z + P[1]) * z + P[2]) * z + P[3]) * z + P[4]
    q = ((((z + Q[0]) * z + Q[1]) * z + Q[2]) * z + Q[3]) * z + Q[4]
    angle = t + t * (z * p / q) + (0.25 * math.pi if above else 0.0)
    angle = 0.5 * math.pi - angle if right < up else angle
    angle = math.pi - angle if math.copysign(1.0, x) < 0.0 else angle
    return math.copysign(angle, y)


@njit(cache=True, error_model="numpy", nogil=True)
def _to_polar(first: F8, second: F8) -> None:
    """Real and imaginary parts become magnitudes and degrees, in place."""
    for k in range(first.size):
        real, imaginary = first[k], second[k]
        first[k] = math.sqrt(real * real + imaginary * imaginary)
        second[k] = _arctan2(imaginary, real) * DEGREES


@njit(cache=True, error_model="numpy", nogil=True)
def _parts_of_floats(block: U1, size: np.uint64, at: np.uint64, real: F8, imaginary: F8) -> None:
    for k in range(real.shape[0]):
        place = Word(k) * size + at
        for c in range(real.shape[1]):
            real[k, c], imaginary[k, c] = _f4(block, place), _f4(block, place + Word(4))
            place += Word(8)


@njit(cache=True, error_model="numpy", nogil=True)
def _parts_of_integers(block: U1, size: np.uint64, at: np.uint64, real: F8, imaginary: F8) -> None:
    for k in range(real.shape[0]):
        place = Word(k) * size + at
        for c in range(real.shape[1]):
            a, b = _i2(block, place), _i2(block, place + Word(2))
            real[k, c] = np.nan if a == INVALID or b == INVALID else np.float64(a)
            imaginary[k, c] = np.float64(b)
            place += Word(4)


@njit(cache=True, error_model="numpy", nogil=True)
def _rectangular(
    block: U1, size: np.uint64, at: np.uint64, form: int, values: F4, scales: F8, first: int, which: I8
) -> None:
    count = values.shape[1] // 2
    room = np.empty((2, ROWS, count))
    for begin in range(0, values.shape[0], ROWS):
        frames = min(ROWS, values.shape[0] - begin)
        magnitude, angle = room[0, :frames], room[1, :frames]
        if form & FLOAT_PHASORS:
            _parts_of_floats(block, size, at, magnitude, angle)
        else:
            _parts_of_integers(block, size, at, magnitude, angle)
        at += Word(frames) * size
        _to_polar(magnitude.reshape(-1), angle.reshape(-1))
        for k in range(frames):
            row, codec = begin + k, which[begin + k]
            for c in range(count):
                if math.isnan(magnitude[k, c]):
                    values[row, 2 * c] = values[row, 2 * c + 1] = np.nan
                else:
                    values[row, 2 * c] = magnitude[k, c] * scales[codec, first + c]
                    values[row, 2 * c + 1] = _angle(angle[k, c] - scales[codec, first + count + c])


@njit(cache=True, error_model="numpy", nogil=True)
def _frequency(block: U1, size: np.uint64, at: np.uint64, values: F4, scales: F8, first: int, which: I8) -> None:
    for k in range(values.shape[0]):
        place = Word(k) * size + at
        deviation, rocof = _i2(block, place), _i2(block, place + Word(2))
        nominal = scales[which[k], first]
        values[k, 0] = np.nan if deviation == INVALID else nominal + np.float64(deviation) / 1000.0
        values[k, 1] = np.nan if rocof == INVALID else np.float64(rocof) / 100.0


@njit(cache=True, error_model="numpy", nogil=True)
def _analogs(
    block: U1, size: np.uint64, at: np.uint64, form: int, values: F4, scales: F8, first: int, which: I8, status: U2
) -> None:
    count = values.shape[1]
    for k in range(values.shape[0]):
        place = Word(k) * size + at
        absent = status[k, 0] >> 14 == ABSENT
        for c in range(count):
            factor, offset = scales[which[k], first + c], scales[which[k], first + count + c]
            if form & FLOAT_ANALOGS:
                values[k, c] = np.float64(_f4(block, place)) * factor + offset
                place += Word(4)
            else:
                raw = _i2(block, place)
                values[k, c] = np.nan if absent and raw == INVALID else np.float64(raw) * factor + offset
                place += Word(2)


@njit(cache=True, error_model="numpy", nogil=True)
def _filled(
    block: U1, size: np.uint64, at: np.uint64, end: np.uint64, form: int, values: F4, scales: F8, first: int, which: I8
) -> None:
    """See `conversion.filled`; phasors from `at` to FREQ at `end`."""
    first_half = Word(0x7FFF if form & FLOAT_PHASORS else 0xFFFF)  # -0.0 is zero too
    for k in range(values.shape[0]):
        place, freq = Word(k) * size + at, Word(k) * size + end
        if _u2(block, freq) == Word(np.int64(-1000.0 * scales[which[k], first]) & 0xFFFF):
            while place < freq and _u2(block, place) & first_half | _u2(block, place + Word(2)) == Word(0):
                place += Word(4)
            if place == freq:
                values[k, :] = np.nan


@njit(cache=True, error_model="numpy", nogil=True)
def _phasors(
    block: U1, size: np.uint64, at: np.uint64, form: int, values: F4, scales: F8, first: int, which: I8, status: U2
) -> None:
    if not form & POLAR:
        _rectangular(block, size, at, form, values, scales, first, which)
    elif form & FLOAT_PHASORS:
        _polar_floats(block, size, at, values)
    else:
        _polar_integers(block, size, at, values, scales, first, which, status)


@njit(cache=True, error_model="numpy", nogil=True)
def _station(
    block: U1,
    size: np.uint64,
    at: np.uint64,
    shape: I8,
    scales: F8,
    first: int,
    which: I8,
    status: U2,
    values: F4,
    digital: U2,
) -> None:
    """One station of all frames. at: where it begins in each; first: where in a row of `scales`."""
    form, phasors, analogs = shape[0], shape[1], shape[2]
    end = FIXED_CHANNELS + 2 * phasors
    _words(block, size, at, status)
    at += Word(2)
    freq = at + Word((8 if form & FLOAT_PHASORS else 4) * phasors)
    _phasors(block, size, at, form, values[:, FIXED_CHANNELS:end], scales, first + 1, which, status)
    behind = freq + Word(8 if form & FLOAT_FREQUENCY else 4)
    rest = first + 1 + 2 * phasors
    _analogs(block, size, behind, form, values[:, end:], scales, rest, which, status)
    if form & FLOAT_FREQUENCY:
        _floats(block, size, freq, values[:, :FIXED_CHANNELS])
    else:
        _frequency(block, size, freq, values, scales, first, which)
        if phasors:
            _filled(block, size, at, freq, form, values, scales, first, which)
    _words(block, size, behind + Word((4 if form & FLOAT_ANALOGS else 2) * analogs), digital)


@njit(cache=True, error_model="numpy", nogil=True)
def _moved(own: int, rate: int, limit: int) -> int:
    """What `clock.snap` adds to an instant [ns]."""
    if rate > 0:
        slot = own // SECOND * rate + (own % SECOND * rate + SECOND // 2) // SECOND
        moved = slot // rate * SECOND + (slot % rate * SECOND + rate // 2) // rate - own
    else:
        step = -rate * SECOND
        moved = (own + step // 2) // step * step - own
    return moved if abs(moved) <= limit else 0


@njit(cache=True, error_model="numpy", nogil=True)
def _times(block: U1, size: int, clock: I8, time: I8, snapped: I4, quality: U1) -> None:
    """clock: rate, TIME_BASE, limit of what snapping moves [ns], where SOC and FRACSEC end, bytes behind them."""
    rate, time_base, limit, head = clock[0], clock[1], clock[2], clock[3]
    before = Word(0)
    own, moved, fraction = np.int64(0), np.int64(0), np.int64(0)
    for k in range(time.size):
        at = Word(k * size + head)
        stamp = _u4(block, at - Word(8)) << Word(32) | _u4(block, at - Word(4))
        if k == 0 or stamp != before:  # most frames of a tick bear the same
            before, fraction = stamp, np.int64(stamp & Word(0xFFFFFFFF))
            count = fraction & COUNT_MASK
            own = np.int64(stamp >> Word(32)) * SECOND + (count * SECOND + time_base // 2) // time_base
            moved = np.int64(_moved(own, rate, limit))
        time[k], snapped[k], quality[k] = own + moved, moved, fraction >> 24


@njit(cache=True, error_model="numpy", nogil=True)
def _stations(
    block: U1, size: int, head: int, shapes: I8, scales: F8, which: I8, status: U2, values: F4, digital: U2
) -> None:
    """All stations, one after the other; values and digital hold [n, c] and [n, d] of each, end to end."""
    count = status.shape[1]
    at, first, to, word = head, 0, 0, 0
    for s in range(shapes.shape[0]):
        form, phasors, analogs, digitals = shapes[s, 0], shapes[s, 1], shapes[s, 2], shapes[s, 3]
        channels = FIXED_CHANNELS + 2 * phasors + analogs
        mine = values[to : to + count * channels].reshape(count, channels)
        words = digital[word : word + count * digitals].reshape(count, digitals)
        stat = status[s].reshape(count, 1)
        _station(block, Word(size), Word(at), shapes[s], scales, first, which, stat, mine, words)
        to += count * channels
        word += count * digitals
        first += 1 + 2 * phasors + 2 * analogs
        at += 2 + (8 if form & FLOAT_PHASORS else 4) * phasors + (8 if form & FLOAT_FREQUENCY else 4)
        at += (4 if form & FLOAT_ANALOGS else 2) * analogs + 2 * digitals


@njit(cache=True, error_model="numpy", nogil=True)
def _decode(
    block: U1,
    size: int,
    clock: I8,
    shapes: I8,
    scales: F8,
    which: I8,
    time: I8,
    snapped: I4,
    quality: U1,
    status: U2,
    values: F4,
    digital: U2,
) -> bool:
    """False, and nothing done, if a frame is of a codec that isn't there."""
    for k in range(which.size):
        if which[k] < 0 or which[k] >= scales.shape[0]:
            return False
    _times(block, size, clock, time, snapped, quality)
    _stations(block, size, clock[3] + clock[4], shapes, scales, which, status, values, digital)
    return True


class Columns(NamedTuple):
    """What n frames say; see `codec.Batch`."""

    time: I8
    snapped: I4
    quality: U1
    stations: list[tuple[U2, F4, U2]]
    """STAT [n], values [n, c], digital [n, d] of each."""


class Decoder:
    """Decodes frames of one layout.

    shapes: FORMAT, number of phasors, analogs and digital words of each station. head: bytes up to and with SOC and
    FRACSEC. more: bytes between these and the first station.
    """

    def __init__(
        self,
        size: int,
        rate: int,
        time_base: int,
        shapes: Sequence[tuple[int, int, int, int]],
        head: int = HEAD_SIZE,
        more: int = 0,
    ) -> None:
        self._size = size
        self._clock = np.array([rate, time_base, snap_limit(rate, time_base), head, more], np.int64)
        self._shapes = np.array(shapes, np.int64).reshape(-1, 4)
        self._channels = [FIXED_CHANNELS + 2 * phasors + analogs for _, phasors, analogs, _ in shapes]
        self._words = [shape[3] for shape in shapes]

    def decode(self, block: bytes | memoryview, scales: F8, which: I8) -> Columns:
        """n frames, end to end.

        scales: [codecs, …] `conversion.Scales` of each station, end to end. which: [n], or [1] for all frames.
        Raises IndexError if there is no such codec, ValueError if sizes don't fit.
        """
        raw = np.frombuffer(block, np.uint8)
        raw.flags.writeable = False  # compiled for this kind of array only
        count, rest = divmod(raw.size, self._size)
        if rest:
            raise ValueError(f"{raw.size} bytes are not frames of one size, {self._size}")
        which = np.full(count, which[0]) if which.size == 1 else np.ascontiguousarray(which)
        if which.size != count:
            raise ValueError(f"{which.size} codecs are named for {count} frames")
        time, snapped, quality = np.empty(count, np.int64), np.empty(count, np.int32), np.empty(count, np.uint8)
        status = np.empty((len(self._words), count), np.uint16)
        values = np.empty(count * sum(self._channels), np.float32)
        digital = np.empty(count * sum(self._words), np.uint16)
        if not _decode(
            raw, self._size, self._clock, self._shapes, scales, which, time, snapped, quality, status, values, digital
        ):
            raise IndexError(f"a frame is of a codec that isn't among the {len(scales)}")
        return Columns(time, snapped, quality, self._split(status, values, digital))

    def _split(self, status: U2, values: F4, digital: U2) -> list[tuple[U2, F4, U2]]:
        count = status.shape[1]
        stations, value, word = [], 0, 0
        for row, channels, words in zip(status, self._channels, self._words, strict=True):
            mine = values[value : value + count * channels].reshape(count, channels)
            stations.append((row, mine, digital[word : word + count * words].reshape(count, words)))
            value += count * channels
            word += count * words
        return stations


def warm() -> None:
    """Compile all, check words included."""
    checking.warm()
    Decoder(MIN_FRAME, 1, 1, []).decode(b"", np.zeros((1, 0)), np.zeros(1, np.int64))
