"""The site file: which devices there are, how they are reached and recognised, and where they stand.

No wiring stands in it. A *device* here is a link in the sense of `protocol.messages`: a PMU, or a PDC with many.

    station: North Hub
    unknown: refuse
    devices:
      - {name: Wind Farm A, number: 1, stream: 7, address: 10.1.0.7}          # it dials us
      - {name: Substation B, number: 2, stream: 8, link: {tcp: 10.1.0.8:4712}}
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from nodes import _grid, _limitsettings, _yaml
from nodes._faults import Faulty, Lines
from nodes._limitsettings import Limit
from nodes._settings import Address, FilePath, Number, Settings, fault
from nodes._siteforms import (
    IDENTITY_HEX,
    IP,
    BusText,
    DialsInOrAddress,
    Energy,
    GroupText,
    IdentityText,
    IPText,
    NetworkText,
    PortOrAddress,
    PowerPerHertz,
    family_of,
    plain,
)
from protocol import smd
from protocol.gbt26865.common import IDENTITY

How = Literal["dials_in", "tcp", "tcp_udp", "udp", "spontaneous"]


class Secured(Settings):
    """TLS to a device that we dial."""

    name: str = ""
    """Host name or IP address that its certificate must be issued to; none: the host in `tcp`."""


class Link(Settings):
    """How the bytes of a device reach us. Nothing given: the device dials us and answers on that connection."""

    tcp: Address | None = None
    """We dial the device here, the usual C37.118 way; with `udp` only commands go this way."""
    tls: Secured | None = None
    """The connection that we dial is under TLS: `{}`, or `{name: …}` if its certificate has another name."""
    udp: PortOrAddress | None = None
    """Alone: commands and data over UDP, the device is HOST:PORT. With `tcp`: the local port that data come to."""
    spontaneous: PortOrAddress | None = None
    """The device sends unasked, over UDP, to this local port."""
    group: GroupText | None = None
    """Multicast group that a spontaneous device sends to; joined on the interface of the host in `spontaneous`."""
    source: IPText | None = None
    """Only datagrams of this sender count (spontaneous)."""
    data: DialsInOrAddress | None = None
    """Data pipe of a substation that is dialled at `tcp` (GB/T 26865.2, Q/GDW 131): where we dial it, or `dials_in`,
    where it dials us. None: DATA come on the connection at `tcp`, too."""

    @property
    def how(self) -> How:
        """Which of the ways it is."""
        if self.spontaneous:
            return "spontaneous"
        if self.tcp:
            return "tcp_udp" if self.udp else "tcp"
        return "udp" if self.udp else "dials_in"

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        return {} if value == "dials_in" else value

    @model_validator(mode="after")
    def _fits(self) -> Link:
        if self.spontaneous and (self.tcp or self.udp):
            raise fault("link is spontaneous and tcp or udp at once", "keep one")
        if self.tls and self.how != "tcp":
            raise fault("tls is for connections that we dial, all of them", "write {tcp: HOST:PORT, tls: {}}")
        if (self.group or self.source) and not self.spontaneous:
            raise fault("link names a group or source but is not spontaneous", "add spontaneous: PORT")
        if self.data and self.how != "tcp":
            raise fault("link has a data pipe but no management pipe", "add tcp: HOST:PORT, where we dial that")
        if self.data and self.tls:
            raise fault("link has tls and a data pipe", "leave tls out: there is none for substations with two pipes")
        dialled_data = self.data if isinstance(self.data, Address) else None
        for way in (self.tcp, self.udp if not self.tcp else None, dialled_data):
            if way and (way.port == 0 or way.host in ("0.0.0.0", "::")):
                raise fault(f"{way} can't be dialled", "name the device's own HOST:PORT")
        return self


class Analog(Settings):
    """What an analog channel means, where the device does not say it (scale of CFG-2 is often a placeholder)."""

    scale: Number = 1.0
    """Factor on what the configuration frame yields."""
    offset: Number = 0.0
    """Added after the factor."""
    unit: str = ""
    """As `MW`."""


class Download(Settings):
    """The CFG-2 that a substation is told to stream by (GB/T 26865.2, Q/GDW 131), chosen from its CFG-1."""

    channels: Annotated[list[str], Field(min_length=1, default_factory=lambda: ["*"])]
    """Which phasors, analogs, and (by any of their labels) digital words; `*` and `?` as in file names."""
    period: Annotated[int, Field(ge=1, le=65535)] | None = None
    """PERIOD of all its stations: cycles of nominal frequency times 100 (100 = 20 ms at 50 Hz); none: as it likes."""


class Device(Settings):
    """One link of the site."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    """Unique in the site; the archive and all counters name it so."""
    number: Annotated[int, Field(ge=1, le=65535)]
    """Unique in the site and never given to another device: the archive tells devices by it."""
    stream: Annotated[int, Field(ge=1, le=65534)] | None = None
    """IDCODE of its frames; none: any."""
    identity: IdentityText | None = None
    """IDCODE of frames that have one of 8 bytes (GB/T 26865.2, Q/GDW 131, SMDs): text, or 16 hex digits; none: any."""
    address: NetworkText | None = None
    """IP address or network it connects from (dials in); none: any."""
    certificate: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Name in the certificate that it shows when it dials in under TLS; then it can't come in any other way."""
    protocol: Literal["c37118", "gbt26865", "qgdw131", "smd"] = "c37118"
    """What it speaks: IEEE C37.118, GB/T 26865.2-2011, Q/GDW 131-2006, or GB/T 26865.2 with the frames of SMDs."""
    kind: Literal["R", "C", "L"] | None = None
    """Which SMD it is: what its spectra are."""
    download: Download | None = None
    """Tell it what to stream; none: as it likes."""
    link: Link = Link()
    """How its bytes reach us: dials_in, or {tcp: …}, {tcp: …, udp: …}, {udp: …}, {spontaneous: …}."""
    region: str = ""
    """Region of the grid; neighbours are devices of one region."""
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    """Degrees north."""
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None
    """Degrees east."""
    elevation: Number | None = None
    """Metres."""
    analogs: dict[str, Analog] = Field(default_factory=dict)
    """By channel name: what an analog means."""
    bus: BusText | None = None
    """Bus of the network that it measures, all its stations; none: not known."""
    inertia: Energy | None = None
    """Kinetic energy of all that rotates about there (`4 GWs`): its weight in the frequency of the centre of inertia;
    where no device has one, all weigh the same."""

    @model_validator(mode="after")
    def _recognisable(self) -> Device:
        told = (self.stream, self.identity, self.address, self.certificate)
        if self.link.how == "dials_in" and all(each is None for each in told):
            remedy = "add stream: (or identity:), address: or certificate:"
            raise fault("nothing to recognise it by when it dials in", remedy)
        if self.link.how != "dials_in" and self.address is not None:
            raise fault("address is for devices that dial in", "leave it out, the link says where the device is")
        if self.link.how != "dials_in" and self.certificate is not None:
            raise fault("certificate is for devices that dial in", "write link: {tcp: HOST:PORT, tls: {name: …}}")
        return self

    @model_validator(mode="after")
    def _speaks(self) -> Device:
        if self.protocol == "c37118":
            told = [name for name in ("identity", "kind", "download") if getattr(self, name) is not None]
            if told or self.link.data:
                raise fault(f"C37.118 has no {(told or ['data pipe'])[0]}", "set protocol:, or leave it out")
            return self
        if self.stream is not None:
            raise fault(f"{self.protocol} has no IDCODE of 16 bits", "write identity: with its 8 characters")
        if self.link.how not in ("dials_in", "tcp"):
            raise fault(f"{self.protocol} goes over TCP", "write link: {tcp: HOST:PORT, data: HOST:PORT}, or dials_in")
        if self.link.tls or self.certificate:
            raise fault(f"there is no TLS for {self.protocol}", "leave tls and certificate out")
        if (self.protocol == "smd") != (self.kind is not None):
            raise fault("kind says which SMD it is", "write protocol: smd and kind: R, C or L, or neither")
        if self.download and self.link.how == "dials_in":
            raise fault("download is for devices that we dial", "leave it out, or write link: {tcp: HOST:PORT}")
        return self

    @property
    def family(self) -> str:
        """Of protocols whose devices may call at one port."""
        return family_of(self.protocol)

    @property
    def code(self) -> int | None:
        """IDCODE as a number, however long; None: any."""
        if self.identity is None:
            return self.stream
        whole = IDENTITY_HEX.fullmatch(self.identity)
        raw = bytes.fromhex(self.identity) if whole else self.identity.encode("gbk").ljust(IDENTITY, b"\0")
        return int.from_bytes(raw, "big")


class Site(Settings):
    """The whole site file."""

    station: str
    """Name of this master station."""
    unknown: Literal["refuse", "admit"] = "refuse"
    """A device that no entry recognises: refuse it, or admit it under a number of its own."""
    admit_from: list[NetworkText] = Field(default_factory=list)
    """Networks that devices which no entry recognises are admitted from; none: from anywhere."""
    smd_table: FilePath | None = None
    """How the frames of SMDs look; none: as the table says that comes with the program (`docs/smd-frames.md`)."""
    network: _grid.Tables | None = None
    """Buses and lines of the grid (`docs/describe-the-grid.md`); none: places are told by coordinates alone."""
    frequency_response: PowerPerHertz | None = None
    """Power that the grid lost for each Hz that its frequency goes down at most (`1500 MW/Hz`); none: not known."""
    inertia: Energy | None = None
    """Kinetic energy of all that rotates with the grid (`40 GWs`): tells a lost power before the frequency's lowest
    point; none: not known."""
    limits: list[Limit] = Field(default_factory=list)
    """From where on values are an alarm (`docs/alarms-and-limits.md`)."""
    devices: list[Device] = Field(default_factory=list)
    """All links."""
    text: str = ""
    """Not a setting: the file as it was, for the archive."""

    @model_validator(mode="after")
    def _admits_some(self) -> Site:
        if self.admit_from and self.unknown != "admit":
            raise fault("admit_from, but unknown devices are refused", "write unknown: admit, or leave admit_from out")
        return self

    @property
    def version(self) -> str:
        """The first 8 hex digits of the SHA-256 of the file."""
        return hashlib.sha256((self.text or self.model_dump_json()).encode()).hexdigest()[:8]

    def admits(self, address: str | IP) -> bool:
        """Whether a device that no entry recognises is admitted from there."""
        if self.unknown != "admit":
            return False
        return not self.admit_from or any(plain(address) in network for network in self.admit_from)


def load(path: Path, shown: str | None = None, *, tables: bool = True) -> Site:
    """The checked site in a file, and the tables of its network if `tables`. Raises Faulty with all faults."""
    return _whole(*_yaml.read(path, shown), path.resolve().parent, tables)


def check(text: str, shown: str, *, tables: bool = True) -> Site:
    """The checked site in a text that is to become the file `shown`. Raises Faulty with all faults."""
    lines = Lines(shown, {}, [])
    return _whole(_yaml.parse(text, lines), lines, text, Path(shown).resolve().parent, tables)


def _whole(data: Any, lines: Lines, text: str, base: Path, tables: bool) -> Site:
    site = _model(data, lines, base)
    if site is not None and tables:
        _grid.check(site.network, site.devices, lines)
    if lines.faults or site is None:
        raise Faulty(lines.faults)
    return site.model_copy(update={"text": text})


def _model(data: Any, lines: Lines, base: Path) -> Site | None:
    if not isinstance(data, dict):
        if not lines.faults:
            lines.fault((), "not a site file", "write station:, unknown: and devices:")
        return None
    if "text" in data:
        lines.fault(("text",), "site: unknown setting 'text'", "leave it out")
    devices = data.get("devices")
    _check_devices(devices, lines)
    listed = devices if isinstance(devices, list) else []
    _limitsettings.check(data.get("limits"), listed, data.get("unknown") == "admit", lines)
    try:
        site = Site.model_validate(data, context={"base": base})
        smd.load(site.smd_table)
    except ValidationError as error:
        lines.settings((), Site, error, "site")
    except smd.LayoutError as error:
        lines.fault(("smd_table",), f"site: {str(error).splitlines()[0]}", "correct that file, or leave smd_table out")
    else:
        return site
    return None


def _check_devices(devices: Any, lines: Lines) -> None:
    """What must be unique: names, numbers, and what a device that dials in is recognised by."""
    seen: dict[tuple[str, str], tuple[int, int]] = {}
    for position, device in enumerate(devices if isinstance(devices, list) else ()):
        if not isinstance(device, dict):
            continue
        for what, key, where in _identities(device):
            path = ("devices", position, where)
            first, line = seen.setdefault((what, key), (position, lines.line(path)))
            if first != position:
                lines.fault(path, f"{what} {key} is given already in line {line}", f"give each device its own {what}")


def _identities(device: dict[str, Any]) -> Iterable[tuple[str, str, str]]:
    for what in ("name", "number"):
        if device.get(what) is not None:
            yield what, repr(device[what]), what
    link = device.get("link", "dials_in")
    told = [key for key in ("address", "stream", "identity", "certificate") if device.get(key) is not None]
    identity = ", ".join(f"{key} {device[key]}" for key in told)
    if link == "dials_in" and identity:
        yield "identity", f"({identity})", "stream" if "stream" in told else told[0]
    elif isinstance(link, dict):
        if link.get("data") == "dials_in" and device.get("protocol") == "qgdw131":
            host = str(link.get("tcp")).rpartition(":")[0]
            yield "address", f"{host} (all that tells whose DATA of qgdw131 are that dial us)", "link"
        ways = ", ".join(f"{key} {link[key]}" for key in sorted(link))
        yield "link", f"({ways}, stream {device.get('stream', 'any')})", "link"
        if link.get("tcp") and link.get("udp"):
            yield "link", f"(data from {str(link['tcp']).rpartition(':')[0]} to UDP port {link['udp']})", "link"


def recognise(devices: Iterable[Device], address: str | IP, stream: int | None) -> Device | None:
    """The device that a connection from `address` with IDCODE `stream` (`Device.code`) is; None if it is none of them.

    Specific beats general: what an entry says more closely counts more. A stream counts as much as one whole
    address, a network by the share of bits that it fixes; of equals, the address decides.
    """
    peer = plain(address)
    best: tuple[tuple[float, float], Device] | None = None
    for device in devices:
        if device.code not in (None, stream) or (device.address is not None and peer not in device.address):
            continue
        fixed = device.address.prefixlen / device.address.max_prefixlen if device.address is not None else 0.0
        rank = (fixed + (device.code is not None), fixed)
        if best is None or rank > best[0]:
            best = (rank, device)
    return best[1] if best else None


def match(site: Site, address: str | IP, stream: int | None) -> Device | None:
    """`recognise` among the devices that dial in."""
    return recognise((device for device in site.devices if device.link.how == "dials_in"), address, stream)
