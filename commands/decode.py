"""`syms decode`: what a capture says, as CSV rows of measurements or as every frame in JSON lines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from archive import longrows
from commands import _frames
from commands._output import notes
from commands._repeats import Repeats
from protocol.c37118.dialect import C37118, Dialect
from protocol.c37118.offline import Study, examine
from protocol.capture import Capture, CaptureError, read
from protocol.capture.recognise import recognise
from protocol.gbt26865.dialect import DIALECTS, either


class Protocol(StrEnum):
    """Of the frames."""

    C37118 = "c37118"
    GBT26865 = "gbt26865"
    SMD = "smd"


class Smd(StrEnum):
    """Kinds of them."""

    R = "R"
    C = "C"
    L = "L"


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
    protocol: Annotated[
        Protocol | None,
        typer.Option(
            help="Only this protocol; else each flow is of c37118 or gbt26865, whichever most of its check words fit."
        ),
    ] = None,
    smd: Annotated[
        Smd | None, typer.Option(help="Kind of the SMDs (--protocol smd); else the size of their spectra tells it.")
    ] = None,
    smd_table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="How frames of SMDs look, as `smd_table` of the site."
        ),
    ] = None,
) -> None:
    """Print the measurements in a capture of IEEE C37.118 (2005, 2011), GB/T 26865.2-2011 or Q/GDW 131-2006.

    --protocol smd reads the harmonics and inter-harmonics of SMDs, too.

    Exit 1 if there are no frames of these in it.

    csv prints what an archive would hold: a row that a device sends twice stands there once. json prints every
    frame, and marks repeated rows.
    """
    capture, study = open_capture(file, _dialects(protocol, smd, smd_table))
    repeats = Repeats()
    try:
        if form is Format.CSV:
            longrows.write_header(sys.stdout)
            longrows.write_rows(sys.stdout, rows(study, repeats))
        else:
            for line in _frames.lines(study, repeats):
                print(json.dumps(line, ensure_ascii=False))
            summary = _frames.summary(file, capture, study) | {"repeated_rows": repeats.count}
            print(json.dumps({"summary": summary}, ensure_ascii=False))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough (head, less): the interpreter must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    remark(capture, study, repeats.count)


def _dialects(protocol: Protocol | None, smd: Smd | None, table: Path | None) -> list[Dialect]:
    """Those that flows may be of. Leaves with exit code 1 if the table has faults."""
    if protocol is Protocol.SMD:
        from protocol.smd import Kind, LayoutError, load
        from protocol.smd.dialect import dialect_of

        try:
            return [dialect_of(load(table), Kind[smd] if smd else None)]
        except LayoutError as fault:
            refuse(str(fault))
    if smd or table:
        raise typer.BadParameter("only SMDs have a kind and a table: add --protocol smd, or leave it out",
                                 param_hint="--smd" if smd else "--smd-table")  # fmt: skip
    return [DIALECTS[protocol]] if protocol else list(DIALECTS.values())


def open_capture(file: Path, dialects: Sequence[Dialect] = (C37118,)) -> tuple[Capture, Study]:
    """The senders in a capture file. Says what was seen instead and leaves with exit code 1 if there are none."""
    try:
        capture = read(file)
        study = examine(capture, either if len(dialects) > 1 else lambda _: dialects)
    except (CaptureError, OSError) as fault:
        refuse(f"{file}: {fault}")
    if not study.senders:
        for note in capture.notes.texts:
            notes.print(note, style="yellow", highlight=False, markup=False, soft_wrap=True)
        wanted = " or ".join(dialect.title for dialect in dialects)
        refuse(f"{file}: no frame of {wanted} in it; it looks like {recognise(capture)}")
    return capture, study


def refuse(why: str) -> NoReturn:
    """Say why on stderr and leave with exit code 1."""
    print(f"syms: {why}", file=sys.stderr)
    raise typer.Exit(1)


def rows(study: Study, repeats: Repeats) -> Iterator[longrows.Rows]:
    """DATA of a capture as long rows: in the order of the capture block by block, of each sender in its own.

    What a device says twice (datagrams doubled on the way, a frame injected again) is one row, as in the archive.
    """
    for part in study.decode():
        fresh = repeats.fresh(part)
        for station, told, new in zip(repeats.described(part), part.batch.stations, fresh, strict=True):
            values, digital = told.values[new], told.digital[new]
            yield longrows.Rows(station, part.batch.time[new], told.status[new], values, digital)


def remark(capture: Capture, study: Study, repeated: int) -> None:
    """On stderr: what of the capture is not in the output, and why."""
    totals = _frames.totals(study)
    remarks = list(capture.notes.texts)
    if capture.notes.more:
        remarks.append(f"… and {capture.notes.more} more")
    if totals["without_configuration"]:
        remarks.append(
            f"{totals['without_configuration']} DATA frames have no configuration in the capture that fits them"
        )
    if repeated:
        remarks.append(f"{repeated} rows repeat one of the same device: csv prints (an archive keeps) it once")
    if not totals["data_frames"]:
        remarks.append("no DATA frames: --format json shows what there is")
    if totals["corrupt_frames"] or totals["skipped_bytes"]:
        remarks.append(f"{totals['corrupt_frames']} corrupt frames, {totals['skipped_bytes']} bytes of no frame")
    if totals["faulty_frames"]:
        remarks.append(f"{totals['faulty_frames']} frames are wrong inside: --format json says how")
    for text in remarks:
        notes.print(text, style="yellow", highlight=False, markup=False, soft_wrap=True)
