"""How unusual is what all devices show together? Distances from the window's own quiet pattern.

A grid's ambient moves its devices together, in patterns that its network makes. The covariance of a quantity over the
devices holds these patterns, so the Mahalanobis distance [Mahalanobis1936] forgives what the devices always do
together, common ramps first of all, and shows what they never did before. The covariance is Tyler's M-estimate
[Tyler1987]: the direction of each instant counts and not its size, so that an event does not hide itself.

What one device says alone is its own affair, bad data or a load switched next door. A second distance therefore leaves
out, at every instant, the device that explains most: the quadratic form of the marginal distribution of the others is
the whole one less y_i' P_ii^-1 y_i, with P the inverse covariance and y = P z.

[Mahalanobis1936] Proc. Natl. Inst. Sci. India 2, 49. [Tyler1987] Ann. Stat. 15(1), 234.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
Bools = NDArray[np.bool_]

ROUNDS = 4
"""Of Tyler's iteration; it is at rest by then."""
RIDGE = 1e-3
"""Of each variance, added to it: what devices agree on more closely than that is rounding."""
SAMPLE = 2000
"""Instants that a covariance is made of; neighbours tell the same."""
WHOLE = 0.25
"""Share of the instants at which all devices must be there; who is mostly absent is left out."""


@dataclass(frozen=True)
class Distance:
    """How far [n] from the usual, per quantity."""

    whole: F8
    others: F8
    """Without the device that is farthest; 0 where only one is there."""


def distance(z: F8, there: Bools) -> Distance:
    """Of q quantities of m devices at n instants: z [q, m, n], `there` [m, n]."""
    quantities, _, n = z.shape
    part = taking_part(there)
    z, there = z[:, part], there[part]
    if not part.size:
        return Distance(np.zeros(n), np.zeros(n))
    rows = z.reshape(quantities * part.size, n)
    cover = scatter(rows[:, there.all(axis=0)])
    whole, others = np.zeros(n), np.zeros(n)
    for at, present in _patterns(there):
        if present.any():
            whole[at], others[at] = _forms(rows[:, at], cover, np.flatnonzero(present), part.size, quantities)
    return Distance(whole, others)


def taking_part(there: Bools) -> NDArray[np.intp]:
    """Devices of [m, n] that are there together often enough, by place."""
    part = np.flatnonzero(there.mean(axis=1) >= WHOLE)
    while part.size and there[part].all(axis=0).mean() < WHOLE:
        part = np.delete(part, np.argmin(there[part].mean(axis=1)))
    return part


def _patterns(there: Bools) -> list[tuple[NDArray[np.intp], Bools]]:
    """Instants [k] of [m, n] with the same devices [m] there."""
    everyone = there.all(axis=0)
    rest = np.flatnonzero(~everyone)
    found = [(np.flatnonzero(everyone), np.ones(there.shape[0], dtype=np.bool_))]
    if rest.size:
        codes, pattern = np.unique(there[:, rest], axis=1, return_inverse=True)
        found += [(rest[pattern.ravel() == code], present) for code, present in enumerate(codes.T)]
    return found


def scatter(rows: F8) -> F8:
    """Tyler's covariance [k, k] of k rows of n instants, of the size of their median distance."""
    x = rows[:, :: max(1, rows.shape[1] // SAMPLE)]
    k = x.shape[0]
    scale = np.maximum(np.median(np.abs(x), axis=1), 1e-12)
    x = x / scale[:, None]
    cover = np.eye(k)
    for _ in range(ROUNDS):
        form = np.maximum(np.sum(x * np.linalg.solve(cover, x), axis=0), 1e-12)
        cover = k * (x / form) @ x.T / x.shape[1]
        cover = cover / np.trace(cover) * k + RIDGE * np.eye(k)
    form = np.sum(x * np.linalg.solve(cover, x), axis=0)
    return np.asarray(cover * max(float(np.median(form)), 1e-12) / k * np.outer(scale, scale))


def _forms(rows: F8, cover: F8, present: NDArray[np.intp], devices: int, quantities: int) -> tuple[F8, F8]:
    """Both distances at instants with the same devices present."""
    chosen = (present + devices * np.arange(quantities)[:, None]).ravel()
    count = present.size
    precision = np.linalg.inv(cover[np.ix_(chosen, chosen)])
    z = rows[chosen]
    y = precision @ z
    whole = np.sum(z * y, axis=0)
    if count == 1:
        return whole / quantities, np.zeros_like(whole)
    own = (np.arange(quantities) * count)[None] + np.arange(count)[:, None]
    blocks = np.linalg.inv(precision[own[:, :, None], own[:, None, :]])
    mine = y.reshape(quantities, count, -1)
    alone = np.einsum("qin,iqr,rin->in", mine, blocks, mine, optimize=True)
    others = np.maximum(whole - alone.max(axis=0), 0.0)
    return whole / (quantities * count), others / (quantities * (count - 1))
