"""What `syms export` can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archive.exports.forms import Comtrade, Form

Start = Annotated[str | None, typer.Option("--from", help="First instant, as 2026-05-06T07:00:00Z.")]
End = Annotated[str | None, typer.Option("--to", help="Instant after the last.")]
Device = Annotated[
    list[str] | None,
    typer.Option(
        "--device",
        "--devices",
        help="Station: NAME (all that have it), LINK/NAME or number; may be given several times.",
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", help="File or folder to write; it appears as a whole or not at all.")
]
FormOption = Annotated[
    Form | None, typer.Option("--format", help="Of --out; else what its name ends with. Without --out: csv.")
]
Quantity = Annotated[
    list[str] | None,
    typer.Option(
        "--quantity",
        "--quantities",
        help="frequency, rocof, magnitude, angle, analog, digital, status, quality; of one channel magnitude:VA.",
    ),
]
Event = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Time and stations of an event: its id, onset or file, or how these begin."),
]
ComtradeOption = Annotated[
    Comtrade, typer.Option(help="Data of COMTRADE files; cff: one file with everything, as text.")
]
RateLimit = Annotated[int | None, typer.Option(min=1, help="Rows a second at most.")]
Progress = Annotated[bool, typer.Option("--progress", help="Say how far --out is, as lines of JSON on standard error.")]
Verdicts = Annotated[
    bool, typer.Option("--verdicts", help="What became of the windows that end in that time, instead of rows.")
]
Statistics = Annotated[
    bool, typer.Option("--statistics", help="How devices were in each minute that begins in that time.")
]
Events = Annotated[bool, typer.Option("--events", help="Every answer of event triggers with an onset in that time.")]
Repaired = Annotated[
    Path | None,
    typer.Option(
        "--repaired",
        metavar="FILE",
        help="Write frequencies and voltages to this HDF5 file instead, as measured, and beside them without bad data.",
    ),
]
