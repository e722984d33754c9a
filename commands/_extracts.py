"""What `syms export` prints of an archive, and the file of its repaired rows."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from archive import answers, longrows, statistics
from archive.layout import VERDICT_FIELDS
from archive.reading import Extract


def print_rows(found: Extract, device: list[str] | None) -> None:
    """One line per quantity of a row. Raises ArchiveError."""
    found.check_devices(device or [])
    aside = found.has_aside(device)
    longrows.write_header(sys.stdout, aside)
    longrows.write_rows(sys.stdout, found.rows(device), aside)


def print_table(found: Extract, device: list[str] | None, option: str) -> None:
    """What `--verdicts`, `--statistics` or `--events` asks for. Raises ArchiveError."""
    if option == "--verdicts":
        _print(VERDICT_FIELDS, found.each_verdicts(device))
    elif option == "--statistics":
        _print(statistics.FIELDS, found.each_statistics(device))
    else:
        _print(answers.FIELDS, found.each_answers())


def _print(fields: Iterable[str], found: Iterable[dict[str, Any]]) -> None:
    """Columns as CSV."""
    names = list(fields)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(names)
    for rows in found:
        out.writerows(zip(*(rows[name].tolist() for name in names), strict=True))


def write_repaired(found: Extract, device: list[str] | None, path: Path) -> None:
    """A new file, never one that is there: an archive's files are not to be written over. Raises ArchiveError."""
    data = found.repaired(device).to_xarray()
    with path.open("xb"):
        data.to_netcdf(path, mode="w", engine="h5netcdf")
