"""What `table.yaml` can say, checked: where the flag is, how spectral blocks look, what each kind of SMD sends."""

from __future__ import annotations

import math
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from protocol.c37118.common import FrameType
from protocol.gbt26865 import Splitter
from protocol.gbt26865.common import HEAD_V3, V3
from protocol.messages import Spectrum

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


def fault(what: str, remedy: str) -> PydanticCustomError:
    """The error a validator raises."""
    return PydanticCustomError("smd", "{what}; {remedy}", {"what": what, "remedy": remedy})


class Model(BaseModel):
    """Unknown keys are faults, and nothing changes after the check."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


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


Number = Literal["int16", "uint16", "float32"]
Factor = Annotated[float, Field(gt=0)]


class Magnitude(Model):
    """A number in V or A."""

    type: Number
    volts: Factor | None = None
    """V of one count; None = PHUNIT, for float32 1."""
    amperes: Factor | None = None


class Angle(Model):
    """A number that is an angle."""

    type: Number
    step: Factor | None = None
    """Radians of one count; None = 0.0001, for float32 1."""

    @property
    def radians(self) -> float:
        """Of one count."""
        return self.step or (1.0 if self.type == "float32" else 1e-4)

    @model_validator(mode="after")
    def _goes_round(self) -> Angle:
        reach = {"int16": 2 * 0x7FFF, "uint16": 0x10000, "float32": math.inf}[self.type] * self.radians
        if reach < 2 * math.pi * 0.9999:
            raise fault(
                f"{self.type} of {self.radians:g} rad ends at {reach:.4g} rad of a circle", "take a larger step"
            )
        return self


class Polar(Model):
    """Magnitude and angle."""

    form: Literal["polar"]
    magnitude: Magnitude
    angle: Angle


class Rectangular(Model):
    """Real and imaginary part."""

    form: Literal["rectangular"]
    part: Magnitude

    @model_validator(mode="after")
    def _signed(self) -> Rectangular:
        if self.part.type == "uint16":
            raise fault("uint16 has no sign", "take int16 or float32 for real and imaginary parts")
        return self


class Skip(Model):
    """Bytes that mean nothing to us; sent as 0."""

    skip: Annotated[int, Field(ge=1, le=MOST_BEHIND)]


FieldName = Literal["STAT", "FREQ", "DFREQ", "COMPONENTS"]
Level = Literal["phasor", "component", "part"]


class Block(Model):
    """One station's part of a spectral frame."""

    fields: tuple[FieldName | Skip, ...]
    frequency: Literal["station", "int16", "float32"] = "station"
    """Of FREQ and DFREQ."""
    nesting: tuple[Level, Level, Level] = ("phasor", "component", "part")
    """Outermost first."""
    numbers: Literal["station"] | Annotated[Polar | Rectangular, Field(discriminator="form")] = "station"

    @model_validator(mode="after")
    def _complete(self) -> Block:
        names = [each for each in self.fields if isinstance(each, str)]
        if len(set(names)) < len(names):
            raise fault("fields names one twice", "keep one of them")
        if not {"STAT", "COMPONENTS"} <= set(names):
            raise fault("fields lacks STAT or COMPONENTS", "a block has both")
        if len(set(self.nesting)) < len(self.nesting):
            raise fault("nesting names a level twice", "name phasor, component and part, in the order of the frame")
        return self


class Blocks(Model):
    """Of each spectrum."""

    harmonics: Block
    interharmonics: Block


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
