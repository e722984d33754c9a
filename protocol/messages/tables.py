"""Devices and the tables that their rows stand in.

A *link* is what one connection carries: one C37.118 stream of one device or PDC. A *station* is one
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

from enum import IntEnum
from typing import NamedTuple

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
