"""Writing an export: what it says while it goes, and afterwards."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from archive import checksums
from archive.exports.exporting import Report, export
from archive.exports.formats import Meanwhile
from archive.exports.forms import Comtrade, Form
from archive.exports.plan import Plan
from archive.exports.wishes import Wish
from commands import _polite
from commands._output import console, notes, print_json
from nodes._settings import show_size

TELL_EVERY = 0.5
"""Seconds between two lines about the progress."""


def write(root: Path, wish: Wish, form: Form, out: Path, comtrade: Comtrade, limit: int | None, as_json: bool,
          lines: bool = False) -> None:  # fmt: skip
    """Write it at the lowest priority; with `lines` its progress is told as JSON. Raises ArchiveError, OSError."""
    _polite.give_way()
    _polite.leave_cleanly()
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notes, transient=True, disable=lines) as progress:
        task = progress.add_task("looking", total=None)

        def ready(found: Plan) -> Meanwhile:
            progress.update(task, description="writing", total=found.rows)
            pace, told = _polite.Limit(limit), _Lines(found.rows)

            def meanwhile(rows: int) -> None:
                progress.advance(task, rows)
                if lines:
                    told.advance(rows)
                pace.done(rows)

            return meanwhile

        report = export(root, wish, form, out, ready, comtrade)
    if as_json:
        print_json(asdict(report))
    else:
        _tell(report, out, checksums.told(checksums.removed(root, wish.start, wish.end)))


class _Lines:
    """Progress for programs: `{"rows": 1000, "of": 30000}` on standard error."""

    def __init__(self, of: int) -> None:
        self._of, self._rows, self._next = of, 0, 0.0

    def advance(self, rows: int) -> None:
        """So many more were written."""
        self._rows += rows
        if (now := time.monotonic()) >= self._next or self._rows >= self._of:
            self._next = now + TELL_EVERY
            print(json.dumps({"rows": self._rows, "of": self._of}), file=sys.stderr, flush=True)


def _tell(report: Report, out: Path, gone: str) -> None:
    files = f"{len(report.files)} files" if len(report.files) > 1 else "1 file"
    rows = f"{report.rows} rows of {report.stations} " + ("stations" if report.stations > 1 else "station")
    console.print(escape(f"{out}: {rows}, {files}, {show_size(report.bytes)}"), highlight=False, soft_wrap=True)
    remarks = [gone] if gone else []
    remarks += [f"no rows in that time: {', '.join(report.silent)}"] if report.silent else []
    if report.aside:
        remarks.append(f"{report.aside} rows were set aside and are not in it; without --out they are printed, too")
    for text in remarks:
        notes.print(text, style="yellow", highlight=False, markup=False, soft_wrap=True)
