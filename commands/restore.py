"""`syms restore`: a station's files from a backup."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from commands._archive import refusals
from commands._output import AsJson, bar, console, print_json


class Only(StrEnum):
    """What may be restored alone."""

    ARCHIVE = "archive"
    EVENTS = "events"
    CONFIG = "config"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(restore)


def restore(
    source: Annotated[str, typer.Argument(metavar="BACKUP", help="What syms backup was given as TARGET.")],
    to: Annotated[Path, typer.Option("--to", help="Folder to restore to.")],
    at: Annotated[str, typer.Option(help="Name of the snapshot, or its beginning; else the newest.")] = "",
    only: Annotated[Only | None, typer.Option(help="Only this.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Also into a folder that is not empty.")] = False,
    as_json: AsJson = False,
) -> None:
    """Restore a snapshot, and verify what was written. `syms up` of its pipeline file then goes on from there."""
    from archive.backup import snapshots
    from archive.backup.addresses import is_remote
    from archive.backup.copying import Spoiled
    from archive.backup.remote import fetched
    from archive.backup.restoring import restore as copy
    from archive.folder import ArchiveError

    with refusals():
        try:
            with bar("restoring") as told:
                if is_remote(source):
                    with fetched(source, at, to.absolute(), only or "") as snapshot:
                        done = copy(snapshot, to.absolute(), only or "", yes, told, move=True)
                else:
                    done = copy(snapshots.chosen(Path(source), at), to.absolute(), only or "", yes, told)
        except Spoiled as fault:
            raise ArchiveError(str(fault)) from fault
    if as_json:
        print_json(asdict(done))
        return
    console.print(f"snapshot {done.snapshot}: {done.files} files, {done.bytes / 1e9:.2f} GB in {to}, as they were "
                  "written", highlight=False, soft_wrap=True)  # fmt: skip
    for name in done.changed:
        console.print(f"paths changed in {name}", highlight=False, soft_wrap=True)
    if done.pipeline:
        console.print(f"syms up {done.pipeline}", highlight=False, soft_wrap=True)
