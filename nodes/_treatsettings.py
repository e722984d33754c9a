"""What a concentrator can be told to do with its slots, besides aligning them. All of it is off unless set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from nodes._settings import Duration, Number, Settings, fault
from protocol.clock import SECOND


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] >= value[1]:
        raise fault(f"{list(value)} is no range", "write the lower limit first, as [45, 55]")
    return value


Range = Annotated[tuple[Number, Number], AfterValidator(_ordered)]
"""Lower and upper limit, both allowed."""
Derivation = Literal["sequences", "power", "unbalance"]


class Correction(Settings):
    """What is wrong with a phasor channel."""

    magnitude: Annotated[Number, Field(gt=0)] = 1.0
    """Factor on the magnitude."""
    angle: Annotated[Number, Field(ge=-360, le=360)] = 0.0
    """Degrees that are added to the angle."""


class Validation(Settings):
    """Which values are taken out of the slots (they become NaN)."""

    format: bool = False
    """Values that can't be: infinite ones, negative magnitudes, angles beyond 180 degrees, frequencies more than 5 Hz
    from nominal."""
    frequency: Range | None = None
    """Hz, as [45, 55]."""
    rocof: Range | None = None
    """Hz/s, as [-20, 20]."""
    channels: dict[str, Range] = Field(default_factory=dict)
    """Magnitudes (V, A) and analogs by channel name, as {"V*": [90000, 130000]}; the first pattern that fits counts."""
    flat: Annotated[Duration, Field(gt=0)] | None = None
    """Frequency, or magnitude and angle of a phasor, that do not change for so long."""
    quality: Annotated[int, Field(ge=0, le=14)] | None = None
    """Angles of rows whose time quality is worse than this code (6: within 100 us, 7: 1 ms, 8: 10 ms)."""

    @property
    def on(self) -> bool:
        """Whether anything is tested."""
        return self != Validation()


class Treating(Settings):
    """What is done with slots."""

    redundant: dict[str, Annotated[list[str], Field(min_length=2)]] | Literal["automatic"] = Field(default_factory=dict)
    """Streams of one device that become one, as {Hub A: [hub-a-main, hub-a-backup]}: the device's name, and its links
    by their names in the site file. `automatic`: those with one G_PMU_ID, or one station name, IDCODE and channels."""
    fill: dict[str, str] = Field(default_factory=dict)
    """Missing rows of a link taken from the same-named channels of another one, as {Hub A: Hub B}."""
    validation: Validation = Field(default=Validation(), alias="validate")
    """Values that are taken out, as {frequency: [45, 55], flat: 2 s}."""
    correct: dict[str, dict[str, Correction]] = Field(default_factory=dict)
    """Magnitude and phase corrections by device and phasor, as {Wind Farm A: {VA: {magnitude: 1.002, angle: -0.35}}};
    the first pattern that fits counts."""
    derive: list[Derivation] = Field(default_factory=list)
    """Channels computed of three phases: sequences (positive, negative, zero), power (P, Q), unbalance."""
    sets: dict[str, dict[str, tuple[str, str, str]]] = Field(default_factory=dict)
    """The three phases by device, as {Wind Farm A: {V: [VA, VB, VC]}}; of other devices they are found by names
    and, in CFG-3, by what the channels say."""
    missing: Literal["nan", "last"] = "nan"
    """Rows that are missing: no numbers, or the last ones, marked."""
    hold: Annotated[Duration, Field(gt=0)] = SECOND
    """The last values stand for so long at most."""

    @model_validator(mode="after")
    def _links_once(self) -> Treating:
        groups = {} if self.redundant == "automatic" else self.redundant
        named = Counter(link for links in groups.values() for link in links)
        for link, count in named.items():
            if count > 1:
                raise fault(f"redundant: {link!r} is named {count} times", "name each link once")
        for link, source in self.fill.items():
            if link == source:
                raise fault(f"fill: {link!r} is to be filled from itself", "name another link")
        if self.sets and not self.derive:
            raise fault("sets without derive: nothing is computed of them", "add derive: [sequences]")
        return self

    @property
    def treats(self) -> bool:
        """Whether anything is done at all."""
        told = self.redundant, self.fill, self.correct, self.derive
        return any(told) or self.validation.on or self.missing == "last"

    @property
    def links(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """(where it stands, name) of every link that must be in the site file."""
        if self.redundant != "automatic":
            for group, links in self.redundant.items():
                yield from ((("redundant", group, at), link) for at, link in enumerate(links))
        for link, source in self.fill.items():
            yield from ((("fill", link), name) for name in (link, source))
