"""What a receiver must know of one connection to go on with it, in its next life or in another receiver."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Handed(NamedTuple):
    """A connection as a balancer handed it over."""

    connection: int
    balancer: str
    how: str
    peer: tuple[str, int]
    target: tuple[str, int] | None
    cfg3: bool
    stream: int | None
    tls: dict[str, Any] | None = None
    """How it is secured (`nodes/_tls.py`); then it does not outlive us."""
    protocol: str = "c37118"
    """What is spoken there (`nodes/_tongues.py`)."""
    pipe: str = ""
    """Of protocols with several connections for a device: management, data, or whole (all in one); "": unknown yet."""
    beside: int = 0
    """Of a data pipe: the connection that is its management pipe; 0: not known yet."""
    download: dict[str, Any] | None = None
    """What of a substation's CFG-1 is downloaded as its CFG-2."""

    @classmethod
    def of(cls, values: Sequence[Any]) -> Handed:
        """From plain values, in this order."""
        connection, balancer, how, peer, target, *rest = values[: len(cls._fields)]
        return cls(connection, balancer, how, tuple(peer), tuple(target) if target else None, *rest)


@dataclass
class LinkState:
    """One stream of a connection."""

    plain: list[Any] = field(default_factory=list)
    configuration: list[Any] | None = None
    """In force, as `remembered`."""
    first: int = 0
    """Number of the oldest held frame."""
    held: deque[bytes] = field(default_factory=deque)
    early: list[list[Any]] = field(default_factory=list)
    """[configuration, frames] each."""

    def apply(self, plain: list[Any], cfg: list[Any] | None, first: int, held: list[bytes], early: Any) -> None:
        self.plain = plain
        self.configuration = cfg or self.configuration
        for _ in range(min(first - self.first, len(self.held))):
            self.held.popleft()
        self.first = first
        self.held.extend(held)
        if early is None:
            return
        anew, runs = early
        if anew:
            self.early = []
        for cfg_of_run, frames in runs:
            if cfg_of_run is not None:
                self.early.append([cfg_of_run, list(frames)])
            elif self.early:
                self.early[-1][1].extend(frames)

    def told(self) -> list[Any]:
        """The arguments of `apply` that make up this."""
        early = [True, [[cfg, list(frames)] for cfg, frames in self.early]]
        return [self.plain, self.configuration, self.first, list(self.held), early]


@dataclass
class WayState:
    """One connection."""

    handed: Handed
    position: int = 0
    base: int = 0
    tail: bytes = b""
    splitter: list[int] | None = None
    last: list[list[int]] = field(default_factory=list)
    links: dict[tuple[str, int], LinkState] = field(default_factory=dict)
    """(address, IDCODE) of what goes beside or unasked, ("", -1) of the connection's own -> link"""

    def split(self, base: int, fresh: bytes, state: list[int] | None) -> None:
        held = self.tail[base - self.base :] if self.splitter and base >= self.base else b""
        self.base, self.tail, self.splitter = (base, held + fresh, state) if state else (0, b"", None)
