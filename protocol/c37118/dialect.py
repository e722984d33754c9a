"""What reading a capture needs to know of a protocol whose frames are like those of C37.118."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from protocol.c37118.codec import Codec, compile_codec
from protocol.c37118.common import CONFIGURATIONS, FrameError, FrameType, frame_type, stream_id
from protocol.c37118.configuration import ConfigurationFrame
from protocol.c37118.describe import configurations
from protocol.c37118.fragments import Fragments
from protocol.c37118.frames import Command, CommandCode, parse
from protocol.c37118.session import told_already
from protocol.c37118.splitter import Splitter
from protocol.messages import Configuration

Reader = Callable[[bytes, int], ConfigurationFrame | None]
"""(configuration frame, time [ns]) -> the configuration, if it is whole with this frame. Raises FrameError."""


Kind = tuple[int, int]
"""(kind of rows, size in bytes) of a frame."""


@dataclass(frozen=True)
class Dialect:
    """One protocol. Configurations are of the class that it has for them."""

    name: str
    """As in `messages.Configuration.protocol`."""
    title: str
    """For people."""
    splitter: Callable[[], Splitter]
    stream: Callable[[bytes], int]
    """Number of the stream that a frame is of, within its flow."""
    stream_of: Callable[[Any], int]
    """The same of a configuration: of which stream's DATA it tells."""
    kin: Callable[[bytes], Hashable]
    """Two frames of one flow that are kin are no chance."""
    sensible: Callable[[bytes], bool]
    """Whether a frame's inside makes sense, where that can be told."""
    reader: Callable[[], Reader]
    """One for each flow."""
    told_already: Callable[[Any, Any], bool]
    """Whether the second configuration adds nothing to the first, known one."""
    compile: Callable[[Any], Codec]
    configurations: Callable[[Any, int, str, int], list[Configuration]]
    carries: Callable[[bytes], int | None] = lambda frame: 0 if frame_type(frame) == FrameType.DATA else None
    """Which kind of rows a frame has, 0 being those of DATA; None: it has none."""
    readings: Callable[[Any], Mapping[Kind, Any]] = lambda cfg: {(0, cfg.data_size): cfg}
    """A configuration -> what each kind of frame with rows is read with: itself, or one that is made of it, always the
    same one."""
    negotiated: bool = False
    """A master may download a configuration, and a device may stream by its CFG-1 although it has another."""


def _sensible(frame: bytes) -> bool:
    if frame_type(frame) == FrameType.DATA:
        return False
    try:
        said = parse(frame)
    except FrameError:
        return False
    return not isinstance(said, Command) or said.command in set(CommandCode)


def _reader() -> Reader:
    fragments = Fragments(max_streams=256)

    def read(frame: bytes, time: int) -> ConfigurationFrame | None:
        if frame_type(frame) == FrameType.CONFIGURATION_3:
            return fragments.add(frame, time)
        said = parse(frame) if frame_type(frame) in CONFIGURATIONS else None
        return said if isinstance(said, ConfigurationFrame) else None

    return read


C37118 = Dialect(
    name="c37118",
    title="IEEE C37.118",
    splitter=Splitter,
    stream=stream_id,
    stream_of=lambda cfg: int(cfg.stream),
    kin=stream_id,
    sensible=_sensible,
    reader=_reader,
    told_already=told_already,
    compile=compile_codec,
    configurations=configurations,
)
