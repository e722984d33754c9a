"""`syms retention`: delete what is old, or too much; never what is protected."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Annotated, Any

import typer

from archive.retention import Plan, Rules
from commands import _polite
from commands._archive import ArchiveFolder, refusals
from commands._output import AsJson, console, print_json
from nodes._settings import parse_duration, parse_share, parse_size, show_size

SOON = 3.0
"""Days: a disk that is full so soon is an alarm."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(retention)


def _parsed(parse: Callable[[Any], Any], name: str, text: str | None) -> Any:
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as fault:
        raise typer.BadParameter(str(fault), param_hint=name) from fault


def retention(
    directory: ArchiveFolder,
    age: Annotated[str | None, typer.Option(help='Hours go that ended so long ago, as "400 d".')] = None,
    size: Annotated[str | None, typer.Option(help='The oldest hours go beyond so many bytes, as "2 TiB".')] = None,
    free: Annotated[str | None, typer.Option(help='The oldest hours go so that so much is free, as "10 %".')] = None,
    events: Annotated[str | None, typer.Option(help='Files of events go that are so old, as "3650 d".')] = None,
    overviews: Annotated[
        str | None, typer.Option(help='Of hours that go, their seconds stay until they are so old, as "1500 d".')
    ] = None,
    after_backup: Annotated[bool, typer.Option("--after-backup", help="What no backup has a copy of stays.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would go; delete nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete finished hours of an archive, the oldest first, by these rules. Files of events stay without --events.

    With --overviews minimum, mean and maximum of every second stay when the rows go, and verdicts, alarms and the like.
    """
    from archive.retention import plan, remove

    rules = Rules(
        age=_parsed(parse_duration, "--age", age),
        size=_parsed(parse_size, "--size", size),
        free=_parsed(parse_share, "--free", free),
        events=_parsed(parse_duration, "--events", events),
        overviews=_parsed(parse_duration, "--overviews", overviews),
        after_backup=after_backup,
    )
    if rules.overviews is not None and rules.age is not None and rules.overviews <= rules.age:
        raise typer.BadParameter(
            "overviews are to stay longer than the rows: more than --age", param_hint="--overviews"
        )
    _polite.give_way()
    with refusals():
        found = plan(directory, rules, time.time_ns())
        if found.removals and not dry_run:
            if not yes and not typer.confirm(f"delete {len(found.removals)} files?", err=True):
                raise typer.Exit(1)
            found = remove(directory, found, time.time_ns())
    alarms = list(_alarms(found, str(directory)))
    if as_json:
        print_json({**asdict(found), "freed": _freed(found), "dry_run": dry_run, "alarms": alarms})
        return
    for each in found.removals:
        left = f"; its overview stays, {show_size(each.left)}" if each.left else ""
        console.print(f"{each.file}: {each.why}{left}", highlight=False, soft_wrap=True, markup=False)
    size_gone = sum(each.bytes for each in found.removals) / 1e9
    verb = "would go" if dry_run else "deleted"
    console.print(f"{len(found.removals)} files, {size_gone:.2f} GB {verb}{_of_these(found)}", highlight=False,
                  soft_wrap=True)  # fmt: skip
    for why, count in found.kept.items():
        console.print(f"{count} files stay: {why}", highlight=False)
    for alarm in alarms:
        console.print(alarm, highlight=False, soft_wrap=True, markup=False)


def _freed(found: Plan) -> int:
    return sum(each.freed for each in found.removals)


def _of_these(found: Plan) -> str:
    """What is left of what goes."""
    left = [each.left for each in found.removals if each.left]
    return (
        f"; {len(left)} overviews of {sum(left) / 1e9:.2f} GB stay, {_freed(found) / 1e9:.2f} GB freed" if left else ""
    )


def _alarms(found: Plan, name: str) -> Iterator[str]:
    if found.short:
        why = ", ".join(f"{count} files {why}" for why, count in found.kept.items()) or "there is nothing older"
        yield f"{name}: {found.short / 1e9:.2f} GB more would have to go ({why}); make room, or release protected spans"
    for each in found.troubles:
        yield f"{name}: {each}; it stays, since no overview of it can be made: syms verify, or free space"
    days = found.free / found.a_day if found.a_day else None
    if days is not None and days < SOON and not found.removals:
        yield f"{name}: grows by {found.a_day / 1e9:.1f} GB a day, its disk is full in {days:.1f} days; make room"
