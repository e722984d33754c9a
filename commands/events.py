"""`syms events`: the events of an archive: list them, show one with all that led to it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from typer.core import TyperGroup

from archive.folder import ArchiveError
from commands._archive import ArchiveFolder, refusals
from commands._output import AsJson, console, print_json
from protocol.messages import Outcome

if TYPE_CHECKING:
    from archive.events import Event
    from archive.records import Record

SHOWN = 2
"""Stations that are named in the table; more are counted."""
LIST = "list"


class Listing(TyperGroup):
    """Without a verb of its own, events are listed: `syms events DIR`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See the class."""
        asked = args and args[0] not in self.commands and args[0] not in ctx.help_option_names
        return super().parse_args(ctx, [LIST, *args] if asked else args)


def register(app: typer.Typer) -> None:
    """Add the verb and its own verbs."""
    verb = typer.Typer(
        cls=Listing, no_args_is_help=True, help="Events of an archive: list them (`syms events DIR`), show one."
    )
    verb.command(LIST)(show_all)
    verb.command("show")(show)
    app.add_typer(verb, name="events")


def show_all(
    directory: ArchiveFolder,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only events of this kind, as gen_trip; may be given several times.")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help="First onset, as 2026-05-06T07:00:00Z.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Onset after the last.")] = None,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="What was suspected and was no disturbance, as bad data, instead.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the events: when, what, how strong, where, and the files with their raw data. Also of a live archive."""
    from archive.events import list_events

    with refusals():
        found = list_events(directory, kind or (), start, end, rejected)
        if as_json:
            print_json([asdict(event) for event in found])
            return
        if not found:
            console.print(_none(directory, kind or []))
            return
        console.print(_table(found))


def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="Id of the event, or how it begins: 20260506T0714.")],
    directory: ArchiveFolder,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw it into this PNG file (needs matplotlib).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show an event with all that led to each statement: devices, arrivals, rules, suspicions, bad data, answers."""
    from archive.events import find_event

    with refusals():
        record = find_event(directory, name)
        if plot is not None:
            _plot(record, plot)
        if as_json:
            print_json(asdict(record))
            return
        from commands._eventpage import page

        console.print(page(record))


def _none(directory: Path, kinds: list[str]) -> str:
    """That there are none; of kinds that were asked for, which there are instead."""
    from archive.events import list_events

    if not kinds:
        return "no events"
    there = sorted({event.kind for event in list_events(directory) if event.kind})
    return f"no events of kind {', '.join(kinds)}; in this archive there are: {', '.join(there) or 'none'}"


def _plot(record: Record, target: Path) -> None:
    """Raises ArchiveError, OSError."""
    from archive.clips import traces

    if not record.answers:
        raise ArchiveError(f"{record.id}: no event trigger said anything of it; its raw data are in {record.path}")
    try:
        from commands import _eventplot

        _eventplot.write(record, traces(record.path) if record.path else [], target)
    except OSError as fault:
        raise ArchiveError(
            f"{target}: the picture cannot be written ({fault.strerror}); name another file, as event.png"
        ) from fault
    except ImportError as fault:
        raise ArchiveError(f"no picture without matplotlib ({fault}): pip install 'syms-station[plots]'") from fault


def _table(found: list[Event]) -> Table:
    table = Table("onset (UTC), id", "what", "score", "size", "where, stations")
    for column in (*table.columns[:1], *table.columns[2:4]):
        column.no_wrap = True
    for event in found:
        table.add_row("\n".join((event.time.removesuffix("000Z"), *_ids(event))), _what(event), f"{event.score:.1f}",
                      _size(event), "\n".join(filter(None, (_where(event), _stations(event)))))  # fmt: skip
    return table


def _what(event: Event) -> str:
    """Kind and confidence; the algorithm where verdicts alone made the event."""
    if not event.id:
        return event.algorithm
    if event.outcome != Outcome.OK:
        return f"not judged ({event.outcome})"
    if event.rejected:
        return f"bad data: {', '.join(event.bad)}" if event.bad else "nothing"
    return f"{event.kind} ({event.confidence:.0%})" + ("" if event.final else f", answer {event.answer}")


def _size(event: Event) -> str:
    sizes = ((event.size_mhz, "mHz"), (event.size_mw, "MW"))
    return "\n".join(f"{size:+.0f} {unit}" for size, unit in sizes if size == size)


def _where(event: Event) -> str:
    lines = [f"near {event.nearest[0]}"] if event.nearest else []
    if event.latitude == event.latitude:
        within = f" ± {event.ellipse[0]:.0f} km" if event.ellipse else ""
        lines.insert(0, f"{event.latitude:.2f}, {event.longitude:.2f}{within}")
    return "\n".join(lines)


def _stations(event: Event) -> str:
    return f"{len(event.devices)} stations" if len(event.devices) > SHOWN else ", ".join(event.devices)


def _ids(event: Event) -> list[str]:
    """What `show` knows it by: what verdicts alone made has the names of its files."""
    return [event.id] if event.id else [Path(name).stem for name in event.files]
