"""Which of an SMD's data frames is which, and how a byte stream of them is cut."""

from __future__ import annotations

from functools import cache

from protocol import gbt26865
from protocol.c37118.common import FrameType
from protocol.gbt26865.common import V3
from protocol.messages import Spectrum
from protocol.smd.table import Layouts

PLAIN = FrameType.DATA << 4 | V3
"""Second byte of DATA."""


def spectrum_of(frame: bytes, layouts: Layouts) -> Spectrum | None:
    """What a whole frame carries; None: it is no data frame of an SMD but a command, a configuration or a header.

    To be asked first: `gbt26865` may take a spectral frame for DATA of a wrong size.
    """
    if layouts.seconds:
        return layouts.seconds.get(frame[1])
    if frame[1] != PLAIN or len(frame) <= layouts.flag.byte:
        return None
    return layouts.flags.get(frame[layouts.flag.byte] & layouts.flag.mask)


def splitter_of(layouts: Layouts) -> type[gbt26865.Splitter]:
    """The splitter for a link of an SMD."""
    return _splitter(frozenset(layouts.seconds) | {PLAIN})


@cache
def _splitter(seconds: frozenset[int]) -> type[gbt26865.Splitter]:
    class Splitter(gbt26865.Splitter):
        """Whole frames with a good check word, spectral ones among them."""

        heads = gbt26865.Splitter.heads | seconds
        data = gbt26865.Splitter.data | {second >> 4 for second in seconds}

    return Splitter
