"""A device as a station of an output stream: what its configuration says of it there, and how numbers are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import Field

from nodes._settings import Number, Settings
from protocol.c37118 import Analog, Digital, Phasor, Station
from protocol.c37118.configuration import (
    FLOAT_ANALOGS,
    FLOAT_FREQUENCY,
    FLOAT_PHASORS,
    PHUNITS,
    POLAR,
)
from protocol.messages import Configuration

COMPONENTS = {"zero": 0, "positive": 1, "negative": 2, "A": 4, "B": 5, "C": 6}
UNKNOWN = 3
"""Component that the standard reserves."""
LOWEST_SCALE, HIGHEST_SCALE = 1 / PHUNITS, 0xFFFFFF / PHUNITS
"""V or A per bit: PHUNIT has 24 bits of 10 uV."""


STATION, IDCODE = "station", "idcode"
OwnNames = Mapping[str, str | int]
"""Of a device: `station` and `idcode`, and channels by what the device calls them."""
Channel = TypeVar("Channel", Phasor, Analog)


class Chosen(NamedTuple):
    """Positions of what is told of a device."""

    phasors: tuple[int, ...]
    analogs: tuple[int, ...]
    digitals: tuple[int, ...]
    """Words."""


class Format(Settings):
    """How numbers are written (FORMAT)."""

    polar: bool = True
    """Phasors as magnitude and angle, else as real and imaginary part."""
    phasors: Annotated[str, Field(pattern="^(float|int)$")] = "float"
    """float or int (16 bits)."""
    analogs: Annotated[str, Field(pattern="^(float|int)$")] = "float"
    frequency: Annotated[str, Field(pattern="^(float|int)$")] = "float"
    """Frequency and ROCOF."""
    volts: Annotated[Number, Field(ge=LOWEST_SCALE, le=HIGHEST_SCALE)] = 10.0
    """V per bit of voltages as integers, where the device has no scale of its own. Beyond 32767 bits (polar: 65535)
    they are held there."""
    amperes: Annotated[Number, Field(ge=LOWEST_SCALE, le=HIGHEST_SCALE)] = 0.1
    """The same of currents, A per bit."""

    @property
    def word(self) -> int:
        """FORMAT."""
        bits = ((self.phasors, FLOAT_PHASORS), (self.analogs, FLOAT_ANALOGS), (self.frequency, FLOAT_FREQUENCY))
        return POLAR * self.polar + sum(bit for how, bit in bits if how == "float")


def station_of(
    known: Configuration, chosen: Chosen, form: Format, modified: int = 0, own: OwnNames | None = None
) -> Station:
    """The station of a device in a stream. `modified`: flags of PHSCALE that tell what was done to its phasors; `own`:
    names by which it is told. Its CFGCNT is 0: the stream counts its own changes."""
    own = own or {}
    called = {name: str(each) for name, each in own.items()}
    detail = known.detail
    return Station(
        name=called.get(STATION, known.name),
        idcode=int(own.get(IDCODE, known.station)),
        format=form.word,
        phasors=tuple(_renamed(_phasor(known, k, form, modified), called) for k in chosen.phasors),
        analogs=tuple(_renamed(_analog(known, k), called) for k in chosen.analogs),
        digitals=tuple(
            Digital(
                tuple(called.get(each, each) for each in known.digitals[k]),
                known.digital_normal[k],
                known.digital_valid[k],
            )
            for k in chosen.digitals
        ),
        nominal=known.nominal,
        global_id=bytes.fromhex(detail.get("global_id", "")).ljust(16, b"\0")[:16],
        latitude=known.latitude,
        longitude=known.longitude,
        elevation=known.elevation,
        service=detail.get("service_class", ""),
        window=detail.get("window_us", 0),
        delay=detail.get("group_delay_us", 0),
    )


def _renamed(channel: Channel, called: Mapping[str, str]) -> Channel:
    return replace(channel, name=called.get(channel.name, channel.name))


def _phasor(known: Configuration, k: int, form: Format, modified: int) -> Phasor:
    current = known.phasor_units[k] == "A"
    more = _at(known.detail.get("phasor_channels"), k, {})
    scale = 1.0  # floats are V and A already
    if form.phasors == "int":
        own = 0.0 if _format_of(known) & FLOAT_PHASORS else abs(_at(known.detail.get("phasor_scales"), k, 0.0))
        usual = form.amperes if current else form.volts
        scale = round((own if LOWEST_SCALE <= own <= HIGHEST_SCALE else usual) * PHUNITS) / PHUNITS
    return Phasor(
        known.phasors[k],
        kind=int(current),
        scale=scale,
        component=COMPONENTS.get(more.get("component", ""), UNKNOWN),
        modified=more.get("modified", 0) | modified,
        user=more.get("user", 0),
    )


def _analog(known: Configuration, k: int) -> Analog:
    own = 0.0 if _format_of(known) & FLOAT_ANALOGS else _at(known.detail.get("analog_scales"), k, 0.0)
    word = known.analog_units[k]
    kind = {"instantaneous": 0, "rms": 1, "peak": 2}.get(word, 0)
    if word.startswith("user "):
        kind = int(word.removeprefix("user "))
    whole = own != 0 and own == round(own) and abs(own) < 1 << 23
    return Analog(known.analogs[k], kind=kind, scale=own if whole else 1.0)


def _format_of(known: Configuration) -> int:
    """FORMAT of the device's own frames; floats if it is not known."""
    word = known.detail.get("format", {}).get("word", FLOAT_PHASORS | FLOAT_ANALOGS)
    return int(word)


def _at(told: list[Any] | None, k: int, otherwise: Any) -> Any:
    return told[k] if told and k < len(told) else otherwise
