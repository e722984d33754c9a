"""How a station looks in a spectral frame: fields, their order, and how numbers are written."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from protocol.smd.model import Factor, Model, fault

MOST_SKIPPED = 64
"""Bytes in a row."""
Number = Literal["int16", "uint16", "float32"]


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

    skip: Annotated[int, Field(ge=1, le=MOST_SKIPPED)]


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
