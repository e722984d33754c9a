"""Frames of C37.118 as values: what each type says, read and written. (DATA: see `codec`.)"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from protocol.c37118.common import (
    CHECK_SIZE,
    CONFIGURATIONS,
    HEAD_SIZE,
    Frame,
    FrameError,
    FrameType,
    common,
    frame_type,
    seal,
    sound,
    stream_id,
)
from protocol.c37118.configuration import Analog, ConfigurationFrame, Digital, Phasor, Station
from protocol.c37118.decoding import parse_configuration
from protocol.c37118.encoding import encode_configuration

__all__ = [
    "Analog",
    "Command",
    "CommandCode",
    "ConfigurationFrame",
    "DataFrame",
    "Digital",
    "Fragment",
    "Frame",
    "FrameError",
    "FrameType",
    "HeaderFrame",
    "Phasor",
    "Station",
    "encode_command",
    "encode_configuration",
    "encode_header",
    "frame_type",
    "parse",
    "sound",
    "stream_id",
]


class CommandCode(IntEnum):
    """What a command asks for (C37.118.2-2011 table 15)."""

    DATA_OFF = 1
    DATA_ON = 2
    SEND_HEADER = 3
    SEND_CONFIGURATION_1 = 4
    SEND_CONFIGURATION_2 = 5
    SEND_CONFIGURATION_3 = 6
    EXTENDED = 8


@dataclass(frozen=True, kw_only=True)
class HeaderFrame(Frame):
    """HDR: text for people; may be empty."""

    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Command(Frame):
    """CMD: from the master to the device; `stream` is the device's."""

    command: int
    """A `CommandCode`, or what the user agreed on."""
    extended: bytes = b""
    """EXTFRAME, behind command 8."""


@dataclass(frozen=True, kw_only=True)
class DataFrame(Frame):
    """DATA, not decoded."""

    body: bytes


@dataclass(frozen=True, kw_only=True)
class Fragment(Frame):
    """A piece of a CFG-3; `fragments.Fragments` puts them together."""

    index: int
    """CONT_IDX: 1, 2, …, 0xFFFF = last."""
    frame: bytes


AnyFrame = ConfigurationFrame | HeaderFrame | Command | DataFrame | Fragment


def parse(frame: bytes) -> AnyFrame:
    """What a whole frame says. Raises FrameError where it is wrong inside, with what is wrong."""
    kind = frame_type(frame) if len(frame) > 1 else -1
    if kind == FrameType.CONFIGURATION_3 and len(frame) >= HEAD_SIZE + 2 + CHECK_SIZE:
        index = frame[14] << 8 | frame[15]
        if index:
            return _fragment(frame, index)
    fields = common(frame)
    body = frame[HEAD_SIZE:-CHECK_SIZE]
    if kind == FrameType.DATA:
        return DataFrame(**vars(fields), body=body)
    if kind == FrameType.HEADER:
        return HeaderFrame(**vars(fields), text=_text(body))
    if kind == FrameType.COMMAND:
        return _command(fields, body)
    if kind not in CONFIGURATIONS:
        raise FrameError(f"frame type {kind} of stream {fields.stream} is not one of C37.118")
    if kind == FrameType.CONFIGURATION_3:
        if len(body) < 2:
            raise FrameError(f"CFG-3 of stream {fields.stream} has no CONT_IDX")
        body = body[2:]
    return parse_configuration(fields, CONFIGURATIONS[FrameType(kind)], body)


def _fragment(frame: bytes, index: int) -> Fragment:
    """Pieces needn't have a check word of their own: only the head is read."""
    fields = common(frame) if sound(frame) else None
    if fields is None:
        fraction = int.from_bytes(frame[10:14], "big")
        fields = Frame(
            stream=stream_id(frame),
            soc=int.from_bytes(frame[6:10], "big"),
            quality=fraction >> 24,
            count=fraction & 0xFFFFFF,
            version=frame[1] & 15,
        )
    return Fragment(**vars(fields), index=index, frame=frame)


def _text(body: bytes) -> str:
    body = body.rstrip(b"\0")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode("latin-1")


def _command(fields: Frame, body: bytes) -> Command:
    if len(body) < 2:
        raise FrameError(f"CMD to stream {fields.stream} of {HEAD_SIZE + len(body) + CHECK_SIZE} bytes has no command")
    return Command(**vars(fields), command=body[0] << 8 | body[1], extended=body[2:])


def encode_command(command: Command) -> bytes:
    """The frame of a command."""
    return seal(FrameType.COMMAND, command, command.command.to_bytes(2, "big") + command.extended)


def encode_header(header: HeaderFrame) -> bytes:
    """The frame of a header."""
    return seal(FrameType.HEADER, header, header.text.encode("utf-8"))
