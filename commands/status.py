"""`syms status`: how a running pipeline is, from the Health that every process tells each second."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from commands import _supervise
from commands._board import Board
from commands._output import AsJson, PipelineFile, console, print_json
from nodes import _runtime
from nodes._pipeline import Pipeline, load
from protocol.messages import Health

FIRST_LOOK = 2.6
"""Seconds that a single look waits for everybody's word: two rounds of Health, so that there are rates."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(status)


def status(
    pipeline: PipelineFile,
    as_json: AsJson = False,
    once: Annotated[bool, typer.Option("--once", help="One look instead of a live display.")] = False,
) -> None:
    """Watch a pipeline: nodes with rates, queues and memory; devices with all counters. Exit 1: somebody is silent."""
    checked = load(pipeline)
    if _supervise.supervisor_of(checked.run) is None and not Path(checked.run).is_dir():
        message = f"{pipeline} is not up; syms up {pipeline}"
        print_json({"up": False, "message": message}) if as_json else print(message)
        raise typer.Exit(1)
    if as_json or once or not console.is_terminal:
        board = look(checked, FIRST_LOOK)
        now = time.monotonic()
        if as_json:
            print_json({"up": True, **board.summary(now), "states": _states(checked)})
        else:
            console.print(picture(board, now))
        raise typer.Exit(1 if board.silent(now) else 0)
    watch(checked)


def look(pipeline: Pipeline, patience: float) -> Board:
    """What is said within `patience` [s]; ends sooner once everybody was heard twice."""
    board = Board(list(pipeline.processes))
    deadline = time.monotonic() + patience
    for health in healths(pipeline):
        if health:
            board.hear(health, time.monotonic())
        rated = [name for name, voice in board.voices.items() if voice.rates]
        if len(rated) == len(board.processes) or time.monotonic() > deadline:
            break
    return board


def healths(pipeline: Pipeline) -> Iterator[Health | None]:
    """Health of all processes as it comes; None whenever nobody spoke for a moment."""
    yield from _runtime.listen(pipeline.run, list(pipeline.processes), [Health.TAG])  # type: ignore[attr-defined]


def watch(pipeline: Pipeline) -> None:
    """The live display, until Ctrl-C."""
    board = Board(list(pipeline.processes))
    try:
        with Live(console=console, refresh_per_second=4, screen=True) as live:
            for health in healths(pipeline):
                if health:
                    board.hear(health, time.monotonic())
                live.update(picture(board, time.monotonic()))
    except KeyboardInterrupt:
        return


def _states(pipeline: Pipeline) -> dict[str, Any]:
    """What supervisord says of each process."""
    server = _supervise.supervisor_of(pipeline.run)
    return {name: info["statename"] for name, info in server.states().items()} if server else {}


def picture(board: Board, now: float) -> RenderableType:
    """Two tables and the alarms."""
    alarms = [f"[bold red]![/] {escape(alarm)}" for alarm in board.alarms(now)]
    return Group(node_table(board, now), device_table(board), *alarms)


def node_table(board: Board, now: float) -> Table:
    """One line per process."""
    table = Table(title="nodes", title_justify="left", expand=True)
    for heading in ("process", "kind", "up", "cpu", "memory"):
        table.add_column(heading, justify="left" if heading in ("process", "kind") else "right", no_wrap=True)
    table.add_column("waiting", ratio=1)
    table.add_column("counters (per second)", ratio=3)
    for name, node in board.nodes(now).items():
        if "kind" not in node:
            table.add_row(name, "", "[red]silent[/]", "", "", "", "")
            continue
        table.add_row(
            name,
            node["kind"],
            span(node["uptime_s"]) if node["speaks"] else "[red]silent[/]",
            "" if math.isnan(node["cpu"]) else f"{node['cpu']:.0%}",
            f"{node['memory_bytes'] / 2**20:.0f} MiB",
            ", ".join(f"{queue} {count}" for queue, count in node["queues"].items() if count),
            ", ".join(_rated(counter, value, node["rates"]) for counter, value in node["counters"].items() if value),
        )
    return table


def _rated(counter: str, value: float, rates: dict[str, float]) -> str:
    rate = rates.get(counter, 0.0)
    return f"{counter} {number(value)}" + (f" ({number(rate)})" if rate > 0 else "")


def device_table(board: Board) -> Table:
    """One line per device, a column per counter that any device has."""
    devices = board.devices()
    columns = list(dict.fromkeys(name for device in devices for name in device["counts"]))
    table = Table(title=f"devices: {len(devices)}", title_justify="left", expand=True)
    table.add_column("device", no_wrap=True)
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for device in devices:
        name = device["name"] or f"{device['link']}.{device['station']}"
        table.add_row(escape(name), *(number(device["counts"].get(column, math.nan)) for column in columns))
    return table


def number(value: float) -> str:
    """12345.0 -> "12,345"; what is unknown is empty."""
    if math.isnan(value):
        return ""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.1f}"


def span(seconds: float) -> str:
    """3725 -> "1 h 02"."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02}" if hours else f"{minutes} min {rest:02}" if minutes else f"{rest} s"
