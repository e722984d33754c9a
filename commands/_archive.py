"""What the verbs that read an archive share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from archive.folder import ArchiveError, NoArchive
from archive.watermark import WatermarkError

ArchiveFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the archive, as data/station.")]


@contextmanager
def refusals() -> Iterator[None]:
    """What is wrong with an archive goes to stderr with its remedy, exit code 1; 2 if the folder has none.
    A closed pipe ends quietly.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough (head, less): the interpreter must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ArchiveError, WatermarkError, OSError) as fault:
        print(f"syms: {fault}", file=sys.stderr)
        raise typer.Exit(2 if isinstance(fault, NoArchive) else 1) from None
