"""`syms alarms`: which alarms there are; acknowledge, comment and shelve them."""

from __future__ import annotations

import getpass
import secrets
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic_core import PydanticCustomError
from rich.markup import escape
from rich.table import Table

from commands._archive import refusals
from commands._output import AsJson, HostName, PipelineFile, console, print_json
from nodes._node import StartError
from nodes._pipeline import Pipeline, load
from nodes._settings import parse_duration
from protocol.clock import SECOND
from protocol.messages import AlarmAction, AlarmAnswer

PATIENCE = 5.0
"""Seconds until an answer must be there."""
COLOURS = {"critical": "bold red", "serious": "red", "warning": "yellow", "notice": "cyan"}
AlarmId = Annotated[str, typer.Argument(metavar="ID", help="Id of the alarm, or how it begins.")]
ByUser = Annotated[str, typer.Option("--user", help="Who does it; by default who is logged in.")]
Where = Annotated[
    Path, typer.Argument(metavar="PIPELINE|DIR", help="Pipeline file of a station that is up; or folder of an archive.")
]


def register(app: typer.Typer) -> None:
    """Add the verb and its own verbs."""
    verb = typer.Typer(
        no_args_is_help=True, help="Alarms: which there are and were; acknowledge, comment, shelve them."
    )
    verb.command("list")(show_all)
    verb.command("ack")(acknowledge)
    verb.command("comment")(comment)
    verb.command("shelve")(shelve)
    verb.command("unshelve")(unshelve)
    app.add_typer(verb, name="alarms")


def show_all(
    where: Where,
    start: Annotated[str | None, typer.Option("--from", help="Of the archive: first instant.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Of the archive: instant after the last.")] = None,
    changes: Annotated[
        bool, typer.Option("--changes", help="Of the archive: every change, not each alarm once.")
    ] = False,
    host: HostName = "",
    as_json: AsJson = False,
) -> None:
    """List the alarms of a station that is up; of an archive, or with --from or --to, those that were told then."""
    kept = where.is_dir() or start or end or changes
    told = _kept(where, host, start, end, changes) if kept else _ask(where, host, "list").alarms
    if as_json:
        print_json(told)
    elif not told:
        console.print("no alarms")
    else:
        console.print(_table(told))


def acknowledge(
    name: Annotated[str, typer.Argument(metavar="ID", help="Id of the alarm, or how it begins; `all`: every one.")],
    pipeline: PipelineFile,
    text: Annotated[str, typer.Option("--text", help="A comment with it.")] = "",
    user: ByUser = "",
    host: HostName = "",
    as_json: AsJson = False,
) -> None:
    """Acknowledge an alarm: somebody knows of it."""
    _do(pipeline, host, as_json, "acknowledge", id=name, text=text, user=user)


def comment(
    name: AlarmId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What others should know.")],
    pipeline: PipelineFile,
    user: ByUser = "",
    host: HostName = "",
    as_json: AsJson = False,
) -> None:
    """Write a comment to an alarm."""
    _do(pipeline, host, as_json, "comment", id=name, text=text, user=user)


def shelve(
    name: AlarmId,
    pipeline: PipelineFile,
    span: Annotated[str, typer.Option("--for", metavar="SPAN", help='For how long, as "2 h" or 30min.')],
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    user: ByUser = "",
    host: HostName = "",
    as_json: AsJson = False,
) -> None:
    """Shelve an alarm: it is out of the way, and notified to nobody, for a while."""
    try:
        length = parse_duration(span)
    except PydanticCustomError as fault:
        raise typer.BadParameter(str(fault), param_hint="--for") from None
    if length <= 0:
        raise typer.BadParameter("an alarm is shelved for some time", param_hint="--for")
    _do(pipeline, host, as_json, "shelve", id=name, text=reason, span=length, user=user)


def unshelve(
    name: AlarmId, pipeline: PipelineFile, user: ByUser = "", host: HostName = "", as_json: AsJson = False
) -> None:
    """Take an alarm from the shelf before its time is over."""
    _do(pipeline, host, as_json, "unshelve", id=name, user=user)


def _do(pipeline: Path, host: str, as_json: bool, action: str, **told: Any) -> None:
    """Exit 1: it was refused."""
    answer = _ask(pipeline, host, action, **{**told, "user": told["user"] or getpass.getuser()})
    if as_json:
        print_json({"done": answer.done, "why": answer.why, "alarms": answer.alarms})
    elif not answer.done:
        print(f"syms: {answer.why}", file=sys.stderr)
    elif answer.alarms:
        console.print(_table(answer.alarms))
    else:
        console.print("nothing to do: it was so already")
    if not answer.done:
        raise typer.Exit(1)


def _ask(path: Path, host: str, action: str, **told: Any) -> AlarmAnswer:
    """What the node answers. Raises Faulty, StartError."""
    from nodes import _sockets

    pipeline = load(path, here=host, standing=True)
    process = alarms_of(pipeline, path)
    asked = AlarmAction(**{"reader": "", "request": secrets.token_hex(8), "action": action, "id": "", "user": "",
                           "time": time.time_ns(), **told})  # fmt: skip
    until = time.monotonic() + PATIENCE
    for answer in _sockets.ask(pipeline.run, process, asked, AlarmAnswer.TAG):  # type: ignore[attr-defined]
        if isinstance(answer, AlarmAnswer) and answer.request == asked.request:
            return answer
        if time.monotonic() > until:
            break
    raise StartError(f"{process} does not answer; is it up? (syms status {path})")


def alarms_of(pipeline: Pipeline, path: Path) -> str:
    """The process of this host that raises alarms. Raises StartError."""
    found = [process for process, node in pipeline.processes.items() if node.kind == "alarms"]
    if not found:
        raise StartError(f"{path} has no node that raises alarms; add alarms: {{kind: alarms, from: […]}}")
    if found[0] not in pipeline.local:
        raise StartError(f"{found[0]} runs on host {pipeline.processes[found[0]].host!r}; ask there")
    return found[0]


def _kept(where: Path, host: str, start: str | None, end: str | None, changes: bool) -> list[dict[str, Any]]:
    """What an archive has: of each alarm the last change, or all of them."""
    import json

    from archive.alarms import FIELDS, last
    from archive.reading import open_archive

    told: list[dict[str, Any]] = []
    with refusals(), open_archive(where if where.is_dir() else _archive_of(where, host), start, end) as found:
        rows = found.alarms() if changes else last(found.alarms())
        columns = (rows[name].tolist() for name in FIELDS)
        told += (dict(zip(FIELDS, row, strict=True)) for row in zip(*columns, strict=True))
    flags = ("active", "acknowledged", "chattering", "stale")
    return [row | {name: bool(row[name]) for name in flags} | {"detail": json.loads(row["detail"])} for row in told]


def _archive_of(path: Path, host: str) -> Path:
    """Folder of the archive that a pipeline keeps. Raises Faulty, StartError."""
    pipeline = load(path, here=host, standing=True)
    for node in pipeline.nodes.values():
        if node.kind == "archiver":
            folder: Path = node.settings.path  # type: ignore[union-attr]
            return folder
    raise StartError(f"{path} has no archiver; name the folder of an archive instead")


def _table(told: list[dict[str, Any]]) -> Table:
    table = Table("id", "severity", "state", "of", "alarm", "since (UTC)")
    for column in table.columns[:3]:
        column.no_wrap = True
    for each in told:
        colour = COLOURS.get(each["severity"], "")
        marks = [name for name in ("chattering", "stale") if each[name]]
        table.add_row(
            each["id"], f"[{colour}]{each['severity']}[/]" if colour else each["severity"],
            "\n".join([each["state"], *marks]), escape(each["subject"]), escape("\n".join(_lines(each))),
            f"{_moment(each['raised'])}" + (f"\nto {_moment(each['cleared'])}" if each["cleared"] else ""),
        )  # fmt: skip
    return table


def _lines(each: dict[str, Any]) -> list[str]:
    """What is to be said of an alarm, and of what people did with it."""
    lines = [f"{each['kind']}: {each['text']}"]
    if each["count"] > 1:
        lines.append(f"{each['count']} times")
    if each["until"]:
        lines.append(f"shelved until {_moment(each['until'])}")
    if each["comment"]:
        lines.append(f"“{each['comment']}”" + (f" ({each['user']})" if each["user"] else ""))
    return lines


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S")
