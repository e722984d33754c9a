"""Synchronized measurement devices (SMD-R, -C, -L): GB/T 26865.2-2011 with frames for harmonics and inter-harmonics.

Commands, configurations, headers and sessions are those of `protocol.gbt26865` (V3). What a data frame carries is told
by a flag in it (`spectrum_of`, `splitter_of`); how it looks stands in one table (`load`, `table.yaml`), which is
provisional. `compile_codecs` makes a codec for each kind of frame, `configurations` tells all of it to the other nodes.
"""

from protocol.messages import Spectrum
from protocol.smd.codec import SpectralBank, SpectralCodec, compile_codecs, data_sizes
from protocol.smd.describe import configurations
from protocol.smd.frames import spectrum_of, splitter_of
from protocol.smd.reading import SHIPPED, LayoutError, load
from protocol.smd.session import Master
from protocol.smd.table import Kind, Layouts

__all__ = [
    "SHIPPED",
    "Kind",
    "LayoutError",
    "Layouts",
    "Master",
    "SpectralBank",
    "SpectralCodec",
    "Spectrum",
    "compile_codecs",
    "configurations",
    "data_sizes",
    "load",
    "spectrum_of",
    "splitter_of",
]
