"""An export from beginning to end."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from archive import folder
from archive.exports.formats import Meanwhile, Writer
from archive.exports.forms import Comtrade, Form, form_of
from archive.exports.plan import Plan, plan
from archive.exports.span import Span
from archive.exports.target import Target
from archive.exports.wishes import Wish
from archive.folder import ArchiveError
from archive.nearest import known

ONE_FILE = {Form.HDF5, Form.XLSX, Form.MAT}
WRITERS = {Form.CSV: ("csvfiles", "Csv"), Form.HDF5: ("hdf5", "Hdf5"), Form.XLSX: ("excel", "Excel"),
           Form.MAT: ("mat", "Mat"), Form.PARQUET: ("parquet", "Parquet")}  # fmt: skip
"""Module and class; imported when used, so that nobody waits for what others need."""


@dataclass(frozen=True)
class Report:
    """What came of it."""

    files: list[str]
    rows: int
    stations: int
    bytes: int
    aside: int
    """Rows that were set aside, and are not in it."""
    silent: list[str]
    """Stations asked for that have no rows in that time."""


def export(root: Path, wish: Wish, form: Form, out: Path, ready: Callable[[Plan], Meanwhile],
           comtrade: Comtrade = Comtrade.ASCII) -> Report:  # fmt: skip
    """Write what is wanted of an archive to a file, or of several tables or stations to a folder.

    `ready` is told what will be written, before it is, and gives what is told of its progress. What is broken off
    leaves nothing under the name `out`. Raises ArchiveError, OSError.
    """
    folder.check(root)
    span = Span(root, wish.start, wish.end, wish.clips)
    try:
        found = plan(root, wish, span)
        target = Target(out, _is_folder(form, out, found))
        with target:
            writer(form, found, target, comtrade).run(ready(found))
    finally:
        span.close()
    files = target.files()
    size = sum(path.stat().st_size for path in files)
    return Report([str(path) for path in files], found.rows, found.stations, size,
                  found.aside, found.silent)  # fmt: skip


def writer(form: Form, found: Plan, target: Target, comtrade: Comtrade = Comtrade.ASCII) -> Writer:
    """What writes a format. Raises ArchiveError if it can't hold what was found."""
    if form is Form.COMTRADE:
        from archive.exports.cfg import Kind
        from archive.exports.comtrade import Comtrade as Files

        combined = comtrade is Comtrade.CFF
        return Files(found, target, Kind.ASCII if combined else Kind(comtrade.value.upper()), combined)
    module, name = WRITERS[form]
    made: Writer = getattr(importlib.import_module(f"archive.exports.{module}"), name)(found, target)
    return made


def _is_folder(form: Form, out: Path, found: Plan) -> bool:
    """Whether it becomes a folder. Raises ArchiveError if the name is one of a file and several are needed."""
    if form in ONE_FILE:
        return False
    if form_of(out) is not form:
        return True
    names = [track.label for track in found.tracks] if form is Form.PARQUET else [
        sheet.table.name for sheet in found.sheets]  # fmt: skip
    if len(names) > 1:
        what = "stations" if form is Form.PARQUET else "tables"
        raise ArchiveError(f"{out}: {len(names)} {what}, a file each ({known(None, names)}); name a folder, as "
                           f"{out.stem}, or choose one of them")  # fmt: skip
    return False
