"""What a configuration frame says (CFG-1, CFG-2, CFG-3; C37.118.2-2011 §6.4, tables 8 to 12).

`decoding.py` reads them, `encoding.py` writes them. Both layouts become the same `Station`: the scale of an
integer is a factor (V or A per bit), whichever way it was sent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from protocol.c37118.common import CHECK_SIZE, HEAD_SIZE, Frame
from protocol.c37118.names import FIELD
from protocol.clock import from_soc

PHUNITS = 100_000
"""Counts of PHUNIT to one V or A per bit."""
LABELS = 16
"""Labels of a digital word."""

POLAR, FLOAT_PHASORS, FLOAT_ANALOGS, FLOAT_FREQUENCY = 1, 2, 4, 8
"""Bits of FORMAT; the others are unused and ignored."""


@dataclass(frozen=True)
class Phasor:
    """One phasor channel."""

    name: str
    kind: int = 0
    """0 = voltage, 1 = current; other values of PHUNIT are kept and taken for voltage."""
    scale: float = 1.0
    """V or A per bit; for integers only."""
    offset: float = 0.0
    """Radians to subtract from the angle; CFG-3, integers only."""
    component: int = 0
    """CFG-3: 0 zero, 1 positive, 2 negative sequence, 4 A, 5 B, 6 C."""
    modified: int = 0
    """CFG-3: modification flags, 16 bits."""
    user: int = 0
    """CFG-3: user flags, 8 bits."""

    @property
    def unit(self) -> str:
        """`V` or `A`."""
        return "A" if self.kind == 1 else "V"


@dataclass(frozen=True)
class Analog:
    """One analog channel."""

    name: str
    kind: int | None = 0
    """Type byte of ANUNIT: 0 point on wave, 1 rms, 2 peak, 65.. user; None in CFG-3, which doesn't say."""
    scale: float = 0.0
    """Per bit, for integers only: the signed 24 bits of ANUNIT (0 = the device declared none), or M of CFG-3."""
    offset: float = 0.0
    """B of CFG-3."""

    @property
    def unit(self) -> str:
        """`instantaneous`, `rms`, `peak`, `user <n>`; empty where the frame doesn't say."""
        if self.kind is None:
            return ""
        return {0: "instantaneous", 1: "rms", 2: "peak"}.get(self.kind, f"user {self.kind}")


@dataclass(frozen=True)
class Digital:
    """One 16-bit digital word."""

    labels: tuple[str, ...] = ("",) * LABELS
    """Of bit 0 … 15."""
    normal: int = 0
    """Normal state: exclusive-or with the word shows what is abnormal."""
    valid: int = 0
    """Mask of bits in use; 0 = the device declared nothing."""


@dataclass(frozen=True)
class Station:
    """One PMU block."""

    name: str
    idcode: int
    """IDCODE of the data source; may differ from the stream's."""
    format: int
    """FORMAT word as sent; only bits 0-3 mean something."""
    phasors: tuple[Phasor, ...] = ()
    analogs: tuple[Analog, ...] = ()
    digitals: tuple[Digital, ...] = ()
    nominal: int = 50
    """Hz: 50 or 60."""
    changes: int = 0
    """CFGCNT."""
    global_id: bytes = bytes(16)
    """G_PMU_ID; here and below CFG-3 only."""
    latitude: float = math.inf
    """Degrees north, inf = unspecified."""
    longitude: float = math.inf
    elevation: float = math.inf
    """Metres."""
    service: str = ""
    """`M` or `P`."""
    window: int = 0
    """Measurement window, microseconds."""
    delay: int = 0
    """Group delay, microseconds."""

    @property
    def data_size(self) -> int:
        """Bytes of this station's block in a DATA frame."""
        phasor = 8 if self.format & FLOAT_PHASORS else 4
        analog = 4 if self.format & FLOAT_ANALOGS else 2
        frequency = 8 if self.format & FLOAT_FREQUENCY else 4
        return 2 + phasor * len(self.phasors) + frequency + analog * len(self.analogs) + 2 * len(self.digitals)

    @property
    def told_size(self) -> int:
        """Bytes of this station's block in a CFG-2 frame."""
        channels, words = len(self.phasors) + len(self.analogs), len(self.digitals)
        return 30 + (FIELD + 4) * channels + (LABELS * FIELD + 4) * words


@dataclass(frozen=True, kw_only=True)
class ConfigurationFrame(Frame):
    """A whole configuration."""

    kind: int
    """1 = capability, 2 = what DATA carries, 3 = the same, told in more detail."""
    time_base: int
    """Counts of FRACSEC per second, > 0."""
    rate: int
    """DATA_RATE: > 0 frames per second, < 0 seconds per frame."""
    stations: tuple[Station, ...]
    body: bytes = field(default=b"", compare=False, repr=False)
    """What it was read from: between the head (CFG-3: and CONT_IDX) and CHK. Empty if it was not read."""

    @property
    def time(self) -> int:
        """ns UTC, as the device stamped the frame."""
        return int(from_soc(self.soc, self.count, self.time_base))

    @property
    def data_size(self) -> int:
        """Bytes of a DATA frame."""
        return HEAD_SIZE + sum(station.data_size for station in self.stations) + CHECK_SIZE

    @property
    def told_size(self) -> int:
        """Bytes of it as a CFG-2 frame."""
        return HEAD_SIZE + 6 + sum(station.told_size for station in self.stations) + 2 + CHECK_SIZE

    def says_the_same(self, other: ConfigurationFrame) -> bool:
        """Whether two configurations differ in nothing but when they were sent."""
        return replace(self, soc=0, count=0, quality=0) == replace(other, soc=0, count=0, quality=0)
