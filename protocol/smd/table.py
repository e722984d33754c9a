"""What `table.yaml` can say, checked: where the flag is, how blocks look (`blocks`), what each kind of SMD sends."""

from __future__ import annotations

import math
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from protocol.c37118.common import FrameType
from protocol.gbt26865 import Splitter
from protocol.gbt26865.common import HEAD_V3, V3
from protocol.messages import Spectrum
from protocol.smd.blocks import Block, Blocks
from protocol.smd.model import Factor, Model, fault

SYNC_BYTE = 1
"""The byte of SYNC that says type and edition."""
MOST_BEHIND = 64
MOST_COMPONENTS = 4096
OTHER_FRAMES = Splitter.heads - {FrameType.DATA << 4 | V3}
"""Second bytes of frames that are none of ours."""


class Kind(StrEnum):
    """Which device it is."""

    R = "SMD-R"
    """Renewable plants."""
    C = "SMD-C"
    """Control, in transmission substations."""
    L = "SMD-L"
    """Loads."""


class Head(Model):
    """The head of data frames."""

    behind_fracsec: Annotated[int, Field(ge=0, le=MOST_BEHIND)] = 0
    """Bytes between FRACSEC and the first station."""


Byte = Annotated[int, Field(ge=0, le=0xFF)]


class Flag(Model):
    """What tells the data frames apart."""

    byte: Annotated[int, Field(ge=0)]
    """Of the frame, from 0."""
    mask: Annotated[int, Field(ge=1, le=0xFF)]
    fundamental: Byte
    harmonics: Byte
    interharmonics: Byte

    @model_validator(mode="after")
    def _fits(self) -> Flag:
        values = self.values
        if len(set(values.values())) < len(values):
            raise fault("two kinds of frames have the same flag", "give each a value of its own")
        for value in values.values():
            if value & ~self.mask:
                raise fault(f"{value:#04x} has bits outside the mask {self.mask:#04x}", "widen the mask")
        if self.byte == SYNC_BYTE:
            self._fits_sync()
        return self

    def _fits_sync(self) -> None:
        if self.mask & 0x0F:
            raise fault(f"mask {self.mask:#04x} covers the edition", "take bits of 0xf0")
        if self.fundamental:
            raise fault("fundamental is not 0", "in byte 1 it is 0: the frame is DATA as the standard has it")
        for value in self.values.values():
            if value | V3 in OTHER_FRAMES:
                raise fault(f"{value:#04x} is the type of HDR, CFG or CMD", "take 0x50, 0x60, 0x70 or more")

    @property
    def values(self) -> dict[Spectrum, int]:
        """Of each kind of frame."""
        return {
            Spectrum.NONE: self.fundamental,
            Spectrum.HARMONICS: self.harmonics,
            Spectrum.INTERHARMONICS: self.interharmonics,
        }


def _rate(value: int) -> int:
    if value == 0:
        raise fault("0 is no rate", "frames per second, or below 0 seconds per frame")
    return value


def _ranges(value: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    ends = [end for each in value for end in each]
    if any(first > last for first, last in value) or any(b <= a for a, b in zip(ends[1::2], ends[2::2], strict=False)):
        raise fault("the ranges do not ascend", "write each as [first, last], the lower ones first")
    return value


Rate = Annotated[int, Field(ge=-(1 << 15), lt=1 << 15), AfterValidator(_rate)]
Hertz = Annotated[float, Field(ge=0)]
Order = Annotated[int, Field(ge=1)]
Place = Annotated[int, Field(ge=1)]


class Fundamental(Model):
    """Frames of the fundamental."""

    rate: Rate
    band: tuple[Hertz, Hertz]
    """Hz."""


def _counted(ranges: tuple[tuple[float, float], ...], step: float) -> tuple[float, ...]:
    """All multiples of `step` from the first of each range to its last."""
    counts = [math.floor((last - first) / step + 1e-9) + 1 for first, last in ranges]
    if not 0 < sum(counts) <= MOST_COMPONENTS:
        raise fault(f"{sum(counts)} components", f"have 1 to {MOST_COMPONENTS}: narrow the ranges or widen the step")
    return tuple(
        round(float(first + k * step), 9)
        for (first, _), count in zip(ranges, counts, strict=True)
        for k in range(count)
    )


class Spectral(Model):
    """Frames of one spectrum."""

    rate: Rate
    phasors: Literal["all", "voltages", "currents"] | Annotated[tuple[Place, ...], Field(min_length=1)] = "all"
    """Which of a station's phasors; places count from 1."""


class Harmonics(Spectral):
    """Orders of harmonics."""

    orders: Annotated[tuple[tuple[Order, Order], ...], AfterValidator(_ranges)]
    step: Annotated[int, Field(ge=1)] = 1

    @property
    def components(self) -> tuple[float, ...]:
        """Orders, ascending."""
        return _counted(self.orders, self.step)

    @model_validator(mode="after")
    def _some(self) -> Harmonics:
        _counted(self.orders, self.step)
        return self


class Interharmonics(Spectral):
    """Frequencies of inter-harmonics."""

    frequencies: Annotated[tuple[tuple[Hertz, Hertz], ...], AfterValidator(_ranges)]
    """Hz."""
    step: Factor
    """Hz."""

    @property
    def components(self) -> tuple[float, ...]:
        """Hz, ascending."""
        return _counted(self.frequencies, self.step)

    @model_validator(mode="after")
    def _some(self) -> Interharmonics:
        _counted(self.frequencies, self.step)
        return self


class Device(Model):
    """What a kind of SMD sends."""

    fundamental: Fundamental
    harmonics: Harmonics | None = None
    interharmonics: Interharmonics | None = None

    @property
    def spectra(self) -> dict[Spectrum, Harmonics | Interharmonics]:
        """Those that it has."""
        both = {Spectrum.HARMONICS: self.harmonics, Spectrum.INTERHARMONICS: self.interharmonics}
        return {spectrum: each for spectrum, each in both.items() if each is not None}


class Layouts(Model):
    """The whole table."""

    provisional: bool
    """Whether it is ours, and not the makers'."""
    head: Head
    flag: Flag
    blocks: Blocks
    kinds: dict[Kind, Device]

    @model_validator(mode="after")
    def _fits(self) -> Layouts:
        end = HEAD_V3.size + self.head.behind_fracsec
        if self.flag.byte != SYNC_BYTE and not HEAD_V3.size <= self.flag.byte < end:
            room = f"1, or {HEAD_V3.size} to {end - 1}" if end > HEAD_V3.size else "1, or make room by behind_fracsec"
            raise fault(f"flag.byte is {self.flag.byte}", f"let it be {room}")
        if missing := set(Kind) - set(self.kinds):
            raise fault(f"kinds lacks {', '.join(sorted(missing))}", "say what each sends, as the shipped table does")
        return self

    def block(self, spectrum: Spectrum) -> Block:
        """How a station looks in frames of a spectrum."""
        return self.blocks.harmonics if spectrum is Spectrum.HARMONICS else self.blocks.interharmonics

    @cached_property
    def seconds(self) -> dict[int, Spectrum]:
        """Second byte of SYNC -> what the frame is, where that byte tells."""
        if self.flag.byte != SYNC_BYTE:
            return {}
        return {value | V3: spectrum for spectrum, value in self.flag.values.items()}

    @cached_property
    def flags(self) -> dict[int, Spectrum]:
        """Value of the masked byte -> what the frame is."""
        return {value: spectrum for spectrum, value in self.flag.values.items()}

    def second(self, spectrum: Spectrum) -> int:
        """Second byte of SYNC of such frames."""
        return V3 | (self.flag.values[spectrum] if self.flag.byte == SYNC_BYTE else 0)

    def behind(self, spectrum: Spectrum) -> bytes:
        """What stands behind FRACSEC in such frames."""
        more = bytearray(self.head.behind_fracsec)
        if self.flag.byte != SYNC_BYTE:
            more[self.flag.byte - HEAD_V3.size] = self.flag.values[spectrum]
        return bytes(more)
