"""How much is tried: `make test` takes samples of what can happen; `make test-all` takes more of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
_all = False


def be(thorough: bool) -> None:
    """Before tests are collected: whether this is such a run."""
    global _all
    _all = thorough


def of(some: T, more: T) -> T:
    """`more` in a thorough run, else `some`."""
    return more if _all else some


def samples(moments: Sequence[int], stride: int) -> Sequence[int]:
    """All of them in a thorough run, else each `stride`-th, from another one on in each run."""
    return moments if _all else moments[random.randrange(stride) :: stride]
