"""`syms decode`: what a capture says, as CSV rows of measurements or as every frame in JSON lines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from archive import longrows
from commands import _frames
from commands._output import notes
from protocol.c37118 import configurations
from protocol.c37118.configuration import ConfigurationFrame
from protocol.c37118.offline import Part, Study, examine
from protocol.capture import Capture, CaptureError, read
from protocol.capture.recognise import recognise
from protocol.messages import Configuration


class Format(StrEnum):
    """What is printed."""

    CSV = "csv"
    JSON = "json"


CaptureFile = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="pcap, pcapng, raw stream or hex text.")
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(decode)


def decode(
    file: CaptureFile,
    form: Annotated[
        Format, typer.Option("--format", help="csv: rows of measurements; json: every frame, then a summary.")
    ] = Format.CSV,
) -> None:
    """Print the measurements in a capture of IEEE C37.118 (2005, 2011). Exit 1 if there are none of it."""
    capture, study = open_capture(file)
    try:
        if form is Format.CSV:
            longrows.write_header(sys.stdout)
            longrows.write_rows(sys.stdout, rows(study))
        else:
            for line in _frames.lines(study):
                print(json.dumps(line, ensure_ascii=False))
            print(json.dumps({"summary": _frames.summary(file, capture, study)}, ensure_ascii=False))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough (head, less): the interpreter must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    remark(capture, study)


def open_capture(file: Path) -> tuple[Capture, Study]:
    """The senders in a capture file. Says what was seen instead and leaves with exit code 1 if there are none."""
    try:
        capture = read(file)
        study = examine(capture)
    except (CaptureError, OSError) as fault:
        refuse(f"{file}: {fault}")
    if not study.senders:
        for note in capture.notes.texts:
            notes.print(note, style="yellow", highlight=False, markup=False, soft_wrap=True)
        refuse(f"{file}: no frame of IEEE C37.118 in it; it looks like {recognise(capture)}")
    return capture, study


def refuse(why: str) -> NoReturn:
    """Say why on stderr and leave with exit code 1."""
    print(f"syms: {why}", file=sys.stderr)
    raise typer.Exit(1)


def rows(study: Study) -> Iterator[longrows.Rows]:
    """DATA of a capture as long rows: in the order of the capture block by block, of each sender in its own."""
    described: dict[int, list[Configuration]] = {}
    for part in study.decode():
        stations = described.get(id(part.configuration))
        if stations is None:
            stations = described[id(part.configuration)] = describe(part.configuration)
        yield from _rows(part, stations)


def describe(configuration: ConfigurationFrame) -> list[Configuration]:
    """The stations of a configuration that belongs to no link."""
    return configurations(configuration, 0, "", 0)


def _rows(part: Part, stations: list[Configuration]) -> Iterator[longrows.Rows]:
    for station, told in zip(stations, part.batch.stations, strict=True):
        yield longrows.Rows(station, part.batch.time, told.status, told.values, told.digital)


def remark(capture: Capture, study: Study) -> None:
    """On stderr: what of the capture is not in the output, and why."""
    totals = _frames.totals(study)
    remarks = list(capture.notes.texts)
    if capture.notes.more:
        remarks.append(f"… and {capture.notes.more} more")
    if totals["without_configuration"]:
        remarks.append(
            f"{totals['without_configuration']} DATA frames have no configuration in the capture that fits them"
        )
    if not totals["data_frames"]:
        remarks.append("no DATA frames: --format json shows what there is")
    if totals["corrupt_frames"] or totals["skipped_bytes"]:
        remarks.append(f"{totals['corrupt_frames']} corrupt frames, {totals['skipped_bytes']} bytes of no frame")
    if totals["faulty_frames"]:
        remarks.append(f"{totals['faulty_frames']} frames are wrong inside: --format json says how")
    for text in remarks:
        notes.print(text, style="yellow", highlight=False, markup=False, soft_wrap=True)
