"""What `syms simulate` can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from algorithms.simulation import Kind
from nodes.simulator import Mode, Protocol

To = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="The station, if the devices dial it.")]
Listen = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Where the first device listens, if the station dials.")
]
ModeOption = Annotated[
    Mode | None, typer.Option(help="How they find each other; dials with --to, listens with --listen.")
]
ProtocolOption = Annotated[
    Protocol, typer.Option(help="C37.118, substations of Q/GDW 131 (V2) or GB/T 26865.2 (V3), SMDs.")
]
DataListen = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Where the first substation listens for its data pipe (V3)."),
]
Step = Annotated[str, typer.Option(help="What differs between devices: port or address.")]
Source = Annotated[str | None, typer.Option(metavar="IP", help="Local address to send from, with --to.")]
DataPort = Annotated[int | None, typer.Option(help="The station's UDP port in mode tcp_udp.")]
Devices = Annotated[int, typer.Option(help="How many.")]
Stations = Annotated[int, typer.Option(help="Stations in each device's stream.")]
First = Annotated[int, typer.Option(help="IDCODE of the first device.")]
Identity = Annotated[
    str | None, typer.Option(metavar="SIM#####", help="IDCODE of substations; # are digits of their number.")
]
Names = Annotated[str | None, typer.Option(help="Station names of substations: latin or gbk.")]
Smd = Annotated[str | None, typer.Option(help="Kind of SMD: R, C or L.  [default: L]")]
Channels = Annotated[int | None, typer.Option(help="Connections of an SMD: 1 or 4.  [default: 1]")]
Table = Annotated[str | None, typer.Option(metavar="FILE", help="How frames of SMDs look, as protocol/smd/table.yaml.")]
Subsynchronous = Annotated[
    str | None, typer.Option(metavar="HZ", help='Of a component in inter-harmonics, as "7 Hz", from --at on.')
]
Rate = Annotated[
    str | None, typer.Option(help='Frames per second, or "every 5 s"; of SMDs by their kind.  [default: 50/s]')
]
Nominal = Annotated[int, typer.Option(help="50 or 60 Hz.")]
Phasors = Annotated[int, typer.Option(help="Per station.")]
Analogs = Annotated[int, typer.Option(help="Per station.")]
Digitals = Annotated[int, typer.Option(help="16-bit words per station.")]
Form = Annotated[
    int, typer.Option("--format", help="Sum of 1 polar, 2 float phasors, 4 float analogs, 8 float frequency.")
]
Version = Annotated[int, typer.Option(help="1 = edition of 2005, 2 = 2011.")]
TimeBase = Annotated[int, typer.Option(help="Counts of FRACSEC per second.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same signals.")]
Scenario = Annotated[Kind, typer.Option(help="What happens.")]
At = Annotated[str, typer.Option(help="When, after the first frame.")]
Size = Annotated[float | None, typer.Option(help="How large; Hz, or per unit of voltage for a fault.")]
Fault = Annotated[list[str] | None, typer.Option(help='As in a pipeline file: "{kind: gap, device: 3, every: 10 s}".')]
Recording = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder of scenarios: devices send what was measured.")
]
Window = Annotated[str | None, typer.Option(metavar="ID", help="Which window of the recording.")]
Start = Annotated[str | None, typer.Option(help="When its first sample is, ISO 8601; else at once.")]
Loops = Annotated[int | None, typer.Option(help="How often it is played; 0 = without end.  [default: 1]")]
Site = Annotated[Path | None, typer.Option(metavar="OUT.yaml", help="Write a site file with the recording's devices.")]
Duration = Annotated[str | None, typer.Option(help='Stop after, as "60 s"; else at Ctrl-C.')]
