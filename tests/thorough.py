"""How much is tried: `make test` takes samples of what can happen; `make test-all` takes more of them."""

from __future__ import annotations

_all = False


def be(thorough: bool) -> None:
    """Before tests are collected: whether this is such a run."""
    global _all
    _all = thorough


def of(some: int, more: int) -> int:
    """`more` in a thorough run, else `some`."""
    return more if _all else some
