"""What reading a capture needs to know of these protocols (`c37118.offline` does it)."""

from __future__ import annotations

from collections.abc import Hashable

from protocol.c37118.common import FrameError, FrameType, frame_type
from protocol.c37118.dialect import C37118, Dialect, Reader
from protocol.capture.records import Flow
from protocol.gbt26865.codec import compile_codec
from protocol.gbt26865.common import V3, identity_of
from protocol.gbt26865.configuration import ConfigurationFrame
from protocol.gbt26865.describe import configurations
from protocol.gbt26865.frames import Command, meaning, parse
from protocol.gbt26865.probing import probe
from protocol.gbt26865.splitter import Splitter

THE_ONE = -1
"""Number of the stream of a V2 flow or address: its DATA does not say whose it is."""


def _stream(frame: bytes) -> int:
    """IDCODE as a number."""
    return int.from_bytes(identity_of(frame), "big") if frame[1] & 15 == V3 else THE_ONE


def _stream_of(cfg: ConfigurationFrame) -> int:
    return int.from_bytes(cfg.identity, "big") if cfg.version == V3 else THE_ONE


def _kin(frame: bytes) -> Hashable:
    """IDCODE, or the same type and size."""
    return identity_of(frame) or frame[1:4]


def _sensible(frame: bytes) -> bool:
    if frame_type(frame) == FrameType.DATA:
        return False
    try:
        said = parse(frame)
    except FrameError:
        return False
    return not isinstance(said, Command) or meaning(said.command) is not None


def _read(frame: bytes, time: int) -> ConfigurationFrame | None:
    said = parse(frame)
    return said if isinstance(said, ConfigurationFrame) else None


def _reader() -> Reader:
    return _read


GBT26865 = Dialect(
    name="gbt26865",
    title="GB/T 26865.2 (Q/GDW 131)",
    splitter=Splitter,
    stream=_stream,
    stream_of=_stream_of,
    kin=_kin,
    sensible=_sensible,
    reader=_reader,
    told_already=ConfigurationFrame.says_the_same,
    compile=compile_codec,
    configurations=configurations,
    negotiated=True,
)
DIALECTS = {each.name: each for each in (C37118, GBT26865)}


def either(flow: Flow) -> tuple[Dialect, ...]:
    """Both protocols, first the one that most of the flow's frames are of by their check words."""
    return (GBT26865, C37118) if probe(flow.data()) == GBT26865.name else (C37118, GBT26865)
