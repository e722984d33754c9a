"""What a simulator can be told."""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, model_validator

from algorithms import simulation
from archive.folder import ArchiveError
from archive.scenarios import RATE, Folder, ScenarioError
from nodes import _settings
from nodes._settings import Address, Duration, FilePath, Frequency, Number, Port, Rate, fault
from nodes._simgbt import Identities, device, period
from nodes._simrecorded import Recorded
from nodes._simulated import Shape
from nodes._siteforms import IPText
from nodes._troubles import Fault
from protocol.c37118 import FrameError
from protocol.clock import SECOND
from protocol.gbt26865.common import V2, V3
from protocol.smd import Kind, LayoutError, Layouts, compile_codecs, load


class Protocol(StrEnum):
    """What devices speak."""

    C37118 = "c37118"
    """IEEE C37.118."""
    QGDW131 = "qgdw131"
    """Q/GDW 131-2006 (V2)."""
    GBT26865 = "gbt26865"
    """GB/T 26865.2-2011 (V3)."""
    SMD = "smd"
    """The same with frames for harmonics and inter-harmonics."""


class Mode(StrEnum):
    """How the station and a device find each other."""

    DIALS = "dials"
    """The device dials the station at `to`."""
    LISTENS = "listens"
    """The station dials the device; the n-th device listens on the port (or the address, see `step`) of `listen`
    + n - 1."""
    TCP_UDP = "tcp_udp"
    """As listens, but DATA go over UDP to `data_port` + n - 1 of the station."""
    UDP = "udp"
    """Commands, answers and DATA over UDP; ports as for listens."""
    SPONTANEOUS = "spontaneous"
    """DATA over UDP to `to`, unasked, a configuration every `announce`."""


EDITIONS = {Protocol.QGDW131: V2, Protocol.GBT26865: V3, Protocol.SMD: V3}
OF_SUBSTATIONS = ("data_listen", "identity", "names")
NOT_OF_RECORDINGS = (
    *("devices", "stations", "rate", "nominal", "phasors", "analogs", "scenario", "at", "size", "protocol"),
    *OF_SUBSTATIONS,
)
OF_SMDS = ("smd", "channels", "table", "subsynchronous")


def _moment(value: Any) -> int:
    from archive.spans import instant  # HDF5 with it, which only recordings need

    try:
        return instant(value, 0)
    except ArchiveError as error:
        raise fault(str(error), "with Z behind it") from None


Moment = Annotated[int, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
"""ns UTC."""


class Settings(_settings.Settings):
    """Which devices, what they measure, what goes wrong."""

    to: Address | None = None
    """The station: a balancer's name in a pipeline, else HOST:PORT. In mode listens where substations dial for DATA."""
    listen: Address | None = None
    """Where the first device listens, in the modes in which the station dials."""
    mode: Mode = Mode.DIALS
    """dials, listens, tcp_udp, udp or spontaneous."""
    source: IPText | None = None
    """Local address to send from, in the modes dials and spontaneous; for a multicast group, its interface's."""
    data_port: Port | None = None
    """Port of the station that the first device's DATA go to in mode tcp_udp."""
    announce: Duration = 60 * SECOND
    """Between two configurations in mode spontaneous."""
    devices: Annotated[int, Field(ge=1, le=10_000)] = 20
    """How many."""
    stations: Annotated[int, Field(ge=1, le=100)] = 1
    """Stations in each device's stream, as a PDC has."""
    first: Annotated[int, Field(ge=1, le=65_534)] = 1
    """IDCODE of the first device; the others count on."""
    rate: Rate = 50
    """Frames per second; those of SMDs follow from their kind."""
    nominal: Literal[50, 60] = 50
    """Hz."""
    phasors: Annotated[int, Field(ge=0, le=100)] = 6
    """Per station: VA VB VC IA IB IC VA2 …"""
    analogs: Annotated[int, Field(ge=0, le=100)] = 0
    digitals: Annotated[int, Field(ge=0, le=100)] = 1
    """16-bit words."""
    format: Annotated[int, Field(ge=0, le=15)] = 15
    """FORMAT: the sum of 1 polar, 2 float phasors, 4 float analogs, 8 float frequency."""
    version: Literal[1, 2] = 2
    """1 = the edition of 2005, which knows no CFG-3; 2 = 2011."""
    time_base: Annotated[int, Field(ge=1, le=0xFFFFFF)] = 1_000_000
    """Counts of FRACSEC per second."""
    seed: Annotated[int, Field(ge=0)] = 1
    """The same seed gives the same signals."""
    scenario: simulation.Kind = simulation.Kind.NONE
    """none, generation_trip, fault or oscillation."""
    at: Duration = 30 * SECOND
    """When it happens, after the first frame."""
    size: Number | None = None
    """How large: Hz that the frequency falls by, per unit that the voltage dips by; unset = usual."""
    faults: list[Fault] = Field(default_factory=list)
    """What goes wrong with devices."""
    duration: Duration = 0
    """The work is over after so long; 0 = never."""
    protocol: Protocol = Protocol.C37118
    """c37118; substations of qgdw131 (V2) or gbt26865 (V3): mode listens, or dials for V3 on one connection; smd: mode
    dials."""
    data_listen: Address | None = None
    """Where the first substation of gbt26865 listens for its data pipe, if the station dials that, too."""
    step: Literal["port", "address"] = "port"
    """What differs between devices: the port they listen on, or the address they listen on and dial from."""
    identity: str = "SIM#####"
    """IDCODE of a substation, 8 ASCII characters; # are the digits of its number, from `first` on."""
    names: Literal["latin", "gbk"] = "latin"
    """Station names of substations: in Latin letters, or in Chinese."""
    smd: Literal["R", "C", "L"] = "L"
    """Kind of SMD: of renewable plants, for control, of loads."""
    channels: Literal[1, 4] = 1
    """Connections of an SMD: one for all, or one for commands and one for DATA of each kind that it sends."""
    table: FilePath | None = None
    """How frames of SMDs look, a file as `protocol/smd/table.yaml`; unset = that one."""
    recording: FilePath | None = None
    """Folder of scenarios (`docs/study-an-archive.md`): the devices of one of its windows send what they measured then
    instead of what is simulated."""
    window: str = ""
    """Which window of the recording."""
    start: Moment | None = None
    """When its first sample is, as 2026-12-01T04:00:00Z; what lies in the past is passed over. Unset: at once."""
    loops: Annotated[int, Field(ge=0)] = 1
    """So often it is played; 0 = without end."""
    subsynchronous: Frequency | None = None
    """Of a component that SMDs' inter-harmonics show from `at` on, below nominal, as wind farms have it."""

    @model_validator(mode="before")
    @classmethod
    def _as_recorded(cls, data: Any, info: ValidationInfo) -> Any:
        """What a recording says of its devices."""
        if not isinstance(data, dict) or not data.get("recording"):
            return data
        for name in (name for name in NOT_OF_RECORDINGS if name in data):
            raise fault(f"{name} is not for a recording, which says what its devices send", "leave it out")
        folder = Path((info.context or {}).get("base", Path()), Path(str(data["recording"])).expanduser())
        try:
            devices = len(Folder(folder).scenario(str(data.get("window", ""))).devices)
        except ScenarioError as error:
            raise fault(str(error), "set window: to one of them, recording: to a folder of scenarios") from None
        return {**data, "devices": devices, "phasors": 3, "rate": f"{RATE:.0f}/s"}

    @model_validator(mode="after")
    def _played(self) -> Settings:
        told = self.model_fields_set & {"window", "start", "loops"}
        if told and self.recording is None:
            raise fault(f"{min(told)} is of a recording", "set recording: to a folder of scenarios, or leave it out")
        return self

    @property
    def recorded(self) -> Recorded | None:
        """What is played; None if the devices are simulated. Raises ScenarioError."""
        if self.recording is None:
            return None
        folder = Folder(self.recording)
        return Recorded(folder, folder.scenario(self.window), self.loops)

    @model_validator(mode="after")
    def _reachable(self) -> Settings:
        needs_to = self.mode in (Mode.DIALS, Mode.SPONTANEOUS)
        if needs_to and self.to is None:
            raise fault(f"mode {self.mode} needs the station's address", "set to: to a balancer or HOST:PORT")
        if not needs_to and self.listen is None:
            raise fault(f"mode {self.mode} needs a port to listen on", 'set listen: to "127.0.0.1:4712" or the like')
        if self.mode is Mode.TCP_UDP and self.data_port is None:
            raise fault("mode tcp_udp needs the station's UDP port", "set data_port:")
        if self.first + self.devices - 1 > 65_534:
            raise fault(f"{self.devices} devices from IDCODE {self.first} go beyond 65534", "lower first or devices")
        if self.step == "address":
            self._check_step(needs_to)
        return self

    def _check_step(self, dials: bool) -> None:
        name, first = (
            ("source", str(self.source or "")) if dials else ("listen", self.listen.host if self.listen else "")
        )
        try:
            place = ipaddress.ip_address(first)
        except ValueError:
            place = None
        if place is None or place.is_unspecified:
            raise fault("step address counts on from the first device's address", f"set {name}: to one, as 127.0.1.1")

    @model_validator(mode="after")
    def _spoken(self) -> Settings:
        """What the protocol allows."""
        others = {} if self.protocol is Protocol.SMD else dict.fromkeys(OF_SMDS, Protocol.SMD)
        if self.protocol is Protocol.C37118:
            others |= dict.fromkeys(OF_SUBSTATIONS, Protocol.GBT26865)
        for name, protocol in others.items():
            if name in self.model_fields_set:
                raise fault(f"{name} is not of {self.protocol}", f"leave it out, or set protocol: {protocol}")
        if self.protocol is Protocol.C37118:
            return self
        if self.mode not in (Mode.LISTENS, Mode.DIALS):
            raise fault(f"substations have no mode {self.mode}", "set mode: to listens or dials")
        if self.protocol is Protocol.QGDW131:
            self._check_v2()
        elif self.protocol is Protocol.SMD:
            self._check_smd()
        elif self.data_listen and (self.to or self.mode is Mode.DIALS):
            raise fault("the data pipe is either dialled or listened for", "leave out to: or data_listen:")
        elif self.data_listen and self.listen and self.step == "port":
            self._check_apart(self.listen, self.data_listen)
        self._check_told()
        if self.protocol is Protocol.SMD:
            self._check_frames()
        return self

    def _check_v2(self) -> None:
        if self.mode is not Mode.LISTENS or self.to is None:
            what = "a substation of Q/GDW 131 listens for its management pipe and dials for DATA"
            raise fault(what, "set mode: listens, listen: and to:")
        if self.data_listen:
            raise fault("a substation of Q/GDW 131 dials for DATA", "leave out data_listen")
        if self.devices > 1 and self.step != "address":
            raise fault(
                "DATA of Q/GDW 131 do not tell whose they are, the station knows substations by their addresses",
                "set step: address, and listen: to the first one's, as 127.0.1.1:7000",
            )

    def _check_smd(self) -> None:
        if self.mode is not Mode.DIALS:
            raise fault("SMDs dial the station", "set mode: dials, and to:")
        try:
            told = self.layouts.kinds[self.kind]
        except LayoutError as error:
            raise fault(f"table: {error}", "or leave it out") from None
        if "rate" in self.model_fields_set and self.rate != told.fundamental.rate:
            shown = _settings.show_rate(told.fundamental.rate)
            raise fault(f"{self.kind} sends {shown}, as its table says", "leave out rate:, or change the table")
        if any(each.rate > 1 for each in told.spectra.values()) or told.fundamental.rate < 1:
            what = "simulated SMDs send fundamentals once a second at least, spectra at most"
            raise fault(f"{self.kind}: {what}", "change the rates in the table")

    def _check_frames(self) -> None:
        """What the table says can be sent of these phasors."""
        cfg = device(self.shape, self.first, Identities(self.identity), False).capability
        try:
            compile_codecs(cfg, self.kind, self.layouts)
        except FrameError as error:
            raise fault(str(error), "or set other phasors: or stations:") from None

    def _check_apart(self, listen: Address, data: Address) -> None:
        if listen.port and abs(listen.port - data.port) < self.devices:
            what = f"ports {listen.port} and {data.port}, counted up for {self.devices} devices, meet"
            raise fault(what, "set them further apart, or step: address")

    def _check_told(self) -> None:
        """Rate and IDCODEs can be said."""
        try:
            period(self.pace, self.nominal)
        except ValueError as error:
            raise fault(f"a rate of {_settings.show_rate(self.pace)}: {error}", "set another rate:") from None
        try:
            Identities(self.identity).of(self.first + self.devices - 1, self.stations - 1)
        except ValueError as error:
            raise fault(f"identity: {error}", "write it as SIM#####") from None

    @property
    def kind(self) -> Kind:
        """Of SMDs."""
        return Kind[self.smd]

    @cached_property
    def layouts(self) -> Layouts:
        """Of SMDs. Raises LayoutError if the table has faults."""
        return load(self.table)

    @property
    def pace(self) -> int:
        """DATA_RATE of all devices."""
        return self.layouts.kinds[self.kind].fundamental.rate if self.protocol is Protocol.SMD else self.rate

    @property
    def shape(self) -> Shape:
        """What all devices have in common."""
        return Shape(
            self.pace,
            self.time_base,
            self.nominal,
            self.format,
            EDITIONS.get(self.protocol, self.version),
            self.stations,
            self.phasors,
            self.analogs,
            self.digitals,
        )
