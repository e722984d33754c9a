"""How each simulated device is made, and reached: the pipes that the settings ask for, places counted up."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from algorithms.spectra import Oscillation
from nodes import _dialing, _simgbt, _simsmd, _simulated, _tally
from nodes._badvalues import BadValues
from nodes._devicelink import Answers, Datagrams, DeviceAnswers, Link, SocketAddress, Spontaneous
from nodes._devicestream import Dialled, Listening
from nodes._settings import Address
from nodes._simsettings import Mode, Protocol, Settings
from nodes._simsmd import Spectral
from nodes._simstreams import Stream
from nodes._substation import Pipe, Substation, SubstationAnswers
from nodes._troubles import Troubles
from protocol import c37118, gbt26865
from protocol.c37118.device import Device
from protocol.clock import SECOND
from protocol.messages import Spectrum

AnyDevice = Device | gbt26865.Device
AnyConfiguration = c37118.ConfigurationFrame | gbt26865.ConfigurationFrame


@dataclass
class Simulated:
    """One device."""

    device: AnyDevice
    link: Link | Substation
    troubles: Troubles
    bad: BadValues
    announce_at: int = 0
    """Monotonic ns of the next unasked configuration."""
    fds: set[int] = field(default_factory=set)
    streamed: AnyConfiguration = field(init=False)
    """The configuration that its frames are made by."""
    units: list[int] = field(init=False)
    """What a frame of each `Spectrum` counts for (`_tally`)."""

    def __post_init__(self) -> None:
        self.stream_by(self.device.cfg)

    def stream_by(self, cfg: AnyConfiguration) -> None:
        """Frames are made by this configuration from now on."""
        self.streamed = cfg
        self.units = [_tally.tally(len(cfg.stations), spectrum) for spectrum in Spectrum]


def device(settings: Settings, number: int, position: NDArray[np.float64], name: str = "") -> AnyDevice:
    """The device with this number as IDCODE; position [stations, 2] km, which C37.118 tells as coordinates; `name` of
    one that was recorded."""
    if settings.protocol is Protocol.C37118:
        cfg = _simulated.configuration(settings.shape, number, position, name)
        return Device(cfg, f"simulated device {number}", cfg3=settings.version > 1)
    identities, chinese = _simgbt.Identities(settings.identity), settings.names == "gbk"
    if settings.protocol is Protocol.SMD:
        fits = _simsmd.fits(settings.kind, settings.layouts)
        return _simgbt.device(settings.shape, number, identities, chinese, fits)
    return _simgbt.device(settings.shape, number, identities, chinese)


def streams(settings: Settings, device: AnyDevice) -> dict[Spectrum, Stream]:
    """What a device sends by its configuration in force."""
    if not isinstance(device, gbt26865.Device):
        return {Spectrum.NONE: Stream(c37118.compile_codec(device.cfg))}
    if settings.protocol is Protocol.SMD:
        return _simsmd.streams(device, settings.kind, settings.layouts)
    return {Spectrum.NONE: _simgbt.stream(device)}


def spectral(settings: Settings, points: int, part: int) -> Spectral | None:
    """The spectra of all devices, if they have any. points: stations of all devices."""
    if settings.protocol is not Protocol.SMD:
        return None
    line = settings.subsynchronous
    oscillation = None if line is None else Oscillation(line, start=settings.at // SECOND)
    return Spectral(settings.kind, settings.layouts, points, settings.seed, part, oscillation)


def rename(device: AnyDevice) -> None:
    """Give its first station another name."""
    if isinstance(device, gbt26865.Device):
        _simgbt.rename(device)
    else:
        device.cfg = _simulated.renamed(device.cfg)


class Maker:
    """Makes links. Device n, from 0, has the n-th port or address. Methods raise OSError if a host is unknown."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def link(self, number: int, device: AnyDevice, first_dial: int) -> Link | Substation:
        """The link of a device; one that dials begins at `first_dial` [monotonic ns]."""
        settings = self._settings
        if isinstance(device, gbt26865.Device):
            return self._substation(number, SubstationAnswers(device), first_dial)
        answers = DeviceAnswers(device)
        if settings.mode is Mode.DIALS:
            return self._dialled(number, answers, first_dial)
        if settings.mode is Mode.SPONTANEOUS:
            return Spontaneous(answers, self._to(), self._source(number))
        at = self._place(settings.listen, number)
        if settings.mode is Mode.UDP:
            return Datagrams(answers, at)
        port = 0
        if settings.mode is Mode.TCP_UDP and settings.data_port:
            port = settings.data_port + (number if settings.step == "port" else 0)
        return Listening(answers, at, port)

    def _substation(self, number: int, answers: SubstationAnswers, first_dial: int) -> Substation:
        settings = self._settings
        if settings.mode is Mode.DIALS:
            return Substation(answers, self._dialled(number, answers, first_dial), self._channels(number))
        at = self._place(settings.listen, number)
        data: dict[Spectrum, Pipe] = {}
        if settings.data_listen is not None:
            data[Spectrum.NONE] = Listening(Answers(), self._place(settings.data_listen, number))
        elif settings.to is not None:
            # The station may know it by its address only.
            host = at[0] if not ipaddress.ip_address(at[0]).is_unspecified else ""
            data[Spectrum.NONE] = Dialled(Answers(), self._to(), host)
        return Substation(answers, Listening(answers, at), data)

    def _channels(self, number: int) -> dict[Spectrum, Pipe]:
        """An SMD's connections for DATA, if it has any."""
        settings = self._settings
        if settings.protocol is not Protocol.SMD or settings.channels == 1:
            return {}
        sent = [Spectrum.NONE, *settings.layouts.kinds[settings.kind].spectra]
        return {spectrum: self._dialled(number, Answers(), 0) for spectrum in sent}

    def _dialled(self, number: int, answers: Answers, due: int) -> Dialled:
        link = Dialled(answers, self._to(), self._source(number))
        link.due = due
        return link

    def _to(self) -> SocketAddress:
        assert self._settings.to is not None
        return _dialing.resolve(self._settings.to)[1]

    def _source(self, number: int) -> str:
        source = str(self._settings.source or "")
        return self._counted(source, number) if source else ""

    def _place(self, first: Address | None, number: int) -> SocketAddress:
        assert first is not None
        host, port = _dialing.resolve(first)[1]
        return self._counted(host, number), port + number if port and self._settings.step == "port" else port

    def _counted(self, host: str, number: int) -> str:
        return str(ipaddress.ip_address(host) + number) if self._settings.step == "address" else host
