"""`syms simulate`: devices that do not exist, for a station that does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from algorithms.simulation import Kind
from commands import _alone
from commands._output import AsJson
from nodes._simsettings import NOT_OF_RECORDINGS
from nodes.simulator import Mode, Protocol, Settings, Simulator

PLACES = (("latitude", "lat"), ("longitude", "lon"))
"""As a site file calls it, and as a folder of scenarios does."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(simulate)


def simulate(
    to: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="The station, if the devices dial it.")] = None,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where the first device listens, if the station dials.")
    ] = None,
    mode: Annotated[
        Mode | None, typer.Option(help="How they find each other; dials with --to, listens with --listen.")
    ] = None,
    protocol: Annotated[
        Protocol, typer.Option(help="C37.118, substations of Q/GDW 131 (V2) or GB/T 26865.2 (V3), SMDs.")
    ] = Protocol.C37118,
    data_listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where the first substation listens for its data pipe (V3)."),
    ] = None,
    step: Annotated[str, typer.Option(help="What differs between devices: port or address.")] = "port",
    source: Annotated[str | None, typer.Option(metavar="IP", help="Local address to send from, with --to.")] = None,
    data_port: Annotated[int | None, typer.Option(help="The station's UDP port in mode tcp_udp.")] = None,
    devices: Annotated[int, typer.Option(help="How many.")] = 1,
    stations: Annotated[int, typer.Option(help="Stations in each device's stream.")] = 1,
    first: Annotated[int, typer.Option(help="IDCODE of the first device.")] = 1,
    identity: Annotated[
        str | None, typer.Option(metavar="SIM#####", help="IDCODE of substations; # are digits of their number.")
    ] = None,
    names: Annotated[str | None, typer.Option(help="Station names of substations: latin or gbk.")] = None,
    smd: Annotated[str | None, typer.Option(help="Kind of SMD: R, C or L.  [default: L]")] = None,
    channels: Annotated[int | None, typer.Option(help="Connections of an SMD: 1 or 4.  [default: 1]")] = None,
    table: Annotated[
        str | None, typer.Option(metavar="FILE", help="How frames of SMDs look, as protocol/smd/table.yaml.")
    ] = None,
    subsynchronous: Annotated[
        str | None, typer.Option(metavar="HZ", help='Of a component in inter-harmonics, as "7 Hz", from --at on.')
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help='Frames per second, or "every 5 s"; of SMDs by their kind.  [default: 50/s]')
    ] = None,
    nominal: Annotated[int, typer.Option(help="50 or 60 Hz.")] = 50,
    phasors: Annotated[int, typer.Option(help="Per station.")] = 6,
    analogs: Annotated[int, typer.Option(help="Per station.")] = 0,
    digitals: Annotated[int, typer.Option(help="16-bit words per station.")] = 1,
    form: Annotated[
        int, typer.Option("--format", help="Sum of 1 polar, 2 float phasors, 4 float analogs, 8 float frequency.")
    ] = 15,
    version: Annotated[int, typer.Option(help="1 = edition of 2005, 2 = 2011.")] = 2,
    time_base: Annotated[int, typer.Option(help="Counts of FRACSEC per second.")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same signals.")] = 1,
    scenario: Annotated[Kind, typer.Option(help="What happens.")] = Kind.NONE,
    at: Annotated[str, typer.Option(help="When, after the first frame.")] = "30 s",
    size: Annotated[float | None, typer.Option(help="How large; Hz, or per unit of voltage for a fault.")] = None,
    fault: Annotated[
        list[str] | None, typer.Option(help='As in a pipeline file: "{kind: gap, device: 3, every: 10 s}".')
    ] = None,
    recording: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of scenarios: devices send what was measured.")
    ] = None,
    window: Annotated[str | None, typer.Option(metavar="ID", help="Which window of the recording.")] = None,
    start: Annotated[str | None, typer.Option(help="When its first sample is, ISO 8601; else at once.")] = None,
    loops: Annotated[int | None, typer.Option(help="How often it is played; 0 = without end.  [default: 1]")] = None,
    site: Annotated[
        Path | None, typer.Option(metavar="OUT.yaml", help="Write a site file with the recording's devices.")
    ] = None,
    duration: Annotated[str | None, typer.Option(help='Stop after, as "60 s"; else at Ctrl-C.')] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate devices with a grid behind them, until --duration is over or Ctrl-C.

    With --listen alone the station dials them; substations dial for DATA, if there is --to, too. With --recording they
    send what others measured; --site without --to and --listen only writes their site file.
    """
    options: dict[str, Any] = {
        "to": to,
        "listen": listen,
        "mode": mode or (Mode.LISTENS if listen and (not to or protocol is not Protocol.C37118) else None),
        "protocol": protocol,
        "data_listen": data_listen,
        "step": step,
        "identity": identity,
        "names": names,
        "smd": smd,
        "channels": channels,
        "table": table,
        "subsynchronous": subsynchronous,
        "source": source,
        "data_port": data_port,
        "devices": devices,
        "stations": stations,
        "first": first,
        "rate": f"{rate}/s" if rate and rate.isdigit() else rate,
        "nominal": nominal,
        "phasors": phasors,
        "analogs": analogs,
        "digitals": digitals,
        "format": form,
        "version": version,
        "time_base": time_base,
        "seed": seed,
        "scenario": scenario,
        "at": at,
        "size": size,
        "faults": [_fault(text) for text in fault or []],
        "duration": duration,
        "recording": recording,
        "window": window,
        "start": start,
        "loops": loops,
    }
    if recording:
        options = {name: value for name, value in options.items() if name not in NOT_OF_RECORDINGS}
    if site:
        _write_site(site, recording, window or "", first)
        if not to and not listen:
            return
    settings = _alone.checked(Settings, options)
    _alone.run(Simulator(settings, _alone.ALONE), "simulator", as_json)


def _write_site(path: Path, recording: Path | None, window: str, first: int) -> None:
    """The devices of a recording as a site file has them. Faults go to stderr, exit code 2."""
    from archive.scenarios import Folder, ScenarioError

    if recording is None:
        raise typer.BadParameter("it is for the devices of a --recording", param_hint="--site")
    try:
        folder = Folder(recording)
        scenario = folder.scenario(window)
        if path.exists():
            raise ScenarioError(f"{path} is there already; name another file")
        known = folder.devices(scenario.system)
        devices = [
            {"name": name, "number": first + k, "stream": first + k, "region": scenario.system}
            | {key: known[name][short] for key, short in PLACES if known.get(name, {}).get(short) is not None}
            for k, name in enumerate(scenario.devices)
        ]
        told = {"station": f"recording {window}", "unknown": "refuse", "devices": devices}
        path.write_text(yaml.safe_dump(told, allow_unicode=True, sort_keys=False), encoding="utf-8")
    except (ScenarioError, OSError) as error:
        print(f"syms: {error}", file=sys.stderr)
        raise typer.Exit(2) from None


def _fault(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        print(f'syms: --fault: {text!r} can\'t be read; write "{{kind: gap, device: 3, every: 10 s}}"', file=sys.stderr)
        raise typer.Exit(2) from None
