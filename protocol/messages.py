"""Every message between nodes, once.

Rules: append-only. A new field goes last, with a default; a tag is never used again for something else;
a type never changes. Arrays are little-endian, C order; `n` rows, `c` value channels, `d` digital words.

Words. A *link* is what one connection carries: one C37.118 stream of one device or PDC. A *station* is one
PMU block in it. A *device* number names one station of one link (`device_number`). A *table* is all devices
of one reporting rate and one channel shape.

The value channels of a table of `p` phasors and `a` analogs are, in this order:
frequency [Hz], ROCOF [Hz/s], then per phasor magnitude [V or A, rms, primary] and angle [degrees, -180..180],
then the analogs [unit of the configuration]. What a device marked invalid is NaN.

In a table of harmonics or inter-harmonics a phasor has one component per order or frequency: magnitude and angle of
the first phasor's components one after the other, then those of the second. Frequency and ROCOF are the fundamental's.
A station has a device number of its own for each of these tables (`spectrum_number`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Annotated, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

U1 = NDArray[np.uint8]
U2 = NDArray[np.uint16]
U4 = NDArray[np.uint32]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]
F4 = NDArray[np.float32]
F8 = NDArray[np.float64]

# What a reader may rely on: `protocol.wire` refuses a message that breaks these bounds or whose shapes do not fit.
Count = Annotated[int, range(1 << 63)]
Number4 = Annotated[int, range(1 << 32)]
Number2 = Annotated[int, range(1 << 16)]
TableKey = Annotated[tuple[int, ...], "table"]
"""A `Table` as plain numbers (`Table.key`); it sets the sizes p, a, d, o and c of the message."""

STATIONS_PER_LINK = 1 << 16
STATIONS_PER_SPECTRUM = 1 << 14
"""Stations of a stream that may have spectra."""
FIXED_CHANNELS = 2
"""Frequency and ROCOF, which every table has."""


def device_number(link: int, station: int) -> int:
    """Number of station `station` (0-based position in the configuration) of link `link` (1..65535)."""
    return link * STATIONS_PER_LINK + station


def split_device(device: int) -> tuple[int, int]:
    """(link, station position) of a device number."""
    return divmod(int(device), STATIONS_PER_LINK)


class Spectrum(IntEnum):
    """What the components of a phasor are. Numbers are part of device numbers: append only."""

    NONE = 0
    """There is but one: the fundamental."""
    HARMONICS = 1
    INTERHARMONICS = 2


def spectrum_number(device: int, spectrum: Spectrum) -> int:
    """Number of a fundamental's device as it stands in the table of that spectrum."""
    return device + spectrum * STATIONS_PER_SPECTRUM


SPECTRUM_NAMES = {Spectrum.NONE: "", Spectrum.HARMONICS: "harmonics", Spectrum.INTERHARMONICS: "inter-harmonics"}
"""What stands behind the name of a station in that of its spectrum."""


class Table(NamedTuple):
    """What the rows of one table have in common."""

    rate: int
    """DATA_RATE: > 0 frames per second, < 0 seconds per frame."""
    phasors: int
    analogs: int
    digitals: int
    """Number of 16-bit digital words."""
    orders: int = 0
    """Harmonics of each phasor; 0: this is no table of harmonics."""
    frequencies: int = 0
    """Inter-harmonics of each phasor; 0: this is no table of inter-harmonics."""

    @property
    def spectrum(self) -> Spectrum:
        """What the components of a phasor are."""
        if self.orders:
            return Spectrum.HARMONICS
        return Spectrum.INTERHARMONICS if self.frequencies else Spectrum.NONE

    @property
    def components(self) -> int:
        """Of each phasor, at least one."""
        return self.orders or self.frequencies or 1

    @property
    def channels(self) -> int:
        """Number of value channels `c`."""
        return FIXED_CHANNELS + 2 * self.phasors * self.components + self.analogs

    @property
    def key(self) -> tuple[int, ...]:
        """As in messages and on disk: the last two only where there are components."""
        return tuple(self) if self.spectrum else tuple(self[:4])

    @property
    def name(self) -> str:
        """As in the archive: `rate50_ph4_an0_dg1`; `every5s_…` for seconds per frame; with `_h49` or `_i70` behind it,
        the number of harmonics or inter-harmonics.
        """
        pace = f"rate{self.rate}" if self.rate > 0 else f"every{-self.rate}s"
        spectrum = f"_h{self.orders}" if self.orders else f"_i{self.frequencies}" if self.frequencies else ""
        return f"{pace}_ph{self.phasors}_an{self.analogs}_dg{self.digitals}{spectrum}"


REGISTRY: dict[bytes, type] = {}
"""Tag to message class; `protocol.wire` reads it."""

C = TypeVar("C", bound=type)


def message(tag: bytes) -> Callable[[C], C]:
    """Register a frozen dataclass as the message with this tag (three bytes: all of one length, none a prefix)."""

    def register(cls: C) -> C:
        if tag in REGISTRY or len(tag) != 3:
            raise ValueError(f"{cls.__name__}: tag {tag!r} is taken or not three bytes long")
        REGISTRY[tag] = cls
        cls.TAG = tag  # type: ignore[attr-defined]
        return cls

    return register


class Aside(IntEnum):
    """Why a row does not stand at its place in its table but in `aside`. Numbers are on disk: append only."""

    NO = 0
    IMPLAUSIBLE_TIME = 1
    """Its time does not fit the stream's own recent times (stale frame, jump of hours)."""
    PLACE_TAKEN = 2
    """Its place already holds other values (leap second, clock set back, more frames than the rate says)."""


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


@message(b"WIN")
@dataclass(frozen=True)
class Window:
    """Work for one detector: an interval of some quantities of some devices, on a common grid."""

    trigger: str
    """Process name of the trigger that leased it; the Verdict goes to its inbox."""
    lease: Count
    """The trigger's number for this window; the same when sent again."""
    attempt: Count
    """1, 2, …"""
    device: Annotated[U4, "m"]
    """[m]"""
    start: int
    """Time of the first sample, ns UTC."""
    rate: int
    """Samples per second, or < 0: seconds per sample."""
    quantities: Annotated[list[str], "q"]
    """[q] as `frequency`."""
    values: Annotated[F4, "m", "q", "n"]
    """[m, q, n]; of one quantity never NaN: gaps up to the limit are interpolated, and where no window can be filled
    none is sent. A window of several devices has NaN where nothing was measured."""
    filled: Annotated[U1, "m", "n"]
    """[m, n] 1 = interpolated, to be left out of the decision."""
    completeness: float
    """Share of samples measured, 0..1, of the least complete device."""
    detail: dict[str, Any] = field(default_factory=dict)
    """Of a window of several devices: `latitude`, `longitude` [m] (degrees, NaN = not known), `nominal` (Hz), `since`
    (sample from which on something is looked for; what is before is the quiet past), `event`, `answer`."""


class Outcome(StrEnum):
    """How the work on a window ended."""

    OK = "ok"
    INCOMPLETE = "incomplete"
    """Too much of the window is missing to judge it."""
    FAILED = "failed"
    """The algorithm raised; or, as the trigger's last word, every attempt failed or fell silent (dead letter)."""


class Cause(StrEnum):
    """Why a window was cut."""

    SCHEDULE = "schedule"
    ALARM = "alarm"
    """The pre-screen saw the device leave its quiet ways; its `start` is never that of a window of the schedule."""
    SUSPICION = "suspicion"
    """A device was suspected: it and its neighbours are judged together."""
    SWEEP = "sweep"
    """Devices are judged together without a suspicion, by the clock of the data."""


@message(b"VER")
@dataclass(frozen=True)
class Verdict(Numbered):
    """What an algorithm said of a window. Key: (algorithm, version, trigger, device, start)."""

    trigger: str
    lease: Count
    attempt: Count
    worker: str
    algorithm: str
    version: int
    device: Annotated[U4, "m"]
    """[m]"""
    start: int
    """ns UTC"""
    stop: int
    """ns UTC, after the last sample (half-open)."""
    outcome: str
    """An `Outcome`."""
    suspicious: bool
    onset: int
    """ns UTC of the first suspicious sample; 0 if there is none."""
    score: float
    """How far beyond the algorithm's limit (1.0 = at the limit)."""
    detail: dict[str, Any]
    """The algorithm's own figures, with units in their names."""
    completeness: float
    error: str = ""
    took: int = 0
    """ns of work."""
    cause: str = "schedule"
    """A `Cause`: why there was this window."""


@message(b"EVT")
@dataclass(frozen=True)
class Event(Numbered):
    """What is known of a disturbance, or of what looked like one. Said again, whole, as more becomes known."""

    id: str
    """The same in every answer: the first suspected onset in UTC and the trigger, `20261201T040911.220Z_suspects`."""
    answer: Count
    """1, 2, …; the highest counts."""
    final: bool
    """Nothing follows."""
    trigger: str
    worker: str
    algorithm: str
    version: int
    outcome: str
    """An `Outcome`."""
    error: str
    device: Annotated[U4, "m"]
    """[m] those that were looked at"""
    start: int
    """ns UTC of the window that was judged"""
    stop: int
    """ns UTC, half-open"""
    suspicions: list[dict[str, Any]]
    """What led here: `device`, `trigger`, `start`, `onset` (ns UTC), `score`."""
    disturbance: bool
    """False: bad data, or nothing that several devices saw."""
    kind: str
    """As `gen_trip`; `none` if it was no disturbance."""
    confidence: float
    """Probability of the kind."""
    onset: int
    """ns UTC; that of the first suspicion if nothing was found."""
    score: float
    """1.0 = at the limit"""
    size_mhz: float
    """Signed: how far the frequency of the grid went, or the largest amplitude of an oscillation; NaN = none."""
    size_mw: float
    """Signed power that the grid lost (< 0) or gained; NaN where the site does not say how the frequency responds."""
    latitude: float
    """Degrees north of where it was; NaN = not known."""
    longitude: float
    ellipse: list[float]
    """Semi-major and semi-minor axis [km], direction of the major axis [degrees from north]: where it was with 95 %
    probability; empty = not known."""
    nearest: list[Number4]
    """Devices, the nearest first."""
    arrival: Annotated[I8, "m"]
    """[m] ns UTC at which each device left its course; 0 = not seen there."""
    amplitude: Annotated[F8, "m"]
    """[m] mHz; NaN = not known"""
    bad: list[dict[str, Any]]
    """Bad data: `device`, `kind`, `start`, `stop` (ns UTC, half-open), `score`."""
    detail: dict[str, Any]
    """What led to each statement: `probabilities`, `rules`, figures of the detection and of the place."""
    completeness: float
    took: int
    """ns of work"""


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


@message(b"HEA")
@dataclass(frozen=True)
class Health:
    """How a node is, each second: what `syms status` shows."""

    node: str
    kind: str
    pid: int
    time: int
    """ns UTC"""
    uptime: float
    """Seconds."""
    cpu: float
    """Seconds of CPU used since the start."""
    memory: int
    """Resident bytes."""
    counters: dict[str, float]
    """Since the start; names end in their unit if it is not a plain count."""
    queues: dict[str, int]
    """What waits now, by queue."""
    columns: Annotated[list[str], "k"]
    """[k] names of the per-device counters, as `received`, `late`, `connected`, `latency_ms`."""
    devices: Annotated[U4, "n"]
    """[n]"""
    labels: Annotated[list[str], "n"]
    """[n] name of each device, "" if this node does not know it."""
    counts: Annotated[NDArray[np.float64], "n", "k"]
    """[n, k]"""
    alarms: list[str]
    """What a person should look at, each a sentence."""
    site: str = ""
    """Version of the site file in force there: 8 hex digits; "" if the node has none."""
    site_since: int = 0
    """When it came into force [UTC ns]."""


@message(b"MIN")
@dataclass(frozen=True)
class Minutes(Numbered):
    """How the devices of a concentrator were in one minute; one for each that it lived through, at least in part.

    A stream of its own beside the snapshots: its writer is `<concentrator>/minutes`. Rows count where they came, so
    redundant streams have a count each; what is said of values is under the device that is told.
    """

    start: int
    """ns UTC of the minute (of arrival, not of measurement)."""
    covered: float
    """Seconds of it that the concentrator lived through, 0..60."""
    device: Annotated[U4, "n"]
    """[n]"""
    expected: Annotated[I8, "n"]
    """[n] rows that the reporting rate promises for the seconds that are covered."""
    received: Annotated[I8, "n"]
    missing: Annotated[I8, "n"]
    """[n] had not come when their slots were released, of devices that send."""
    late: Annotated[I8, "n"]
    duplicate: Annotated[I8, "n"]
    clock_off: Annotated[I8, "n"]
    """[n] kept away from alignment for the device's clock."""
    invalid: Annotated[I8, "n"]
    """[n] told with STAT bits 15-14 set: by the device, or as nothing was left of them."""
    rejected: Annotated[I8, "n"]
    """[n] of which validation took values out."""
    unsynchronised: Annotated[I8, "n"]
    """[n] told with STAT bit 13 set."""
    modified: Annotated[I8, "n"]
    """[n] told with STAT bit 9 set."""
    latency_min: Annotated[F8, "n"]
    """[n] ms of arrival - time; NaN if no row came."""
    latency_mean: Annotated[F8, "n"]
    latency_p99: Annotated[F8, "n"]
    """[n] 99th percentile, to 5 %"""
    latency_max: Annotated[F8, "n"]
    frequency_min: Annotated[F8, "n"]
    """[n] Hz, of the rows that were told; NaN if there was none."""
    frequency_mean: Annotated[F8, "n"]
    frequency_max: Annotated[F8, "n"]


@message(b"FLG")
@dataclass(frozen=True)
class Flags(Numbered):
    """Spans of bad data of devices. Each is said when it begins, now and then while it goes on, and when it ends.

    Its key is (device, kind, start) among those of one writer; the last word counts. A concentrator says them in the
    stream of its `Minutes`, a trigger in its own.
    """

    device: Annotated[U4, "n"]
    """[n]"""
    kind: Annotated[list[str], "n"]
    """[n] as `frozen`: `algorithms.quality.Fault`."""
    start: Annotated[I8, "n"]
    """[n] ns UTC of the first bad sample."""
    stop: Annotated[I8, "n"]
    """[n] ns UTC after the last sample that is known to be bad (half-open)."""
    going: Annotated[U1, "n"]
    """[n] 1 = it goes on; 0 = it has ended at `stop`."""
    score: Annotated[F8, "n"]
    """[n] in multiples of its limit, where it was worst"""
    detail: Annotated[list[dict[str, Any]], "n"]
    """[n] figures with units in their names, as `offset_s`."""


class Shift(StrEnum):
    """What a detector's part in the work of a trigger becomes."""

    JOINS = "joins"
    """It takes windows from now on."""
    LEAVES = "leaves"
    """It answers what it has, and wants no more."""
    GONE = "gone"
    """It has ended: what it had is to be given to others."""


@message(b"WRK")
@dataclass(frozen=True)
class Worker:
    """A detector to a trigger that it reads: it joins those who judge its windows, or leaves them."""

    worker: str
    """Process name of the detector."""
    trigger: str
    what: str
    """A `Shift`."""


@message(b"DIS")
@dataclass(frozen=True)
class Dismissed:
    """A trigger to a detector: no window comes to it from here any more, unless it joins anew."""

    trigger: str
    to: str
    """Process name of the detector."""


class Severity(StrEnum):
    """How much an alarm matters, in ascending order."""

    NOTICE = "notice"
    WARNING = "warning"
    SERIOUS = "serious"
    CRITICAL = "critical"


class AlarmState(StrEnum):
    """Where an alarm stands (ANSI/ISA-18.2, IEC 62682)."""

    NORMAL = "normal"
    """It is over, and was acknowledged; or it never was."""
    UNACKNOWLEDGED = "unacknowledged"
    """It is active, and nobody has acknowledged it."""
    ACKNOWLEDGED = "acknowledged"
    """It is active, and was acknowledged."""
    RETURNED = "returned"
    """It is over, and nobody has acknowledged it."""
    SHELVED = "shelved"
    """Somebody does not want to be told of it for a while."""
    SUPPRESSED = "suppressed"
    """Another alarm says why it means nothing now."""


@message(b"ALM")
@dataclass(frozen=True)
class Alarm(Numbered):
    """A change of an alarm, and all that is known of it then. The last word of an id counts."""

    id: str
    """The same as long as there is such a thing to be alarmed of: it follows from `source`, `kind` and `subject`."""
    change: str
    """As `raised`, `cleared`, `acknowledged`: what this word tells (`nodes/_alarmbook.py` has them all)."""
    state: str
    """An `AlarmState`."""
    source: str
    """`limit`, `event`, `flag`, `health` or `notify`."""
    kind: str
    """Name of the limit, kind of the event or of the bad data."""
    subject: str
    """What it is of: a device's name, a pair of them, a region, an event's id, a process."""
    device: Number4
    """0 where it is of none."""
    region: str
    severity: str
    """A `Severity`."""
    text: str
    """A sentence for a person."""
    active: bool
    acknowledged: bool
    chattering: bool
    """It comes and goes; until that ends it stays active and is told no more."""
    stale: bool
    """It is active by data that do not come any more."""
    count: Count
    """How often it was raised since it was last normal."""
    value: float
    """What was worst when this was said; NaN = it has none."""
    limit: float
    """What `value` was compared with, in its unit; NaN = it has none."""
    unit: str
    raised: int
    """ns UTC, by the time of the data where they tell one."""
    cleared: int
    """ns UTC; 0 = it is active."""
    time: int
    """ns UTC of this change."""
    user: str
    """Who did it; "" = nobody."""
    comment: str
    """Of the last comment or shelving."""
    until: int
    """ns UTC up to which it is shelved; 0 = it is not."""
    by: str
    """Id of the alarm that suppresses it; "" = none."""
    detail: dict[str, Any] = field(default_factory=dict)


@message(b"ALA")
@dataclass(frozen=True)
class AlarmAction:
    """Somebody does something about an alarm, or asks which there are. Not numbered: it is answered (`AlarmAnswer`),
    and may be sent again until it is."""

    reader: str
    """The process that sends it; "" = the command line of the same host."""
    request: str
    """Names it in the answer; what is sent again has the same."""
    action: str
    """`list`, `acknowledge`, `comment`, `shelve`, `unshelve`."""
    id: str
    """Of the alarm, or how it begins; `all` to acknowledge all."""
    user: str
    time: int
    """ns UTC"""
    text: str = ""
    """The comment, or why it is shelved."""
    span: Count = 0
    """ns for which it is shelved."""


@message(b"ALR")
@dataclass(frozen=True)
class AlarmAnswer:
    """What became of an `AlarmAction`. Told as news; best effort."""

    node: str
    request: str
    done: bool
    why: str
    """Why it was not done, and what to do instead."""
    alarms: list[dict[str, Any]]
    """The fields of `Alarm`: all that are not normal if they were asked for, else those that were acted on."""
