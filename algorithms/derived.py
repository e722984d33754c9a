"""Channels that follow from others of the same row, over all slots and devices at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.polar import phasors, polar
from algorithms.sequences import power, symmetrical, unbalance

F4 = NDArray[np.float32]
At = NDArray[np.intp]


@dataclass(frozen=True)
class Recipe:
    """What is computed of one device's rows. Phasors are given by the channels of their magnitudes, the angle is the
    one behind it; A, B and C of a set in a row."""

    sequences: Sequence[tuple[tuple[int, ...], tuple[int, int, int]]] = ()
    """(phases, where zero, positive and negative sequence go)"""
    power: Sequence[tuple[tuple[int, ...], tuple[int, ...], tuple[int, int]]] = ()
    """(voltages, currents, where P and Q go)"""
    unbalance: Sequence[tuple[tuple[int, ...], int]] = ()
    """(phases, where it goes)"""


@dataclass(frozen=True)
class Recipes:
    """Those of m devices in one list: `device` [q] and channels [q, …] of each entry."""

    sequences: list[At] = field(default_factory=list)
    power: list[At] = field(default_factory=list)
    unbalance: list[At] = field(default_factory=list)

    @classmethod
    def of(cls, recipes: Sequence[Recipe]) -> Recipes:
        """In the order of the devices."""
        return cls(*(_listed([getattr(each, kind) for each in recipes]) for kind in Recipe.__dataclass_fields__))


def _listed(entries: Sequence[Sequence[tuple[Any, ...]]]) -> list[At]:
    """[device, then each member of the entries]; empty if there are none."""
    rows = [(at, *entry) for at, each in enumerate(entries) for entry in each]
    return [np.array(column, np.intp) for column in zip(*rows, strict=True)]


def derive(values: F4, recipes: Recipes) -> None:
    """Fill the derived channels of rows [k, m, c] in place."""
    if recipes.sequences:
        device, phases, out = recipes.sequences
        told = polar(symmetrical(taken(values, device, phases)))
        values[:, device[:, None, None], out[..., None] + [0, 1]] = told
    if recipes.power:
        device, volts, amperes, out = recipes.power
        both = power(taken(values, device, volts), taken(values, device, amperes))
        values[:, device[:, None], out] = np.stack([both.real, both.imag], axis=-1)
    if recipes.unbalance:
        device, phases, out = recipes.unbalance
        values[:, device, out] = unbalance(taken(values, device, phases))


def taken(values: F4, device: At, phases: At) -> NDArray[np.complex128]:
    """[k, q, p] Phasors of rows [k, m, c]: of devices [q] those at their channels [q, p]."""
    magnitude = values[:, device[:, None], phases].astype(np.float64)
    return phasors(magnitude, values[:, device[:, None], phases + 1])
