"""`syms devices`: the devices of a site file: list, probe, add, import, remove them."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.markup import escape

from commands import _devicelist, _probetext, _sheet
from commands._asking import TONGUES, Asked
from commands._findings import report
from commands._output import AsJson, HostName, console, notes, print_json
from commands._prober import Way, ask
from commands._sheet import Row
from commands._sitefile import Draft, SiteFile
from nodes._faults import Faulty, suggestion
from nodes._settings import parse_address
from protocol.clock import SECOND


class Protocol(StrEnum):
    """That a device may speak."""

    C37118 = "c37118"
    GBT26865 = "gbt26865"
    QGDW131 = "qgdw131"


SITE = Path("config/site.yaml")
SiteOption = Annotated[Path, typer.Option("--site", metavar="FILE", help="The site file.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change; write nothing.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="As the site file calls it.")]
OPTIONS = "syms devices add"
"""In the place of a table's name."""


def register(app: typer.Typer) -> None:
    """Add the verb and its own verbs."""
    devices = typer.Typer(no_args_is_help=True, help="Devices of a site file: list, probe, add, import, remove them.")
    devices.command("list")(show)
    devices.command("probe")(probe)
    devices.command("add")(add)
    devices.command("import")(import_)
    devices.command("remove")(remove)
    app.add_typer(devices, name="devices")


def show(
    file: Annotated[Path, typer.Argument(metavar="PIPELINE|SITE", help="Pipeline file, or site file.")] = Path(
        "pipelines/station.yaml"
    ),
    host: HostName = "",
    as_json: AsJson = False,
) -> None:
    """List devices with the way they are reached; those of a running pipeline with their counters, too."""
    listed = _devicelist.listed(file, host)
    if as_json:
        print_json({"up": listed.up, "site": listed.site.version, "devices": listed.rows()})
    else:
        console.print(_devicelist.table(listed))


def probe(
    place: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Where the device listens.")],
    udp: Annotated[bool, typer.Option("--udp", help="Commands and data over UDP.")] = False,
    data: Annotated[
        int | None, typer.Option(metavar="PORT", help="Dial its connection for DATA too (GB/T 26865.2).")
    ] = None,
    stream: Annotated[int | None, typer.Option(help="Its IDCODE: many devices answer no other (C37.118).")] = None,
    identity: Annotated[
        str | None, typer.Option(help="Its IDCODE, 8 characters or 16 hex digits (GB/T 26865.2, Q/GDW 131).")
    ] = None,
    protocol: Annotated[Protocol | None, typer.Option(help="Try only this one; else one after the other.")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="Listen to its DATA for so long.")] = 5.0,
    site: SiteOption = SITE,
    as_json: AsJson = False,
) -> None:
    """Dial a device and say what answers: protocol, stations, channels, rate, clock, faults; and its site file entry.

    Exit 1 if nothing answers with a configuration.
    """
    way = Way(_place(place), udp, data)
    asked = Asked(stream=stream, identity=_identity(identity), listen=round(seconds * SECOND))
    tongues = (
        [TONGUES[protocol]] if protocol else [each for each in TONGUES.values() if each.crc == "c37118" or not udp]
    )
    with notes.status(f"asking {place}"):
        found = ask(way, tongues, asked)
    told = report(found)
    if told["answers"]:
        told["entry"] = _probetext.entry(told, way, _next_number(site))
    if as_json:
        print_json(told)
    else:
        console.print(_probetext.picture(told), soft_wrap=True)
    raise typer.Exit(0 if told["answers"] else 1)


def _place(text: str) -> Any:
    try:
        return parse_address(text)
    except ValueError as fault:
        _refuse("HOST:PORT", str(fault))


def _identity(text: str | None) -> bytes | None:
    """8 characters or 16 hex digits."""
    if text is None:
        return None
    if len(text) == 8 and text.isascii():
        return text.encode()
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != 8:
        _refuse("--identity", f"{text!r} is no IDCODE; write 8 characters or 16 hex digits")
    return found


def _refuse(what: str, why: str) -> NoReturn:
    raise typer.BadParameter(why, param_hint=what)


def _next_number(path: Path) -> int | None:
    """For the entry of a probed device: where there is no sound site file, it is the first."""
    try:
        return SiteFile(path).free_number()
    except Faulty:
        return 1


def add(
    name: Name,
    number: Annotated[int | None, typer.Option(help="Its number; else the next one.")] = None,
    stream: Annotated[int | None, typer.Option(help="IDCODE of its frames.")] = None,
    address: Annotated[str | None, typer.Option(help="IP address or network that it dials in from.")] = None,
    tcp: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="We dial it there.")] = None,
    udp: Annotated[str | None, typer.Option(metavar="[HOST:]PORT", help="UDP: see docs/connect-a-device.md.")] = None,
    spontaneous: Annotated[str | None, typer.Option(metavar="PORT", help="It sends unasked to our port.")] = None,
    protocol: Annotated[str | None, typer.Option(help="What it speaks.")] = None,
    region: Annotated[str | None, typer.Option(help="Region of the grid.")] = None,
    latitude: Annotated[float | None, typer.Option(help="Degrees north.")] = None,
    longitude: Annotated[float | None, typer.Option(help="Degrees east.")] = None,
    others: Annotated[
        list[str] | None, typer.Option("--set", metavar="SETTING=VALUE", help="Any other setting of the site file.")
    ] = None,
    site: SiteOption = SITE,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Add a device to the site file. A station that runs takes it up within seconds."""
    given: dict[str, Any] = {
        "name": name, "number": number, "stream": stream, "address": address, "tcp": tcp, "udp": udp,
        "spontaneous": spontaneous, "protocol": protocol, "region": region, "latitude": latitude,
        "longitude": longitude,
    }  # fmt: skip
    for each in others or []:
        key, equals, value = each.partition("=")
        if not equals or key not in _sheet.COLUMNS:
            what = f"{each!r}: {suggestion(key, _sheet.COLUMNS)}" if equals else f"{each!r} is not SETTING=VALUE"
            _refuse("--set", what)
        given[key] = value
    told = {key: value for key, value in given.items() if value is not None}
    try:
        _add(_sheet.rows(OPTIONS, [list(told), list(told.values())]), OPTIONS, site, dry_run, as_json)
    except Faulty as faulty:
        told_faults = [str(each).replace(f"{OPTIONS}:2: ", "") for each in faulty.faults]
        print("\n".join(told_faults), file=sys.stderr)
        raise typer.Exit(2) from None


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV (UTF-8) or Excel (.xlsx), one device a row.")],
    site: SiteOption = SITE,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Add the devices of a table to the site file. Nothing is written unless all of them are right (else exit 2).

    The heading names the settings, as in the site file; see docs/connect-a-device.md.
    """
    _add(_sheet.read(file), str(file), site, dry_run, as_json)


def _add(rows: list[Row], source: str, path: Path, dry_run: bool, as_json: bool) -> None:
    site = SiteFile(path)
    rows = _sheet.numbered(rows, site)
    draft = site.with_entries([row.entry for row in rows])
    draft.check(lambda position: (source, rows[position].line))
    told = {"added": [row.entry for row in rows]}
    _conclude(draft, told, f"{len(rows)} devices added to {path}", dry_run, as_json)


def remove(name: Name, site: SiteOption = SITE, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Take a device out of the site file. A station that runs ends its connection; its archive stays as it is."""
    file = SiteFile(site)
    try:
        draft = file.without(name)
    except KeyError:
        names = [device.name for device in file.site.devices]
        _refuse("NAME", f"{site} has no device {name!r}; {suggestion(name, names)}")
    draft.check()
    _conclude(draft, {"removed": name}, f"{name} removed from {site}", dry_run, as_json)


def _conclude(draft: Draft, told: dict[str, Any], what: str, dry_run: bool, as_json: bool) -> None:
    """Show what changes, and write it."""
    if not dry_run:
        draft.write()
    if as_json:
        print_json(told | {"site": str(draft.path), "written": not dry_run, "diff": draft.diff})
        return
    console.print(escape(draft.diff.rstrip("\n")), soft_wrap=True, highlight=False)
    console.print(escape("nothing is written (--dry-run)" if dry_run else what), soft_wrap=True, highlight=False)
