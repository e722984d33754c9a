"""Stations as their users call them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from protocol.messages import Configuration


class Key(NamedTuple):
    """A station under one of its names."""

    device: int
    link: str
    name: str


def key_of(each: Configuration) -> Key:
    """Whose configuration it is."""
    return Key(each.device, each.link, each.name)


def is_called(key: Key, device: str) -> bool:
    """By its name, link and name, or number."""
    return device in (key.name, f"{key.link}/{key.name}", str(key.device))


def chosen(configurations: Sequence[Configuration], wanted: Collection[Key] | None) -> list[int]:
    """Columns of some stations; None: of all."""
    return [column for column, each in enumerate(configurations) if wanted is None or key_of(each) in wanted]
