"""`syms simulate`: devices that do not exist, for a station that does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer
import yaml

from algorithms.simulation import Kind
from commands import _alone
from commands import _simoptions as options
from commands._output import AsJson
from nodes._simsettings import NOT_OF_RECORDINGS
from nodes.simulator import Mode, Protocol, Settings, Simulator

PLACES = (("latitude", "lat"), ("longitude", "lon"))
"""As a site file calls it, and as a folder of scenarios does."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(simulate)


def simulate(
    to: options.To = None,
    listen: options.Listen = None,
    mode: options.ModeOption = None,
    protocol: options.ProtocolOption = Protocol.C37118,
    data_listen: options.DataListen = None,
    step: options.Step = "port",
    source: options.Source = None,
    data_port: options.DataPort = None,
    devices: options.Devices = 1,
    stations: options.Stations = 1,
    first: options.First = 1,
    identity: options.Identity = None,
    names: options.Names = None,
    smd: options.Smd = None,
    channels: options.Channels = None,
    table: options.Table = None,
    subsynchronous: options.Subsynchronous = None,
    rate: options.Rate = None,
    nominal: options.Nominal = 50,
    phasors: options.Phasors = 6,
    analogs: options.Analogs = 0,
    digitals: options.Digitals = 1,
    form: options.Form = 15,
    version: options.Version = 2,
    time_base: options.TimeBase = 1_000_000,
    seed: options.Seed = 1,
    scenario: options.Scenario = Kind.NONE,
    at: options.At = "30 s",
    size: options.Size = None,
    fault: options.Fault = None,
    recording: options.Recording = None,
    window: options.Window = None,
    start: options.Start = None,
    loops: options.Loops = None,
    site: options.Site = None,
    duration: options.Duration = None,
    as_json: AsJson = False,
) -> None:
    """Simulate devices with a grid behind them, until --duration is over or Ctrl-C.

    With --listen alone the station dials them; substations dial for DATA, if there is --to, too. With --recording they
    send what others measured; --site without --to and --listen only writes their site file.
    """
    told = _settings(dict(locals()))
    if site:
        _write_site(site, recording, window or "", first)
        if not to and not listen:
            return
    settings = _alone.checked(Settings, told)
    _alone.run(Simulator(settings, _alone.ALONE), "simulator", as_json)


def _settings(told: dict[str, Any]) -> dict[str, Any]:
    """Of the options, by their names, what the settings of a simulator are."""
    to, listen, mode, rate = (told[name] for name in ("to", "listen", "mode", "rate"))
    listens = listen and (not to or told["protocol"] is not Protocol.C37118)
    told |= {
        "mode": mode or (Mode.LISTENS if listens else None),
        "rate": f"{rate}/s" if rate and rate.isdigit() else rate,
        "format": told["form"],
        "faults": [_fault(text) for text in told["fault"] or []],
    }
    left_out = ("form", "fault", "site", "as_json", *(NOT_OF_RECORDINGS if told["recording"] else ()))
    return {name: value for name, value in told.items() if name not in left_out}


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
