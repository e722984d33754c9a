"""An event as its trigger knows it: what led to it, which answers it still owes, and what belongs to it.

A suspicion tells of a moment: its onset, but that of an early window tells of the alarm if that came long after the
first suspicious sample, which then is of something older. A moment belongs to an event if it lies within `join` of the
onset, as it was suspected or as it was found. An oscillation goes on: what is suspected meanwhile, or within `join` of
the latest such moment, belongs to it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archive.layout import event_name
from protocol import clock
from protocol.clock import MILLISECOND, SECOND
from protocol.messages import Cause, Event, Verdict

RECENT = 5 * SECOND
"""An early window whose first suspicious sample is older than this tells of something newer as well: its alarm."""
ALARMED = 2 * SECOND
"""So long before its end an early window was asked for, about."""
OSCILLATION = "osc"
"""What the kinds begin with that go on."""


class Suspicion(NamedTuple):
    """What is kept of a suspicious verdict."""

    writer: str
    """"" where it is a sweep of our own"""
    epoch: int
    next: int
    """The number of the word after it."""
    device: int
    trigger: str
    start: int
    """ns UTC of the window"""
    stop: int
    onset: int
    """ns UTC of the first suspicious sample"""
    score: float
    cause: str
    """A `Cause`."""

    @classmethod
    def of(cls, verdict: Verdict, device: int) -> Suspicion:
        """`device` is the one that it says is suspected."""
        at = verdict.node, verdict.epoch, verdict.number + 1 if verdict.node else 0
        onset = verdict.onset or verdict.start
        return cls(*at, device, verdict.trigger, verdict.start, verdict.stop, onset, verdict.score, verdict.cause)

    @property
    def moment(self) -> int:
        """ns UTC of what it tells."""
        late = self.cause == Cause.ALARM and self.onset < self.stop - RECENT
        return self.stop - ALARMED if late else self.onset

    @property
    def plain(self) -> dict[str, Any]:
        """As an `Event` tells it."""
        return {name: getattr(self, name) for name in ("device", "trigger", "start", "onset", "score")}


@dataclass
class Case:
    """See the module."""

    id: str
    onset: int
    """ns UTC, as it was first suspected"""
    earliest: int
    """ns UTC of the first moment that was suspected"""
    latest: int
    """… and of the last one"""
    writer: str = ""
    rate: int = 0
    """Of the slots that it is cut of; 0: nobody has told the suspected device yet."""
    suspicions: list[dict[str, Any]] = field(default_factory=list)
    devices: list[int] = field(default_factory=list)
    """That were looked at last."""
    left: list[int] = field(default_factory=list)
    """Answers that have not been cut, in ns after the onset."""
    cut: int = 0
    """Answers that have been cut."""
    said: int = 0
    found: int = 0
    """ns UTC of the onset as it was judged; 0: it was not"""
    kind: str = ""
    """As it was judged last."""

    @property
    def open(self) -> bool:
        """Answers are still to be cut."""
        return bool(self.left)

    @property
    def suspected(self) -> list[int]:
        """Devices, in the order of their suspicions."""
        return list(dict.fromkeys(each["device"] for each in self.suspicions))

    def holds(self, moment: int, join: int) -> bool:
        """Whether what was at that moment belongs to it."""
        return abs(moment - self.onset) <= join or self.tells(moment, join)

    def tells(self, moment: int, join: int) -> bool:
        """Whether what was at that moment is the disturbance that it was judged to be."""
        if self.found and abs(moment - self.found) <= join:
            return True
        return self.kind.startswith(OSCILLATION) and self.earliest - join <= moment <= self.latest + join

    def join(self, suspicion: Suspicion) -> None:
        """One more device is suspected, or the same one again. What comes after the last window is not told."""
        if self.open:
            self.suspicions.append(suspicion.plain)
            self.earliest = min(self.earliest, suspicion.moment)
        self.latest = max(self.latest, suspicion.moment)

    def learn(self, event: Event) -> None:
        """An answer was said."""
        self.said = max(self.said, event.answer)
        self.kind, self.found = event.kind, event.onset if event.disturbance else 0
        if self.kind.startswith(OSCILLATION):
            self.latest = max(self.latest, event.stop)

    @property
    def plain(self) -> dict[str, Any]:
        """For a journal."""
        return asdict(self)


def name(onset: int, trigger: str, taken: Collection[str]) -> str:
    """The id of an event; one whose millisecond is taken has the next that is free."""
    while (told := event_name(onset, trigger)) in taken:
        onset += MILLISECOND
    return told


class Due(NamedTuple):
    """A window of several devices that is to be judged."""

    event: str
    """id; of a sweep what is swept"""
    answer: int
    """1, 2, …; of a sweep the slot after its last one"""
    final: bool
    cause: Cause
    rate: int
    devices: tuple[int, ...]
    """[m] none: there are no samples"""
    first: int
    """slot of the first sample"""
    since: int
    """sample from which on something is looked for"""
    values: NDArray[np.float32] | None
    """[m, 7, n] NaN = not measured; None after a restart that found them gone"""
    came: int
    """When the oldest of its samples came; NEVER if there are none."""
    samples: int
    """n"""

    @property
    def key(self) -> tuple[str, int]:
        """What there is one answer of."""
        return self.event, self.answer

    @property
    def start(self) -> int:
        """ns UTC of its first sample"""
        return int(clock.slot_time(self.first, self.rate)) if self.rate else 0

    @property
    def stop(self) -> int:
        """ns UTC after its last sample"""
        return int(clock.slot_time(self.first + self.samples, self.rate)) if self.rate else 0
