"""Frames as values: what each type says, read and written. (DATA: see `codec`.)"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from protocol.c37118 import frames as c37118
from protocol.c37118.common import FrameError, FrameType, frame_type
from protocol.gbt26865.common import CONFIGURATIONS, ENCODING, Frame, common, seal
from protocol.gbt26865.configuration import ConfigurationFrame, parse_configuration


class CommandCode(IntEnum):
    """What a command says. Bits 15-13 tell the kind; where they are 0, bits 3-0 say what is asked for."""

    DATA_OFF = 1
    DATA_ON = 2
    SEND_HEADER = 3
    SEND_CONFIGURATION_1 = 4
    SEND_CONFIGURATION_2 = 5
    RECEIVE_REFERENCE = 8
    """A reference phasor follows."""
    NACK = 0x2000
    """V3 only."""
    HEARTBEAT = 0x4000
    RESET = 0x6000
    DOWNLOAD_CONFIGURATION_2 = 0x8000
    """A CFG-2 follows, that of the master."""
    NETWORK_TRIGGER = 0xA000
    ACK = 0xE000


KIND_BITS, CODE_BITS = 0xE000, 0x000F


def meaning(word: int) -> CommandCode | None:
    """What a command word says; None if nothing is known of it."""
    code = word & KIND_BITS or word & CODE_BITS
    return CommandCode(code) if code in set(CommandCode) else None


@dataclass(frozen=True, kw_only=True)
class HeaderFrame(Frame, c37118.HeaderFrame):
    """HDR: text for people; may be empty. Of V2 all behind SOC is text: whether IDCODE stands first is not known."""


@dataclass(frozen=True, kw_only=True)
class Command(Frame, c37118.Command):
    """CMD, both ways: what the master asks for, what the substation answers. `extended` is what follows the word."""


@dataclass(frozen=True, kw_only=True)
class DataFrame(Frame, c37118.DataFrame):
    """DATA, not decoded."""


AnyFrame = ConfigurationFrame | HeaderFrame | Command | DataFrame


def parse(frame: bytes) -> AnyFrame:
    """What a whole frame says. Raises FrameError where it is wrong inside, with what is wrong."""
    fields, body = common(frame)
    kind = frame_type(frame)
    if kind == FrameType.DATA:
        return DataFrame(**vars(fields), body=body)
    if kind == FrameType.HEADER:
        return HeaderFrame(**vars(fields), text=_text(body))
    if kind == FrameType.COMMAND:
        if len(body) < 2:
            raise FrameError(f"CMD of {len(frame)} bytes has no command")
        return Command(**vars(fields), command=body[0] << 8 | body[1], extended=body[2:])
    return parse_configuration(fields, CONFIGURATIONS[FrameType(kind)], body)


def _text(body: bytes) -> str:
    body = body.rstrip(b"\0")
    try:
        return body.decode(ENCODING)
    except UnicodeDecodeError:
        return body.decode("latin-1")


def encode_command(command: Command) -> bytes:
    """The frame of a command."""
    body = command.command.to_bytes(2, "big") + command.extended
    return seal(FrameType.COMMAND, command, command.identity, body)


def encode_header(header: HeaderFrame) -> bytes:
    """The frame of a header; what GBK lacks becomes `?`."""
    return seal(FrameType.HEADER, header, header.identity, header.text.encode(ENCODING, "replace"))
