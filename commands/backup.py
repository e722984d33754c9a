"""`syms backup`: a snapshot of archive, events, settings and journals, while the station runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from commands import _polite
from commands._archive import refusals
from commands._belongings import belongings
from commands._output import AsJson, HostName, bar, console, print_json
from nodes._pipeline import load

PAUSE = 0.05
"""Seconds between two looks at an archive that is being written."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(backup)


def backup(
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="A folder, or by rsync user@host:FOLDER or rsync://host/MODULE/FOLDER."),
    ],
    pipeline: Annotated[Path, typer.Option("--pipeline", help="Pipeline file of the station.")],
    keep: Annotated[int, typer.Option(min=1, help="Newest snapshots to keep.")] = 30,
    monthly: Annotated[int, typer.Option(min=0, help="Months of which the first snapshot is kept besides.")] = 12,
    with_keys: Annotated[bool, typer.Option("--with-keys", help="Also keys and certificates.")] = False,
    rate: Annotated[float, typer.Option(min=0, help="MB a second at most; 0 = no limit.")] = 0,
    host: HostName = "",
    as_json: AsJson = False,
) -> None:
    """Back a station up: what is as in the last snapshot is not copied again, and what is copied is read back."""
    from archive.backup.addresses import is_remote
    from archive.backup.copying import Spoiled
    from archive.backup.local import backup as local
    from archive.backup.remote import backup as remote
    from archive.folder import ArchiveError

    _polite.give_way()
    _polite.leave_cleanly()
    found = load(pipeline, here=host, standing=True)
    items = belongings(found, with_keys)
    with refusals():
        try:
            with bar("copying") as shown:
                told = _limited(shown, rate)
                if is_remote(target):
                    stage = found.journal.parent / f".{found.path.stem}.backup"
                    done = remote(items, found.path, target, stage, time.time_ns(), keep, monthly, rate, _pause, told)
                else:
                    done = local(
                        items, found.path, Path(target).absolute(), time.time_ns(), keep, monthly, _pause, told
                    )
        except Spoiled as fault:
            raise ArchiveError(str(fault)) from fault
    alarms = [f"{path}: not what its checksum says, it was not copied; restore it from an earlier snapshot"
              for path in done.damaged]  # fmt: skip
    if as_json:
        print_json({**asdict(done), "alarms": alarms})
    else:
        for line in alarms:
            console.print(line, highlight=False, soft_wrap=True, markup=False)
        gone = f", {len(done.pruned)} old ones deleted" if done.pruned else ""
        console.print(
            f"snapshot {done.snapshot} in {target}: {done.files} files, {done.bytes / 1e9:.2f} GB, "
            f"{done.copied / 1e9:.2f} GB copied{gone}", highlight=False, soft_wrap=True,
        )  # fmt: skip
    if alarms:
        raise typer.Exit(1)


def _pause() -> None:
    time.sleep(PAUSE)


def _limited(shown: Callable[[int, int], None], rate: float) -> Callable[[int, int], None]:
    """Show progress, and copy no faster than `rate` MB/s."""
    limit, before = _polite.Limit(round(rate * 1e6) or None), [0]

    def told(done: int, need: int) -> None:
        limit.done(done - before[0])
        before[0] = done
        shown(done, need)

    return told
