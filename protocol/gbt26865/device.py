"""The substation's side of a session: commands in, answers out. For simulators and tests.

It answers on the management pipe. Where V3 says NACK, V2, which has none, is silent. Whether reset, network trigger and
reference phasor are acknowledged is not known: they are handed on without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from protocol.c37118.common import FrameError, FrameType, frame_type
from protocol.clock import SECOND, Now, to_soc
from protocol.gbt26865.common import V2
from protocol.gbt26865.configuration import ConfigurationFrame, Station, encode_configuration
from protocol.gbt26865.describe import whose
from protocol.gbt26865.events import Configured, DeviceEvent, Ended, Extended, Send, StartData, StopData
from protocol.gbt26865.frames import Command, CommandCode, HeaderFrame, encode_command, encode_header, meaning, parse
from protocol.gbt26865.heartbeats import EVERY, MISSES, Heartbeats


class Device:
    """One substation."""

    def __init__(
        self,
        cfg: ConfigurationFrame,
        header: str = "",
        *,
        strict: bool = False,
        tells_2: bool = True,
        takes: Callable[[ConfigurationFrame], bool] = lambda cfg: True,
        heartbeat: int = EVERY,
        misses: int = MISSES,
    ) -> None:
        """cfg: its CFG-1. strict: only commands to its own IDCODE.

        tells_2: asked for CFG-2 before one was downloaded, tell the CFG-1 as such; else refuse. takes: whether it can
        stream by a CFG-2 that names nothing unknown; else that is refused.
        """
        self.capability = replace(cfg, kind=1)
        self.cfg = replace(cfg, kind=2)
        """What DATA carries: the CFG-1's content until another one is downloaded."""
        self.header = header
        self.on = False
        """Whether DATA is to be sent."""
        self.unknown = 0
        """Frames it did not understand, or that were for another."""
        self._strict, self._tells_2, self._takes = strict, tells_2, takes
        self._announced = False
        self._beats = Heartbeats(heartbeat, misses)

    @property
    def identity(self) -> bytes:
        """IDCODE."""
        return whose(self.capability)

    def begin(self, now: Now) -> None:
        """The management pipe is up."""
        self._announced = False
        self._beats.begin(now.monotonic, expecting=True)

    def wake_at(self) -> int | None:
        """Monotonic time [ns] of the next `wake`; None = never."""
        return self._beats.due

    def wake(self, now: Now) -> list[DeviceEvent]:
        """The time has come: a heartbeat, if the master's has not come to be repeated; the end, if it is lost."""
        if self._beats.due is None or now.monotonic < self._beats.due:
            return []
        if not self._beats.beat(now.monotonic):
            self._beats.end()
            stop: list[DeviceEvent] = [StopData()] if self.on else []
            self.on = False
            return [*stop, Ended("the master's heartbeats do not come any more")]
        return [self._say(CommandCode.HEARTBEAT, now)] if self._beats.missed else []

    def receive(self, frame: bytes, now: Now) -> list[DeviceEvent]:
        """A frame from the master with a good check word."""
        try:
            said = parse(frame)
        except FrameError:
            self.unknown += 1
            return self._taken(None, now) if frame_type(frame) == FrameType.CONFIGURATION_2 else []
        if isinstance(said, ConfigurationFrame) and said.kind == 2:
            return self._taken(said, now)
        if not isinstance(said, Command) or (self._strict and said.identity != self.identity):
            self.unknown += 1
            return []
        return self._obey(said, now)

    def configuration(self, kind: int, utc: int) -> bytes:
        """Its CFG-1, or what DATA carries, stamped with utc [ns]."""
        cfg = self.capability if kind == 1 else self.cfg
        soc, count = to_soc(utc, cfg.time_base)
        return encode_configuration(replace(cfg, soc=soc, count=0 if cfg.version == V2 else count), kind)

    def _obey(self, command: Command, now: Now) -> list[DeviceEvent]:
        code = meaning(command.command)
        if code is None:
            self.unknown += 1
            return self._refuse(now)
        return ANSWERS[code](self, command, now)

    def _echo(self, command: Command, now: Now) -> list[DeviceEvent]:
        self._beats.heard()
        return [Send(encode_command(replace(command, identity=self.identity)))]

    def _silence(self, command: Command, now: Now) -> list[DeviceEvent]:
        return []

    def _start(self, command: Command, now: Now) -> list[DeviceEvent]:
        self.on = True
        return [self._say(CommandCode.ACK, now), StartData()]

    def _stop(self, command: Command, now: Now) -> list[DeviceEvent]:
        self.on = False
        return [self._say(CommandCode.ACK, now), StopData()]

    def _expect(self, command: Command, now: Now) -> list[DeviceEvent]:
        self._announced = True
        return [self._say(CommandCode.ACK, now)]

    def _hand_on(self, command: Command, now: Now) -> list[DeviceEvent]:
        return [Extended(command)]

    def _tell_header(self, command: Command, now: Now) -> list[DeviceEvent]:
        return [Send(self._header(now))]

    def _tell_1(self, command: Command, now: Now) -> list[DeviceEvent]:
        return [Send(self.configuration(1, now.utc))]

    def _tell_2(self, command: Command, now: Now) -> list[DeviceEvent]:
        return [Send(self.configuration(2, now.utc))] if self._tells_2 else self._refuse(now)

    def _taken(self, cfg: ConfigurationFrame | None, now: Now) -> list[DeviceEvent]:
        """A CFG-2 of the master (None: a faulty one, as of PERIOD 0): in force from now on, if it was announced."""
        announced, self._announced = self._announced, False
        if cfg is None or not announced or not offered(cfg, self.capability) or not self._takes(cfg):
            return self._refuse(now)
        self.cfg, self._tells_2 = cfg, True
        return [self._say(CommandCode.ACK, now), Configured(cfg)]

    def _say(self, code: CommandCode, now: Now) -> Send:
        version, soc = self.capability.version, now.utc // SECOND
        return Send(encode_command(Command(identity=self.identity, version=version, soc=soc, command=code)))

    def _refuse(self, now: Now) -> list[DeviceEvent]:
        return [] if self.capability.version == V2 else [self._say(CommandCode.NACK, now)]

    def _header(self, now: Now) -> bytes:
        cfg = self.capability
        soc, count = to_soc(now.utc, cfg.time_base)
        count = 0 if cfg.version == V2 else count
        header = HeaderFrame(identity=cfg.identity, version=cfg.version, soc=soc, count=count, text=self.header)
        return encode_header(header)


ANSWERS: dict[CommandCode, Callable[[Device, Command, Now], list[DeviceEvent]]] = {
    CommandCode.DATA_OFF: Device._stop,
    CommandCode.DATA_ON: Device._start,
    CommandCode.SEND_HEADER: Device._tell_header,
    CommandCode.SEND_CONFIGURATION_1: Device._tell_1,
    CommandCode.SEND_CONFIGURATION_2: Device._tell_2,
    CommandCode.RECEIVE_REFERENCE: Device._hand_on,
    CommandCode.NACK: Device._silence,
    CommandCode.HEARTBEAT: Device._echo,
    CommandCode.RESET: Device._hand_on,
    CommandCode.DOWNLOAD_CONFIGURATION_2: Device._expect,
    CommandCode.NETWORK_TRIGGER: Device._hand_on,
    CommandCode.ACK: Device._silence,
}
"""What follows which command."""


def offered(cfg: ConfigurationFrame, capability: ConfigurationFrame) -> bool:
    """Whether a configuration asks for nothing that the capability has not: edition, stations, channels by name."""
    known = {station.identity: station for station in capability.stations}
    return cfg.version == capability.version and all(
        station.identity in known and _names(station) <= _names(known[station.identity]) for station in cfg.stations
    )


def _names(station: Station) -> set[tuple[str, str]]:
    phasors = {("phasor", each.name) for each in station.phasors}
    labels = {("label", label) for digital in station.digitals for label in digital.labels}
    return phasors | labels | {("analog", each.name) for each in station.analogs}
