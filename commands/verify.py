"""`syms verify`: every file of an archive, or of a backup, against its checksum."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from commands import _polite
from commands._archive import refusals
from commands._output import AsJson, bar, console, print_json


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(verify)


def verify(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of an archive, or of a backup.")],
    start: Annotated[str | None, typer.Option("--from", help="First instant, as 2026-05-06T07:00:00Z.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Instant after the last.")] = None,
    at: Annotated[str, typer.Option(help="Of a backup: this snapshot instead of the newest.")] = "",
    fast: Annotated[bool, typer.Option("--fast", help="Sizes and heads of files alone.")] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Put down checksums of files that have none (of an older release).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Verify checksums: exit code 1 if a file is missing, damaged, or has none. A station may be at work."""
    from archive.backup import snapshots
    from archive.spans import FIRST, LAST, instant
    from archive.verifying import Verified
    from archive.verifying import adopt as adopt_all
    from archive.verifying import verify as verify_all

    _polite.give_way()
    taken: list[str] = []
    with refusals():
        low, high = instant(start, FIRST), instant(end, LAST)
        with bar("verifying") as told:
            if snapshots.is_backup(directory):
                found: Verified = snapshots.verify(directory, at, fast, told)
            else:
                taken = adopt_all(directory) if adopt else []
                found = verify_all(directory, low, high, fast, told)
    if as_json:
        alarms = [f"{directory / each.file}: {each.wrong}: {each.what}; {each.remedy}" for each in found.findings]
        print_json({**asdict(found), "adopted": taken, "alarms": alarms})
    else:
        for name in taken:
            console.print(f"taken in: {name}", highlight=False, soft_wrap=True)
        for each in found.findings:
            console.print(f"{each.wrong}: {each.file}: {each.what}; {each.remedy}", highlight=False, soft_wrap=True,
                          markup=False)  # fmt: skip
        console.print(_summary(asdict(found)), highlight=False, soft_wrap=True)
    if found.findings:
        raise typer.Exit(1)


def _summary(found: dict[str, Any]) -> str:
    gone = f", {found['removed']} were removed by retention" if found["removed"] else ""
    bad = f"{len(found['findings'])} faults" if found["findings"] else "all as written"
    return f"{found['files']} files, {found['bytes'] / 1e9:.2f} GB: {bad}{gone}"
