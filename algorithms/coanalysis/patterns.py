"""How unusual is what all devices show together? Distances from the window's own quiet pattern.

A grid's ambient moves its devices together, in patterns that its network makes. The covariance of a quantity over the
devices holds these patterns, so the Mahalanobis distance [Mahalanobis1936] forgives what the devices always do
together, common ramps first of all, and shows what they never did before. The covariance is Tyler's M-estimate
[Tyler1987]: the direction of each instant counts and not its size, so that an event does not hide itself.

What one device says alone is its own affair, bad data or a load switched next door. A second distance therefore leaves
out, at every instant, the device that explains most: the quadratic form of the marginal distribution of the others is
the whole one less y_i' P_ii^-1 y_i, with P the inverse covariance and y = P z.

A third one leaves out two, and is told where the second one is highest only: what is switched at two places at a
time, by chance, shows nothing at a third.

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


FEWEST = 4
"""Devices of which two may be left out."""


@dataclass(frozen=True)
class Distance:
    """How far [n] from the usual, per quantity."""

    whole: F8
    others: F8
    """Without the device that is farthest; 0 where only one is there."""
    fewer: F8
    """Without two, where the others' is the highest of its block; 0 elsewhere, and where fewer than four are there."""


def distance(z: F8, there: Bools, block: int) -> Distance:
    """Of q quantities of m devices at n instants: z [q, m, n], `there` [m, n]; `block` instants."""
    quantities, _, n = z.shape
    part = taking_part(there)
    z, there = z[:, part], there[part]
    whole, others, fewer = np.zeros(n), np.zeros(n), np.zeros(n)
    if not part.size:
        return Distance(whole, others, fewer)
    rows = z.reshape(quantities * part.size, n)
    cover = scatter(rows[:, there.all(axis=0)])
    for at, present in alike(there):
        if present.any():
            forms = _Forms(cover, np.flatnonzero(present), part.size, quantities)
            whole[at], others[at] = forms.of(rows[:, at])
    highest = others[: n // block * block].reshape(-1, block).argmax(axis=1) + np.arange(n // block) * block
    for at, present in alike(there[:, highest]):
        if np.count_nonzero(present) >= FEWEST:
            forms = _Forms(cover, np.flatnonzero(present), part.size, quantities)
            fewer[highest[at]] = forms.without_two(rows[:, highest[at]])
    return Distance(whole, others, fewer)


def taking_part(there: Bools) -> NDArray[np.intp]:
    """Devices of [m, n] that are there together often enough, by place."""
    part = np.flatnonzero(there.mean(axis=1) >= WHOLE)
    while part.size and there[part].all(axis=0).mean() < WHOLE:
        part = np.delete(part, np.argmin(there[part].mean(axis=1)))
    return part


def alike(there: Bools) -> list[tuple[NDArray[np.intp], Bools]]:
    """Instants [k] of [m, n] with the same devices [m] there."""
    everyone = there.all(axis=0)
    rest = np.flatnonzero(~everyone)
    found = [(np.flatnonzero(everyone), np.ones(there.shape[0], dtype=np.bool_))]
    if rest.size:
        codes, pattern = np.unique(there[:, rest], axis=1, return_inverse=True)
        found += [(rest[pattern.ravel() == code], present) for code, present in enumerate(codes.T)]
    return found


def scatter(rows: F8) -> F8:
    """Tyler's covariance [k, k] of k rows of n instants, of the size of their median distance.

    A row that usually stands still, as of a device whose angle is frozen, goes with no other one and has the size 1.
    """
    x = rows[:, :: max(1, rows.shape[1] // SAMPLE)]
    scale = np.median(np.abs(x), axis=1)
    moving = np.flatnonzero(scale > 0.0)
    whole = np.eye(scale.size)
    if moving.size:
        whole[np.ix_(moving, moving)] = _tyler(x[moving], scale[moving])
    return whole


def _tyler(x: F8, scale: F8) -> F8:
    """The covariance of rows [k, n] that have a size [k]."""
    x = x / scale[:, None]
    k = scale.size
    cover = np.eye(k)
    for _ in range(ROUNDS):
        form = np.maximum(np.sum(x * np.linalg.solve(cover, x), axis=0), 1e-12)
        cover = k * (x / form) @ x.T / x.shape[1]
        cover = cover / np.trace(cover) * k + RIDGE * np.eye(k)
    form = np.sum(x * np.linalg.solve(cover, x), axis=0)
    return np.asarray(cover * max(float(np.median(form)), 1e-12) / k * np.outer(scale, scale))


class _Forms:
    """Quadratic forms of instants with the same devices present."""

    def __init__(self, cover: F8, present: NDArray[np.intp], devices: int, quantities: int) -> None:
        self.chosen = (present + devices * np.arange(quantities)[:, None]).ravel()
        self.precision = np.linalg.inv(cover[np.ix_(self.chosen, self.chosen)])
        self.devices, self.quantities = present.size, quantities
        self.own = np.arange(quantities) * present.size + np.arange(present.size)[:, None]
        """[m, q] The places of each device's quantities."""

    def of(self, rows: F8) -> tuple[F8, F8]:
        """[n] The distances of all, and without the device that is farthest."""
        whole, _, alone = self._parts(rows)
        if self.devices == 1:
            return whole / self.quantities, np.zeros_like(whole)
        others = np.maximum(whole - alone.max(axis=0), 0.0)
        return whole / self.chosen.size, others / (self.quantities * (self.devices - 1))

    def without_two(self, rows: F8) -> F8:
        """[n] Without the device that is farthest, and that one with which most goes."""
        whole, y, alone = self._parts(rows)
        first = alone.argmax(axis=0)
        with_it = np.zeros((self.devices, whole.size))
        for second in range(self.devices):
            at = np.flatnonzero(first != second)
            pair = np.concatenate(
                [self.own[first[at]], np.broadcast_to(self.own[second], (at.size, self.quantities))], 1
            )
            y_pair = y[pair, at[:, None]]
            blocks = self.precision[pair[:, :, None], pair[:, None, :]]
            with_it[second, at] = np.sum(y_pair * np.linalg.solve(blocks, y_pair[..., None])[..., 0], axis=1)
        return np.asarray(np.maximum(whole - with_it.max(axis=0), 0.0) / (self.quantities * (self.devices - 2)))

    def _parts(self, rows: F8) -> tuple[F8, F8, F8]:
        """[n] the whole form, [k, n] precision times the rows, [m, n] what each device explains."""
        z = rows[self.chosen]
        y = self.precision @ z
        blocks = np.linalg.inv(self.precision[self.own[:, :, None], self.own[:, None, :]])
        mine = y.reshape(self.quantities, self.devices, -1)
        alone = np.einsum("qin,iqr,rin->in", mine, blocks, mine, optimize=True)
        return np.sum(z * y, axis=0), y, alone
