"""Tag to message class: each message puts itself there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

REGISTRY: dict[bytes, type] = {}
"""Tag to message class; `protocol.wire` reads it."""

C = TypeVar("C", bound=type)


def message(tag: bytes) -> Callable[[C], C]:
    """Register a frozen dataclass as the message with this tag (three bytes: all of one length, none a prefix)."""

    def register(cls: C) -> C:
        if tag in REGISTRY or len(tag) != 3:
            raise ValueError(f"{cls.__name__}: tag {tag!r} is taken or not three bytes long")
        REGISTRY[tag] = cls
        cls.TAG = tag  # type: ignore[attr-defined]
        return cls

    return register
