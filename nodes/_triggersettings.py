"""What a trigger can be told: which windows it cuts, and how they are given out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from algorithms.prescreen import Limits
from nodes._eventshape import EventShape
from nodes._screen import Watch
from nodes._settings import Duration, FilePath, Share, Size, fault
from nodes._settings import Settings as Base
from nodes._spans import Reach, Span
from nodes._windowbook import QUANTITY, Shape
from protocol.clock import MILLISECOND, SECOND

HOUR = 3600 * SECOND
LENGTH, OFFSETS = 180 * SECOND, (-150 * SECOND, 30 * SECOND)
"""What `window` is if it is not said."""
LEAST_SWEEP = SECOND
SCHEDULED = ("of", "every", "stagger", "completeness", "gap", "alarm", "alarm_limit", "alarm_after", "alarm_hold",
             "alarm_waiting")  # fmt: skip
SUSPECTED = ("answers", "neighbours", "most", "sweep", "join", "late", "patience", "samples")
"""Settings that are of one `on:` only."""


def _known_quantity(value: str) -> str:
    if not QUANTITY.fullmatch(value):
        raise fault(f"unknown quantity {value!r}", "write frequency, rocof, magnitude 1, angle 1 or analog 1")
    return value


class Settings(Base):
    """Trigger: which windows are cut, and how they are given out."""

    on: Literal["schedule", "suspicion"] = "schedule"
    """schedule: windows of each device on its own, one after another. suspicion: where a trigger in `from` tells of a
    suspicious window, the same span of the suspected device and its neighbours, together."""
    of: Annotated[str, AfterValidator(_known_quantity)] = "frequency"
    """Quantity in the window: frequency, rocof, or `magnitude 1`, `angle 1`, `analog 1` (counted from 1)."""
    window: Span = LENGTH
    """Length of a window; with `on: suspicion` from when to when around the onset, as [-150 s, +30 s]."""
    every: Annotated[Duration, Field(ge=100 * MILLISECOND)] = 120 * SECOND
    """From one window of a device to its next."""
    stagger: bool = True
    """Spread the windows of the devices over `every`, so that they don't fall due together."""
    completeness: Share = 0.9
    """Below this share of measured samples a window is not judged."""
    gap: Duration = SECOND
    """Longest gap that is interpolated; a window with a longer one is not judged."""
    in_flight: Annotated[int, Field(ge=1)] = 16
    """Windows at the detectors at a time, all together (and two at most at each)."""
    timeout: Annotated[Duration, Field(ge=100 * MILLISECOND)] = 30 * SECOND
    """A detector silent for so long about a window loses it."""
    attempts: Annotated[int, Field(ge=1)] = 3
    """After so many a window is a dead letter."""
    waiting: Annotated[int, Field(ge=1)] = 10_000
    """Windows waiting for a detector; beyond, the newest is given up at once (dead letter)."""
    dead_letters: Annotated[FilePath, Field(validate_default=True)] = Path("../data/dead-letters")
    """Folder for windows that could not be judged, a file per trigger."""
    memory: Size = 16 << 20
    """Memory for recent verdicts that a reader may fetch; older ones come from the journal."""
    keep: Size = 1 << 30
    """Disk for the journal: verdicts that the archive lacks, and what the next windows need after a restart."""
    age: Duration = 24 * HOUR
    """The journal keeps nothing longer than this."""
    alarm: bool = False
    """Have a device's latest window judged at once when it leaves its quiet ways, besides the schedule."""
    alarm_limit: Annotated[float, Field(gt=1)] = Limits.limit
    """Change of the frequency within 0.4 s, in multiples of the device's usual peak, that is out of its ways; it is
    more for a device whose quiet peaks have heavy tails."""
    alarm_after: Annotated[Duration, Field(ge=0, le=10 * SECOND)] = 500 * MILLISECOND
    """So much of an early window lies after the alarm."""
    alarm_hold: Annotated[Duration, Field(ge=SECOND)] = 30 * SECOND
    """From an alarm of a device to its next."""
    alarm_waiting: Annotated[int, Field(ge=1)] = 16
    """Early windows without a verdict at a time; when all devices alarm, the furthest ones tell what there is."""

    answers: Annotated[list[Annotated[Duration, Field(ge=SECOND)]], Field(min_length=1, max_length=16)] = Field(
        default=[3 * SECOND, 10 * SECOND, 30 * SECOND]
    )
    """So long after the onset an event is judged, by the time of the data; ascending, the last answer is final."""
    neighbours: Reach = "region"
    """Who is looked at with a suspected device: its region, all, or who is not further away, as 300 km."""
    most: Annotated[int, Field(ge=2, le=1000)] = 20
    """Devices in a window at most: those that were suspected, then the nearest to them. The time of a judgement grows
    with the square of it; one that takes longer than `timeout` is none."""
    sweep: Duration = 0
    """Judge the devices of each region together so often without a suspicion, by the time of the data; 0 s = never,
    else 1 s or more. One is left out while the detectors lag."""
    join: Duration | None = None
    """A suspicion whose onset lies within so much of an event's belongs to that event; none: as the last answer.
    What is later has not been looked at."""
    late: Duration = 120 * SECOND
    """A suspicion that comes so long after its onset still has all samples of its window."""
    patience: Annotated[Duration, Field(ge=SECOND)] = 10 * SECOND
    """When no data came for so long, an event is closed with what there is."""
    samples: Size = 512 << 20
    """Memory for the recent samples of all devices of one rate; where that is too little, windows begin later."""

    @model_validator(mode="after")
    def _fits_on(self) -> Settings:
        other = SUSPECTED if self.on == "schedule" else SCHEDULED
        for name in other:
            if name in self.model_fields_set:
                wanted = "suspicion" if self.on == "schedule" else "schedule"
                raise fault(f"`{name}` is not of `on: {self.on}`", f"leave it out, or write on: {wanted}")
        if "window" in self.model_fields_set and isinstance(self.window, int) != (self.on == "schedule"):
            remedy = "a length, as 180 s" if self.on == "schedule" else "two offsets, as [-150 s, +30 s]"
            raise fault(f"`window` does not fit `on: {self.on}`", f"write {remedy}")
        return self

    @model_validator(mode="after")
    def _ordered(self) -> Settings:
        before, after = self.offsets
        if not before < 0 < after:
            raise fault("`window` does not lie around the onset", "write it as [-150 s, +30 s]")
        if any(one >= other for one, other in zip(self.answers, self.answers[1:], strict=False)):
            raise fault("`answers` do not ascend", "write them as [3 s, 10 s, 30 s]")
        if self.on == "suspicion" and self.answers[-1] > after:
            raise fault("the last of `answers` is after the end of `window`", "let the window end there, or later")
        if self.on == "suspicion" and (self.join or 0) > self.answers[-1]:
            raise fault(
                "`join` is longer than the last of `answers`", "what is later is not looked at: make it shorter"
            )
        if 0 < self.sweep < LEAST_SWEEP:
            raise fault("`sweep` is below 1 s", "write 60 s, or 0 s for none")
        return self

    @model_validator(mode="after")
    def _rebuildable(self) -> Settings:
        if self.on == "schedule" and self.age < self.length + self.every:
            raise fault("`age` of the journal is below `window` + `every`", "a restart needs the samples of a window")
        if self.on == "suspicion" and self.age < self.event_shape.held:
            raise fault("`age` of the journal is below `window` + `late`", "a restart needs the samples of a window")
        return self

    @model_validator(mode="after")
    def _watchable(self) -> Settings:
        if self.alarm and self.of != "frequency":
            raise fault(f"`alarm` watches frequency, not {self.of}", "leave it out, or cut windows of frequency")
        return self

    @property
    def length(self) -> int:
        """ns of a scheduled window"""
        return self.window if isinstance(self.window, int) else LENGTH

    @property
    def offsets(self) -> tuple[int, int]:
        """ns of an event's window, around its onset"""
        return OFFSETS if isinstance(self.window, int) else self.window

    @property
    def least(self) -> int:
        """ns of the shortest window that is cut: of an event's first answer"""
        return self.length if self.on == "schedule" else self.answers[0] - self.offsets[0]

    @property
    def shape(self) -> Shape:
        """Which windows are cut by the schedule."""
        return Shape(self.of, self.length, self.every, self.stagger)

    @property
    def event_shape(self) -> EventShape:
        """Which windows are cut on suspicion."""
        return EventShape(
            *self.offsets,
            tuple(self.answers),
            self.neighbours,
            self.most,
            self.sweep,
            self.answers[-1] if self.join is None else self.join,
            self.late,
            self.samples,
        )

    @property
    def watch(self) -> Watch | None:
        """What early windows are cut for; None if none are."""
        limits = Limits(limit=self.alarm_limit, hold=self.alarm_hold / SECOND)
        return Watch(limits, self.alarm_after) if self.alarm else None
