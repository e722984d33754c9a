"""The device's side of a session: commands in, answers out. For the simulator and the replayer.

A device answers at once and never acknowledges. It answers commands to any IDCODE unless told to be strict: masters
in the field (pyPMU) send their own. Unknown commands are met with silence, as the standard leaves it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from protocol.c37118.common import MAX_FRAME, FrameError, FrameType, frame_type
from protocol.c37118.encoding import encode_configuration
from protocol.c37118.events import DeviceEvent, Extended, Send, StartData, StopData
from protocol.c37118.frames import Command, CommandCode, ConfigurationFrame, HeaderFrame, encode_header, parse
from protocol.clock import to_soc

KINDS = {
    CommandCode.SEND_CONFIGURATION_1: 1,
    CommandCode.SEND_CONFIGURATION_2: 2,
    CommandCode.SEND_CONFIGURATION_3: 3,
}


class Device:
    """One stream of a device."""

    def __init__(
        self,
        cfg: ConfigurationFrame,
        header: str = "",
        *,
        cfg3: bool = True,
        strict: bool = False,
        spoken: Mapping[int, Sequence[bytes]] | None = None,
        largest: int = MAX_FRAME,
    ) -> None:
        """cfg3: answer command 6 (a device of 2005 is silent). strict: only commands to its own IDCODE. largest: bytes
        of a frame, of which a long CFG-3 takes several.

        spoken: frames to answer a command (by code) with, as they are, instead of those made from cfg and header.
        """
        self.cfg = cfg
        self.header = header
        self.on = False
        """Whether DATA is to be sent."""
        self.unknown = 0
        """Commands it did not understand, or that were for another."""
        self.spoken = dict(spoken or {})
        self.cfg3 = cfg3
        self.largest = largest
        self._strict = strict

    def receive(self, frame: bytes, utc: int) -> list[DeviceEvent]:
        """A frame from the master; utc [ns] stamps the answers."""
        if frame_type(frame) != FrameType.COMMAND:
            self.unknown += 1
            return []
        try:
            command = parse(frame)
        except FrameError:
            self.unknown += 1
            return []
        if not isinstance(command, Command) or (self._strict and command.stream != self.cfg.stream):
            self.unknown += 1
            return []
        return self._obey(command, utc)

    def _obey(self, command: Command, utc: int) -> list[DeviceEvent]:
        code = command.command
        if code == CommandCode.DATA_OFF:
            self.on = False
            return [StopData()]
        if code == CommandCode.DATA_ON:
            self.on = True
            return [StartData()]
        if code in self.spoken:
            return [Send(each) for each in self.spoken[code]]
        if code == CommandCode.SEND_HEADER:
            return [Send(encode_header(self._stamped_header(utc)))]
        kind = next((kind for each, kind in KINDS.items() if each == code), 0)
        if kind and (kind != 3 or self.cfg3):
            return [Send(each) for each in self.configuration(kind, utc)]
        if code == CommandCode.EXTENDED or code > 0xFF:
            return [Extended(command)]
        self.unknown += 1
        return []

    def configuration(self, kind: int, utc: int) -> list[bytes]:
        """Its configuration as frames, stamped; also for devices that tell it unasked."""
        soc, count = to_soc(utc, self.cfg.time_base)
        return encode_configuration(replace(self.cfg, soc=soc, count=count), kind, self.largest)

    def _stamped_header(self, utc: int) -> HeaderFrame:
        soc, count = to_soc(utc, self.cfg.time_base)
        cfg = self.cfg
        return HeaderFrame(
            stream=cfg.stream, soc=soc, count=count, quality=cfg.quality, version=cfg.version, text=self.header
        )
