"""Is there a line that keeps its phase? Self-coherence of one device, for forced oscillations.

What a source forces keeps its phase; what the ambient excites forgets it within a few damping times. So the spectra of
pieces of the frequency are compared with those of the pieces `delay` later: coherence near one at a frequency says
that a source drives it ([Zhou2015] Zhou, Dagle, "Initial results in using a self-coherence method for detecting
sustained oscillations", IEEE Trans. Power Syst. 30, 522). It sees lines far below the ambient.

How much coherence is too much follows from chance alone: k pairs of independent pieces exceed C with a probability of
(1 - C)^(k - 1) ([Carter1987] Proc. IEEE 75, 236). The score is the logarithm of that over the logarithm of `risk` among
all frequencies and pieces. Lines that stand in the window from its first piece to its last (interharmonics, ripple
control) do not count: their power varies less over the pieces than noise's would.
"""

from __future__ import annotations

from math import log
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from algorithms import registry
from algorithms.firststage import decision
from algorithms.firststage.decision import samples
from algorithms.firststage.streams import difference
from algorithms.registry import Hertz, Judgement, Seconds, WindowData, algorithm

F8 = NDArray[np.float64]
C16 = NDArray[np.complex128]

INDEPENDENT = 0.8
"""Of the pairs: pieces with a Hann window overlap by half."""
FEWEST = 4
"""Pairs that tell anything."""
VARIES = log(0.1) / log(0.9)
"""Power of a piece that one in ten exceeds, over the one that nine in ten exceed, of noise: exponential."""


class Settings(registry.Settings):
    """Which lines, and how sure it must be."""

    piece: Seconds = 10.0
    """Length of the pieces; the next one begins half of it later. Lines are told apart by 2 / piece."""
    delay: Seconds = 10.0
    """From a piece to the one that it is compared with: longer than the grid's own modes remember."""
    span: Seconds = 100.0
    """Coherence is over so much time; a line should last for half of it."""
    low: Hertz = 0.1
    """Lines between this …"""
    high: Hertz = 20.0
    """… and this are looked for, or what the sampling rate allows."""
    risk: Annotated[float, Field(gt=0, lt=1)] = 1e-4
    """Chance of a quiet window to show such a line."""
    standing: bool = False
    """Lines that fill the whole window count, too."""


class Shape(NamedTuple):
    """In samples, pieces and bins."""

    length: int
    hop: int
    apart: int
    pairs: int
    bins: slice


def shape(rate: float, settings: Settings) -> Shape:
    """Of the settings."""
    length = samples(settings.piece, rate, 8)
    hop = length // 2
    apart = max(2, round(settings.delay * rate / hop))
    pairs = max(FEWEST, round(settings.span * rate / hop) - apart - 1)
    first = max(1, int(np.ceil(settings.low * length / rate)))
    return Shape(length, hop, apart, pairs, slice(first, min(int(settings.high * length / rate), length // 2) + 1))


class SelfCoherence:
    """Of m devices, a spectrum for each piece; the memory holds the last `pairs` pairs."""

    def __init__(self, form: Shape) -> None:
        self.form = form
        self._window = np.hanning(form.length + 1)[:-1]
        self._change = difference(1)
        self._rest: F8 | None = None
        self._spectra: list[C16] = []

    def push(self, x: F8) -> tuple[F8, F8]:
        """(coherence [m, p, b] of the pieces that are whole by now and have enough pairs, power [m, q, b] of all of
        them) by the next samples [m, k]."""
        form, change = self.form, self._change.push(x)
        joined = change if self._rest is None else np.concatenate([self._rest, change], axis=1)
        whole = max(0, (joined.shape[1] - form.length) // form.hop + 1)
        self._rest = joined[:, whole * form.hop :].copy()
        new = [self._spectrum(joined[:, k * form.hop :][:, : form.length]) for k in range(whole)]
        told = []
        for spectrum in new:
            self._spectra = [*self._spectra, spectrum][-(form.pairs + form.apart) :]
            if len(self._spectra) == form.pairs + form.apart:
                told.append(self._coherence())
        bins = form.bins.stop - form.bins.start
        powers = [_power(spectrum) for spectrum in new]
        nothing = np.zeros((x.shape[0], 0, bins))
        return (np.stack(told, axis=1) if told else nothing, np.stack(powers, axis=1) if powers else nothing)

    def _spectrum(self, piece: F8) -> C16:
        """[m, b]; one piece at a time, so that it is the same bits however the stream is cut."""
        level = piece.sum(axis=1, keepdims=True) / piece.shape[1]
        return np.ascontiguousarray(np.fft.rfft((piece - level) * self._window, axis=1)[:, self.form.bins])

    def _coherence(self) -> F8:
        early, later = self._spectra[: -self.form.apart], self._spectra[self.form.apart :]
        cross = sum((b * a.conj() for a, b in zip(early, later, strict=True)), np.zeros_like(early[0]))
        powers = [sum(map(_power, some), np.zeros(cross.shape)) for some in (early, later)]
        return np.asarray(_power(cross) / np.maximum(powers[0] * powers[1], np.finfo(float).tiny))


def _power(x: C16) -> F8:
    return np.asarray(x.real * x.real + x.imag * x.imag)


def shortest(settings: Settings) -> float:
    """Seconds of a window."""
    form = shape(decision.RATE, settings)
    return (form.length + (FEWEST + form.apart - 1) * form.hop + 1) / decision.RATE


@algorithm("coherence", version=1, shortest=shortest)
def judge(window: WindowData, settings: Settings) -> Judgement:
    """Lines that keep their phase (self-coherence): forced oscillations, also far below the ambient."""
    form = shape(window.rate, settings)
    form = form._replace(pairs=min(form.pairs, (window.values.shape[2] - 1 - form.length) // form.hop + 1 - form.apart))
    if form.pairs < FEWEST or form.bins.stop <= form.bins.start:
        raise ValueError(
            f"a window of {window.values.shape[2]} samples is too short: {FEWEST} pairs of pieces of {form.length} are "
            "needed to know what is coherent; make the window longer, or piece and delay shorter"
        )
    coherence, power = SelfCoherence(form).push(decision.series(window))
    high, low = np.quantile(power, (0.9, 0.1), axis=1)
    fresh = (high > VARIES * low) | settings.standing
    chance = -(INDEPENDENT * form.pairs - 1) * np.log1p(-np.minimum(coherence, 1 - 1e-12)) * fresh[:, None]
    scores = chance / log(coherence.shape[1] * coherence.shape[2] / settings.risk)
    one, at, line = (int(k) for k in np.unravel_index(int(np.argmax(scores)), scores.shape))
    score = float(scores[one, at, line])
    rate, bins = window.rate, form.bins
    onset = _onset(power[one, :, line], form) if score > 1.0 else None
    detail = {
        "hz": round((bins.start + line) * rate / form.length, 4),
        "coherence": round(float(coherence[one, at, line]), 4),
        "pairs": form.pairs,
    }
    return Judgement(score > 1.0, score, onset, detail)


def _onset(power: F8, form: Shape) -> int:
    """The middle of the first piece [p] in which the line is nearer to its loudest than to its quietest."""
    level = np.sqrt(np.quantile(power, 0.9) * np.quantile(power, 0.1))
    return int(np.argmax(power > level)) * form.hop + form.length // 2
