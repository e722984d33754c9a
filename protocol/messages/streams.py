"""Numbered streams: what a word that must not be lost carries, and how writer and reader settle who has what."""

from __future__ import annotations

from dataclasses import dataclass, field

from protocol.messages.fields import Count
from protocol.messages.registry import message


@dataclass(frozen=True)
class Numbered:
    """A word that must not be lost: the writer numbers it, a reader that missed it fetches it.

    Its identity is (node, epoch, number); a row's is (node, epoch, number, row).
    """

    node: str = field(default="", kw_only=True)
    """The writer's process name, as `receivers.1`. The writer's stream fills in these three."""
    epoch: Count = field(default=0, kw_only=True)
    """One opening of the writer's stream: UTC [ns] of that moment."""
    number: Count = field(default=0, kw_only=True)
    """0, 1, 2, … within the epoch."""


@message(b"ANN")
@dataclass(frozen=True)
class Announce:
    """A writer's standing: everything below `next` has been said. At least every 500 ms."""

    node: str
    epoch: Count
    next: Count
    first: Count
    """Oldest number that can still be fetched."""
    earlier: list[tuple[Count, Count, Count]] = field(default_factory=list)
    """(epoch, first, next) of the writer's earlier epochs that can still be fetched, oldest first: a reader that
    stands in one of them takes the rest of it before it goes on to the next."""


@message(b"FET")
@dataclass(frozen=True)
class Fetch:
    """A reader asks a writer for [first, last) of an epoch; the words themselves come to the reader's inbox."""

    reader: str
    epoch: Count
    """If the writer does not know it, or it is an earlier one and nothing of it is asked: it answers with Announce."""
    first: Count
    last: Count
    configurations: bool = False
    """Send first the Configurations in force at `first` (marked `again`), then a Gone of nothing."""


@message(b"GON")
@dataclass(frozen=True)
class Gone:
    """The writer's answer for what it no longer holds: [first, last) of an epoch are lost to the reader.

    Nothing is gone if first = last: so ends an answer that was too long, and the list of Configurations in force.
    """

    node: str
    epoch: Count
    first: Count
    last: Count


@message(b"DUR")
@dataclass(frozen=True)
class Durable:
    """A reader to a writer: all below `next` of `epoch`, and all of earlier epochs, is safe with me."""

    archive: str
    """The reader's process name."""
    epoch: Count
    next: Count
