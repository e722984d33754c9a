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
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from nodes import _grid, _limitsettings, _yaml
from nodes._faults import Faulty, Lines, explain
from nodes._limitsettings import Limit
from nodes._settings import FilePath, Settings, fault
from nodes._sitedevice import Device
from nodes._siteforms import (
    IP,
    Energy,
    NetworkText,
    PowerPerHertz,
    plain,
)
from protocol import smd


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
        _explain(error, listed, lines)
    except smd.LayoutError as error:
        lines.fault(("smd_table",), f"site: {str(error).splitlines()[0]}", "correct that file, or leave smd_table out")
    else:
        return site
    return None


def _explain(error: ValidationError, devices: list[Any], lines: Lines) -> None:
    """Note what is wrong, with a device under its name."""
    for detail in error.errors(include_url=False):
        whole, whose = detail["loc"], "site"
        model: type[Settings] = Site
        if whole[:1] == ("devices",) and isinstance(named := _name(devices, whole[1:2]), str):
            detail["loc"], model, whose = whole[2:], Device, named
        lines.fault(whole, *explain(detail, model, whose))


def _name(devices: list[Any], position: tuple[int | str, ...]) -> Any:
    """What a device is called, if anything."""
    return next((devices[k].get("name") for k in position if isinstance(k, int) and isinstance(devices[k], dict)), None)


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
