"""Empirical mode decomposition, compiled: the modes that PyEMD's `EMD().emd(x)` finds, without an array for each step.

Simple extrema, cubic splines through them, two extrema mirrored at each end, and the stopping rules are PyEMD's: the
same comparisons of the same numbers, up to rounding (sums are taken one after the other and not in pairs, and the
splines' equations are solved without exchanging rows). `tests/algorithms/test_sift.py` compares both. Where rounding
decides a comparison, as in some signals of a dozen small integers, a mode may be sifted once more or less: there
PyEMD's own answer changes when 1e-14 is added.

[Huang1998] Proc. R. Soc. Lond. A 454, 903. [Rilling2003] IEEE-EURASIP Workshop NSIP-03. [deBoor1978] A Practical
Guide to Splines.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from algorithms.kernels import compiled

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

MIRRORED = 2
"""Extrema mirrored at each end."""
ENERGY_RATIO, DEVIATION, SCALED_VARIANCE = 0.2, 0.2, 0.001
"""A mode is found when one sifting changed less than one of these."""
TOTAL_POWER, RANGE = 0.005, 0.001
"""Nothing is left to decompose when the rest is below one of these."""
NO_POWER = 1e-10
LEAST_EXTREMA = 3
STRANGE, TREND = -1, -2
"""Returned for a signal whose extrema can't be mirrored as usual; for one with too few extrema to hold a mode."""
LEFT_TOP, LEFT_BOTTOM, RIGHT_TOP, RIGHT_BOTTOM = 0, 1, 2, 3
"""Rows of `ends`: which maxima and minima are mirrored at the left and the right end, in order of time there."""


def warm() -> None:
    """Compile everything, or load what was compiled before."""
    decompose(np.sin(np.arange(40.0)), 2, 3)


@compiled
def decompose(x: F8, max_modes: int, max_sifts: int) -> tuple[F8, int]:
    """Modes of x [n] (about unit variance, n >= 2, finite), fastest first, and the rest last.

    Returns ([modes + 1, n], modes), or STRANGE in place of the number of modes: then PyEMD has to decide.
    """
    n = x.size
    top, bottom = np.empty(n, np.int64), np.empty(n, np.int64)
    ends = np.empty((4, MIRRORED + 2), np.int64)
    work = np.empty((4, n + 2 * (MIRRORED + 1)))
    mean, mode, old, total = np.empty(n), np.empty(n), np.empty(n), np.zeros(n)
    modes = np.empty((max_modes + 1, n))
    found = 0
    over = False
    while not over:
        for i in range(n):
            mode[i] = x[i] - total[i]
        extrema = _sift(mode, old, mean, max_sifts, top, bottom, ends, work)
        if extrema == STRANGE:
            return modes, STRANGE
        if extrema == TREND:
            break
        over = _finish(x, mode, total, mean) or found + 1 == max_modes
        if over and extrema < LEAST_EXTREMA:
            break
        modes[found] = mode
        found += 1
        total, mean = mean, total
    for i in range(n):
        modes[found, i] = x[i] - total[i]
    return modes[: found + 1], found


@compiled
def _sift(mode: F8, old: F8, mean: F8, max_sifts: int, top: I8, bottom: I8, ends: I8, work: F8) -> int:
    """Take the mean of the envelopes from `mode` until it is a mode.

    Returns how many extrema it has, or TREND or STRANGE; `old` and `mean` are overwritten, the rest is room to work.
    """
    tops, bottoms = find_extrema(mode, top, bottom)
    for _ in range(max_sifts - 1):
        if tops + bottoms < LEAST_EXTREMA:
            return TREND
        proper = _mean(mode, top[:tops], bottom[:bottoms], ends, work, mean)
        if proper == STRANGE:
            return STRANGE
        for i in range(mode.size):
            old[i] = mode[i]
            mode[i] -= mean[i]
        tops, bottoms = find_extrema(mode, top, bottom)
        if proper and abs(tops + bottoms - crossings(mode)) < 2 and _settled(mode, old):
            break
    return tops + bottoms


@compiled
def _settled(new: F8, old: F8) -> bool:
    """Whether a sifting changed so little that the mode is found."""
    power = change = deviation = before = 0.0
    low = high = old[0]
    for i in range(new.size):
        difference = new[i] - old[i]
        ratio = difference / new[i]
        power += new[i] * new[i]
        change += difference * difference
        deviation += ratio * ratio
        before += old[i] * old[i]
        low, high = min(low, old[i]), max(high, old[i])
    if power < NO_POWER:
        return False
    return change / (high - low) < SCALED_VARIANCE or deviation < DEVIATION or change / before < ENERGY_RATIO


@compiled
def _finish(x: F8, mode: F8, total: F8, after: F8) -> bool:
    """Put total + mode into `after`; whether what x has beyond that is too little to go on."""
    low = high = x[0] - (total[0] + mode[0])
    power = 0.0
    for i in range(x.size):
        after[i] = total[i] + mode[i]
        rest = x[i] - after[i]
        low, high = min(low, rest), max(high, rest)
        power += abs(rest)
    return high - low < RANGE or power < TOTAL_POWER


@compiled
def find_extrema(x: F8, top: I8, bottom: I8) -> tuple[int, int]:
    """Indices of maxima into `top`, of minima into `bottom`, ascending; returns how many of each.

    A plateau is one extremum in its middle. (That PyEMD leaves out a first plateau after one sample, and looks for
    what is before one at the start at the signal's end, is kept: the modes are to be the same.)
    """
    tops = bottoms = plateaus = i = 0
    last, before = x.size - 1, 0.0
    while i < last:
        middle, after = i, x[i + 1] - x[i]
        if after == 0:
            start = i
            while i < last and x[i + 1] == x[i]:
                i += 1
            plateaus += 1
            if i == last or (plateaus == 1 and start == 1):
                before = 0.0
                continue
            middle, after = _half(start + i), x[i + 1] - x[i]
            before = before if start else x[last] - x[last - 1]
        if before * after < 0:
            if before > 0:
                top[tops] = middle
                tops += 1
            else:
                bottom[bottoms] = middle
                bottoms += 1
        before = after
        i += 1
    return tops, bottoms


@compiled
def _half(total: int) -> int:
    """total / 2, rounded to even as numpy does."""
    half = total // 2
    return half + (total % 2 and half % 2)


@compiled
def crossings(x: F8) -> int:
    """Zero crossings; samples of zero in a row are one."""
    count = int(x[0] == 0)
    for i in range(1, x.size):
        count += x[i - 1] * x[i] < 0
        count += x[i] == 0 and x[i - 1] != 0
    return count


@compiled
def _mean(x: F8, top: I8, bottom: I8, ends: I8, work: F8, mean: F8) -> int:
    """Mean of both envelopes into `mean`.

    Returns 1 if all maxima are above and all minima below zero, 0 if not, STRANGE if there are no such envelopes.
    """
    if not top.size or not bottom.size:
        return STRANGE
    counts = _left(x, top, bottom, ends)
    lt, lb, left = _within_left(top, bottom, ends, counts)
    counts = _right(x, top, bottom, ends)
    rt, rb, right = _within_right(top, bottom, ends, counts, x.size - 1)
    if min(lt, lb, rt, rb) < 1:
        return STRANGE
    t, y, proper = work[0], work[1], 1
    n = _knots(x, top, ends[LEFT_TOP, :lt], left, ends[RIGHT_TOP, :rt], right, t, y)
    for i in range(n):
        if y[i] < 0:
            proper = 0
    if not _envelope(t[:n], y[:n], work, mean, False):
        return STRANGE
    n = _knots(x, bottom, ends[LEFT_BOTTOM, :lb], left, ends[RIGHT_BOTTOM, :rb], right, t, y)
    for i in range(n):
        if y[i] > 0:
            proper = 0
    return proper if _envelope(t[:n], y[:n], work, mean, True) else STRANGE


@compiled
def _take(found: I8, start: int, stop: int, out: I8) -> int:
    """found[start:stop] (cut to what there is), last first, into `out`; returns how many."""
    count = 0
    for i in range(min(stop, found.size) - 1, max(start, 0) - 1, -1):
        out[count] = found[i]
        count += 1
    return count


@compiled
def _left(x: F8, top: I8, bottom: I8, ends: I8) -> tuple[int, int, int]:
    """What is mirrored at the left end: (how many maxima, how many minima, sample at which they are mirrored)."""
    above, below = ends[LEFT_TOP], ends[LEFT_BOTTOM]
    if top[0] < bottom[0]:
        if x[0] > x[bottom[0]]:
            return _take(top, 1, MIRRORED + 1, above), _take(bottom, 0, MIRRORED, below), top[0]
        a, b = _take(top, 0, MIRRORED, above), _take(bottom, 0, MIRRORED - 1, below)
        below[b] = 0
        return a, b + 1, 0
    if x[0] < x[top[0]]:
        return _take(top, 0, MIRRORED, above), _take(bottom, 1, MIRRORED + 1, below), bottom[0]
    a, b = _take(top, 0, MIRRORED - 1, above), _take(bottom, 0, MIRRORED, below)
    above[a] = 0
    return a + 1, b, 0


@compiled
def _right(x: F8, top: I8, bottom: I8, ends: I8) -> tuple[int, int, int]:
    """What is mirrored at the right end, as `_left`."""
    above, below, end = ends[RIGHT_TOP], ends[RIGHT_BOTTOM], x.size - 1
    tops, bottoms = top.size, bottom.size
    if top[-1] < bottom[-1]:
        if x[end] < x[top[-1]]:
            a, b = _take(top, tops - MIRRORED, tops, above), _take(bottom, bottoms - MIRRORED - 1, bottoms - 1, below)
            return a, b, bottom[-1]
        above[0] = end
        a, b = _take(top, tops - MIRRORED + 1, tops, above[1:]), _take(bottom, bottoms - MIRRORED, bottoms, below)
        return a + 1, b, end
    if x[end] > x[bottom[-1]]:
        a, b = _take(top, tops - MIRRORED - 1, tops - 1, above), _take(bottom, bottoms - MIRRORED, bottoms, below)
        return a, b, top[-1]
    below[0] = end
    a, b = _take(top, tops - MIRRORED, tops, above), _take(bottom, bottoms - MIRRORED + 1, bottoms, below[1:])
    return a, b + 1, end


@compiled
def _within_left(top: I8, bottom: I8, ends: I8, counts: tuple[int, int, int]) -> tuple[int, int, int]:
    """`counts` of `_left`, mirrored at the first sample instead where the mirror images would not reach it.

    Counts are STRANGE if that can't be.
    """
    above, below, (a, b, mirror) = ends[LEFT_TOP], ends[LEFT_BOTTOM], counts
    a, b = a or _all(top, above), b or _all(bottom, below)
    if a < 1 or b < 1 or (2 * mirror <= below[0] and 2 * mirror <= above[0]):
        return a, b, mirror
    if mirror == 0:
        return STRANGE, STRANGE, 0
    if mirror == top[0]:
        a = _take(top, 0, MIRRORED, above)
    else:
        b = _take(bottom, 0, MIRRORED, below)
    return a, b, 0


@compiled
def _within_right(top: I8, bottom: I8, ends: I8, counts: tuple[int, int, int], end: int) -> tuple[int, int, int]:
    """`counts` of `_right`, mirrored at the last sample `end` instead, as `_within_left`."""
    above, below, (a, b, mirror) = ends[RIGHT_TOP], ends[RIGHT_BOTTOM], counts
    a, b = a or _all(top, above), b or _all(bottom, below)
    if a < 1 or b < 1 or (2 * mirror - below[b - 1] >= end and 2 * mirror - above[a - 1] >= end):
        return a, b, mirror
    if mirror == end:
        return STRANGE, STRANGE, end
    if mirror == top[-1]:
        a = _take(top, top.size - MIRRORED, top.size, above)
    else:
        b = _take(bottom, bottom.size - MIRRORED, bottom.size, below)
    return a, b, end


@compiled
def _all(found: I8, out: I8) -> int:
    """All of them as they are, if there is room; returns how many."""
    if found.size > out.size:
        return STRANGE
    out[: found.size] = found
    return found.size


@compiled
def _knots(x: F8, found: I8, before: I8, left: int, after: I8, right: int, t: F8, y: F8) -> int:
    """Mirrored, found and mirrored extrema as knots (t, y), one for each instant; returns how many."""
    knots = 0
    for i in range(before.size + found.size + after.size):
        if i < before.size:
            which = before[i]
            at = 2 * left - which
        elif i < before.size + found.size:
            which = found[i - before.size]
            at = which
        else:
            which = after[i - before.size - found.size]
            at = 2 * right - which
        if knots and t[knots - 1] == at:
            knots -= 1  # the later one of an instant counts
        t[knots], y[knots] = at, x[which]
        knots += 1
    return knots


@compiled
def _envelope(t: F8, y: F8, work: F8, out: F8, add: bool) -> bool:
    """The spline through knots (t, y) at 0, 1, 2, … into `out`, or the mean of it and what stands there.

    False if the knots don't span the signal.
    """
    n = t.size
    if n < 3 or t[0] > 0 or t[n - 1] < out.size - 1:
        return False
    if n == 3:
        _through_three(t, y, out, add)
        return True
    slopes = work[3]
    _slopes(t, y, work[2], slopes)
    i = 0
    for k in range(n - 1):
        h = t[k + 1] - t[k]
        slope = (y[k + 1] - y[k]) / h
        bend = (slopes[k] + slopes[k + 1] - 2 * slope) / h
        c0, c1, c2, c3 = bend / h, (slope - slopes[k]) / h - bend, slopes[k], y[k]
        stop = out.size if k == n - 2 else min(max(int(t[k + 1]), 0), out.size)
        for j in range(i, stop):
            z = j - t[k]
            value = c3 + c2 * z + c1 * (z * z) + c0 * (z * z * z)
            out[j] = 0.5 * (out[j] + value) if add else value
        i = max(i, stop)
    return True


@compiled
def _slopes(t: F8, y: F8, work: F8, s: F8) -> None:
    """Slopes at the knots of the not-a-knot cubic spline through four or more [deBoor1978]: a tridiagonal system."""
    n = t.size
    h0, h1, both = t[1] - t[0], t[2] - t[1], t[2] - t[0]
    r0, r1 = (y[1] - y[0]) / h0, (y[2] - y[1]) / h1
    work[0] = both / h1
    s[0] = ((h0 + 2 * both) * h1 * r0 + h0 * h0 * r1) / both / h1
    for i in range(1, n - 1):
        h1 = t[i + 1] - t[i]
        r1 = (y[i + 1] - y[i]) / h1
        pivot = 2 * (h0 + h1) - h1 * work[i - 1]
        work[i] = h0 / pivot
        s[i] = (3 * (h1 * r0 + h0 * r1) - h1 * s[i - 1]) / pivot
        if i < n - 2:
            h0, r0 = h1, r1
    both = t[n - 1] - t[n - 3]
    right = (h1 * h1 * r0 + (2 * both + h1) * h0 * r1) / both
    s[n - 1] = (right - both * s[n - 2]) / (h0 - both * work[n - 2])
    for i in range(n - 2, -1, -1):
        s[i] -= work[i] * s[i + 1]


@compiled
def _through_three(t: F8, y: F8, out: F8, add: bool) -> None:
    """As `_envelope`: the natural cubic spline through three knots."""
    h1, h2 = t[1] - t[0], t[2] - t[1]
    a, b = 1.0 / h1, 1.0 / h2
    v0, v2 = 3 * (y[1] - y[0]) * a * a, 3 * (y[2] - y[1]) * b * b
    k1 = (v0 + v2) / 2 / (1.5 * (a + b))  # of [2a a 0; a 2(a+b) b; 0 b 2b] k = [v0, v0 + v2, v2]
    k0, k2 = (v0 - a * k1) / (2 * a), (v2 - b * k1) / (2 * b)
    a1, b1 = k0 * h1 - (y[1] - y[0]), -k1 * h1 + (y[1] - y[0])
    a2, b2 = k1 * h2 - (y[2] - y[1]), -k2 * h2 + (y[2] - y[1])
    for i in range(out.size):
        if i < t[1]:
            z = (i - t[0]) * a
            value = (1 - z) * y[0] + z * y[1] + z * (1 - z) * (a1 * (1 - z) + b1 * z)
        else:
            z = (i - t[1]) * b
            value = (1 - z) * y[1] + z * y[2] + z * (1 - z) * (a2 * (1 - z) + b2 * z)
        out[i] = 0.5 * (out[i] + value) if add else value
