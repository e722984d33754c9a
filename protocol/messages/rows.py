"""Rows, from a receiver to the slots of a concentrator: what they mean, what they are, how many came."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Annotated, Any

from protocol.messages.fields import F4, I4, I8, U1, U2, U4, Count, Number2, Number4, TableKey
from protocol.messages.registry import message
from protocol.messages.streams import Numbered
from protocol.messages.tables import Table


class Aside(IntEnum):
    """Why a row does not stand at its place in its table but in `aside`. Numbers are on disk: append only."""

    NO = 0
    IMPLAUSIBLE_TIME = 1
    """Its time does not fit the stream's own recent times (stale frame, jump of hours)."""
    PLACE_TAKEN = 2
    """Its place already holds other values (leap second, clock set back, more frames than the rate says)."""


@message(b"CFG")
@dataclass(frozen=True)
class Configuration(Numbered):
    """What a device's rows mean. Stands in the stream before the first row it holds for."""

    device: Number4
    version: Number4
    """CRC-32 of the content: the same words have the same version, whichever receiver heard them.
    (CFGCNT is not reliable in the field.)"""
    link: str
    """Name of the link in the site file, or as admitted."""
    stream: Number2
    """IDCODE of the frames; 0 where it is no number (`gbt26865`: see `detail`)."""
    station: Number2
    """IDCODE of the station's block; may differ from `stream`."""
    name: str
    """Station name, cleaned."""
    protocol: str
    """`c37118`, `gbt26865` or `smd`."""
    table: TableKey
    """`Table` of its rows."""
    time_base: Annotated[int, range(1, 1 << 32)]
    """Counts per second of FRACSEC."""
    nominal: int
    """Nominal frequency [Hz], 50 or 60."""
    count: Number2
    """CFGCNT as sent."""
    phasors: Annotated[list[str], "p"]
    """Names, cleaned, as many as `table` says; so are those below."""
    phasor_units: Annotated[list[str], "p"]
    """`V` or `A` each."""
    analogs: Annotated[list[str], "a"]
    analog_units: Annotated[list[str], "a"]
    """`instantaneous`, `rms`, `peak`, or `user <n>`: what ANUNIT can say; `W`, `var`, `%` of what a concentrator
    derived."""
    digitals: Annotated[list[list[str]], "d", "16"]
    """16 labels per word, bit 0 first."""
    digital_normal: Annotated[list[Number2], "d"]
    """Normal state of each word (mask)."""
    digital_valid: Annotated[list[Number2], "d"]
    """Bits of each word that are in use (mask); 0 = the device declared nothing."""
    region: str = ""
    latitude: float = float("nan")
    """Degrees north; from the site file, else from CFG-3, else NaN."""
    longitude: float = float("nan")
    elevation: float = float("nan")
    """Metres."""
    detail: dict[str, Any] = field(default_factory=dict)
    """What else the configuration frame said (format, scales, G_PMU_ID, service class, window, group delay …)."""
    again: bool = False
    """Not a word of its stream but repeated to one reader that begins in the middle of it: this is in force there."""
    components: Annotated[list[float], "o"] = field(default_factory=list)
    """Orders of the harmonics, or frequencies of the inter-harmonics [Hz], ascending; none in other tables."""

    @property
    def phasor_channels(self) -> list[str]:
        """Name of each magnitude-angle pair among the value channels: of phasors, or `VA h5`, `VA 37.5 Hz` of their
        components."""
        if not self.components:
            return self.phasors
        texts = [f"h{each:g}" if Table(*self.table).orders else f"{each:g} Hz" for each in self.components]
        return [f"{phasor} {text}" for phasor in self.phasors for text in texts]


@message(b"MEA")
@dataclass(frozen=True)
class Measurements(Numbered):
    """What one tick of one receiver brought for one table, in order of arrival."""

    table: TableKey
    """`Table` of all its rows."""
    device: Annotated[U4, "n"]
    """[n]"""
    time: Annotated[I8, "n"]
    """[n] of the measurement, ns UTC, on the reporting grid where it belongs there (`clock.snap`)."""
    arrival: Annotated[I8, "n"]
    """[n] when the receiver took it from the kernel, ns UTC."""
    snapped: Annotated[I4, "n"]
    """[n] ns that `clock.snap` added to the device's own stamp."""
    quality: Annotated[U1, "n"]
    """[n] time quality byte of FRACSEC."""
    status: Annotated[U2, "n"]
    """[n] STAT."""
    aside: Annotated[U1, "n"]
    """[n] `Aside.NO` or why the receiver holds the row's time for implausible."""
    values: Annotated[F4, "n", "c"]
    """[n, c]"""
    digital: Annotated[U2, "n", "d"]
    """[n, d]"""


@message(b"TAL")
@dataclass(frozen=True)
class Tally(Numbered):
    """A receiver's counts since its epoch began, per device, in rows; said when they changed, at most each second.

    A frame of a stream with k stations counts as a row of each of them; before a configuration is known,
    as one of station 0.
    """

    device: Annotated[U4, "n"]
    """[n]"""
    received: Annotated[I8, "n"]
    """[n] rows in DATA frames that came, whatever became of them."""
    corrupt: Annotated[I8, "n"]
    """[n] bad checksum."""
    refused: Annotated[I8, "n"]
    """[n] no usable configuration, unknown device, or wrong size for the configuration."""
    lost: Annotated[I8, "n"]
    """[n] given up by a bound of ours."""
    of: Count = 0
    """An earlier epoch of this writer whose last counts these are (its process was killed before it could say them);
    0: the epoch that this word is said in. Rows that wait for a configuration are none of it: they count in the
    epoch that says them."""


@message(b"SNA")
@dataclass(frozen=True)
class Snapshots(Numbered):
    """Slots of one table that the concentrator released: k slots, m devices."""

    table: TableKey
    slot: Annotated[I8, "k"]
    """[k] `clock.slot_of`, in ascending order; a slot of a table is released once, but see `late`."""
    device: Annotated[U4, "m"]
    """[m]"""
    present: Annotated[U1, "k", "m"]
    """[k, m] 1 = the device's row was there in time; where 0, the values are NaN; 2 = not there, the device's last row
    stands here (`missing: last`), STAT says so."""
    quality: Annotated[U1, "k", "m"]
    """[k, m]"""
    status: Annotated[U2, "k", "m"]
    """[k, m]"""
    values: Annotated[F4, "k", "m", "c"]
    """[k, m, c]"""
    digital: Annotated[U2, "k", "m", "d"]
    """[k, m, d]"""
    latency: Annotated[I8, "k"]
    """[k] ns from the slot's last arrival to its release."""
    late: bool = False
    """Nothing is released: these rows came when their slots had been."""


@message(b"RAW")
@dataclass(frozen=True)
class RawFrames:
    """Frames of one link as its device sent them, for those who pass them on. Not numbered: best effort.

    DATA in order of arrival, and before the first that they hold for, and again once a second, the frames of their
    configuration, and of a header if the device told one.
    """

    node: str
    """The receiver's process name."""
    link: Number2
    name: str
    """Name of the link in the site file, or as admitted: the one that it is wanted by, if it has another one now."""
    sizes: Annotated[U4, "n"]
    """[n] bytes of each frame."""
    frames: Annotated[U1, "b"]
    """[b] all of them, one behind the other."""
