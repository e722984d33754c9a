"""`syms status`: how a running pipeline is, from the Health that every process tells each second."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import typer
from rich import box
from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from commands import _orphans, _supervise
from commands._output import AsJson, HostName, PipelineFile, console, print_json
from console.board import Board
from nodes import _sockets
from nodes._kinds import KINDS
from nodes._pipeline import Pipeline, load
from protocol.clock import SECOND
from protocol.messages import Health

FIRST_LOOK = 2.6
"""Seconds that a single look waits for everybody's word: two rounds of Health, so that there are rates."""
ASK_EVERY = 2.0
"""Seconds between two questions to supervisord, of a live display."""

LEAST_NAME = 17
"""Columns of a name with the table's edges, however little room there is."""
MEASURES = ("_ms", "_gib", "files", "bytes", "links", "connected", "devices", "_synchronised", "_stratum", "_pending")
"""Counters that are no counts of what happened: they have no rate."""
COLUMNS = {
    "connected": ("receiver_connected", "balancer_connected", "connected"),
    **{
        name: (f"archiver_{name}", name, f"receiver_{name}")
        for name in ("received", "archived", "aside", "duplicate", "corrupt", "refused", "lost", "pending")
    },
    "late": ("late",),
    "missing": ("missing",),
    "clock off": ("clock_off",),
    **{name: (name,) for name in ("redundant", "filled", "invalid", "held")},
    "latency ms": ("latency_ms",),
    "clock offset ms": ("clock_offset_ms",),
    **{f"{name} ms": (f"latency_{name}_ms",) for name in ("min", "mean", "p99", "max")},
    "windows": ("windows",),
    "suspicious": ("suspicious",),
    "score": ("score",),
    "bad now": ("bad_now", "concentrator_bad_now"),
    "bad by windows": ("trigger_bad_now",),
    "flags": ("flags", "concentrator_flags"),
}
"""Heading -> names in `Board.devices`, the first that there is. The books are the archiver's, where there is one:
its columns fit each other exactly."""
ALWAYS = ("connected", "received", "latency ms")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(status)


def status(
    pipeline: PipelineFile,
    host: HostName = "",
    as_json: AsJson = False,
    once: Annotated[bool, typer.Option("--once", help="One look instead of a live display.")] = False,
) -> None:
    """Watch a pipeline: nodes with rates, queues and memory; devices with all counters. Exit 1: somebody is silent."""
    checked = load(pipeline, here=host, standing=True)
    if _supervise.supervisor_of(checked.run) is None and not _orphans.lock_holders(checked.run):
        message = f"{pipeline} is not up; syms up {pipeline}"
        print_json({"up": False, "message": message}) if as_json else print(message)
        raise typer.Exit(1)
    if as_json or once or not console.is_terminal:
        infos = _infos(checked)
        board = look(checked, FIRST_LOOK, _ended(checked, infos))
        now = time.monotonic()
        if as_json:
            states = {name: info["statename"] for name, info in infos.items()}
            print_json({"up": True, **board.summary(now), "states": states})
        else:
            console.print(picture(board, now))
        raise typer.Exit(1 if board.silent(now) else 0)
    watch(checked)


def look(pipeline: Pipeline, patience: float, ended: frozenset[str] = frozenset()) -> Board:
    """What is said within `patience` [s]; ends sooner once everybody was heard twice, but for those that have ended."""
    board = Board(list(pipeline.processes))
    board.ended = ended
    deadline = time.monotonic() + patience
    for health in healths(pipeline):
        if health:
            board.hear(health, time.monotonic())
        rated = {name for name, voice in board.voices.items() if voice.rates}
        if rated | ended >= set(board.processes) or time.monotonic() > deadline:
            break
    return board


def healths(pipeline: Pipeline) -> Iterator[Health | None]:
    """Health of all processes as it comes; None whenever nobody spoke for a moment."""
    yield from _sockets.listen(pipeline.run, list(pipeline.processes), [Health.TAG], network=pipeline.network)  # type: ignore[attr-defined]


def watch(pipeline: Pipeline) -> None:
    """The live display, until Ctrl-C."""
    board, asked = Board(list(pipeline.processes)), -math.inf
    try:
        with Live(console=console, refresh_per_second=4, screen=True) as live:
            for health in healths(pipeline):
                if health:
                    board.hear(health, time.monotonic())
                if time.monotonic() > asked + ASK_EVERY:
                    board.ended, asked = _ended(pipeline, _infos(pipeline)), time.monotonic()
                live.update(picture(board, time.monotonic()))
    except KeyboardInterrupt:
        return


def _infos(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """What supervisord says of each process."""
    server = _supervise.supervisor_of(pipeline.run)
    return server.states() if server else {}


def _ended(pipeline: Pipeline, infos: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """Those that had an end of their own and came to it, as a simulator with a `duration`."""
    over = {name for name, info in infos.items() if info["statename"] == "EXITED" and info["exitstatus"] == 0}
    return frozenset(name for name, spec in pipeline.processes.items() if name in over and KINDS[spec.kind].source)


def picture(board: Board, now: float) -> RenderableType:
    """The alarms first, whatever else there is no room for; then nodes and devices."""
    alarms = [f"[bold red]![/] {escape(alarm)}" for alarm in board.alarms(now)]
    devices: list[RenderableType] = [*device_tables(board, console.width)]
    return Group(*alarms, node_table(board, now), *(devices or ["no devices yet"]), *_sites(board))


def _sites(board: Board) -> Iterator[str]:
    """Which site file is in force: one line if all agree."""
    known = {(health.site, health.site_since): name for name, health in board.last() if health.site}
    alike = len({version for version, _ in known}) == 1
    for (version, since), name in list(known.items())[: 1 if alike else None]:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(since // SECOND))
        yield f"site file {version} in force since {at} UTC" + ("" if alike else f" ({name})")


def node_table(board: Board, now: float) -> Table:
    """One row per process; what is nought is left out."""
    table = _table("processes", "top", "process", "up", "CPU", "memory")
    table.add_column(" counters (per second), what waits", ratio=1, overflow="fold")
    for name, node in board.nodes(now).items():
        silent = "[dim]ended[/]" if node.get("ended") else "[red]silent[/]"
        if "kind" not in node:
            table.add_row(name, silent, "", "", "")
            continue
        table.add_row(
            f"{name}\n[dim]{node['kind']}[/]" if node["kind"] != name else name,
            span(node["uptime_s"]) if node["speaks"] else silent,
            "" if math.isnan(node["cpu"]) else f"{node['cpu']:.0%}",
            f"{node['memory_bytes'] / 2**20:.0f} MiB",
            ", ".join(_said(node)),
        )
    return table


def _said(node: dict[str, Any]) -> Iterator[str]:
    for counter, value in node["counters"].items():
        if value:
            yield _rated(counter, value, node["rates"])
    for queue, count in node["queues"].items():
        if count:
            yield f"[yellow]{queue.replace('_', ' ')} {number(count)}[/]"


def _rated(counter: str, value: float, rates: dict[str, float]) -> str:
    rate = 0.0 if counter.endswith(MEASURES) or counter.startswith("connections.") else rates.get(counter, 0.0)
    return f"{counter.replace('_', ' ')} {number(value)}" + (f" ({number(rate)})" if rate > 0 else "")


def _table(title: str, vertical: Literal["top", "bottom"], *headings: str) -> Table:
    """A table without lines between; the first column is text, the others are numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=0)
    for position, heading in enumerate(headings):
        numbers = position > 0
        width = None if numbers else LEAST_NAME - 2
        justify: Literal["left", "right"] = "right" if numbers else "left"
        table.add_column(heading, justify=justify, vertical=vertical, no_wrap=numbers, min_width=width)
    return table


def device_tables(board: Board, width: int) -> Iterator[Table]:
    """One row per device: the books, then alignment and windows; what is nought for all is left out.

    Columns that do not fit into `width` go to a further table.
    """
    devices = board.devices()
    columns = _columns(devices)
    while columns:
        table = _table(f"devices: {len(devices)}", "bottom", "device")
        room = width - LEAST_NAME
        shown: list[list[str]] = []
        while columns:
            heading, values = columns[0]
            wide = 1 + max(len(text) for text in (*heading.split(), *values))
            if shown and wide > room:
                break
            room -= wide
            table.add_column(heading.replace(" ", "\n"), justify="right", vertical="bottom", no_wrap=True)
            shown.append(columns.pop(0)[1])
        for device, *cells in zip(devices, *shown, strict=True):
            table.add_row(escape(called(device)), *cells)
        yield table


def _columns(devices: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """(heading, what stands in it per device) of the columns that say something."""
    found = []
    for heading, keys in COLUMNS.items():
        values = [_first(device["counts"], keys) for device in devices]
        known = [value for value in values if not math.isnan(value)]
        if any(known) or (known and heading in ALWAYS):
            found.append((heading, [number(value) for value in values]))
    return found


def called(device: dict[str, Any]) -> str:
    """What the site file calls it, and after a colon what its station calls itself."""
    names = list(dict.fromkeys(name for name in (device["site_name"], device["name"]) if name))
    return ": ".join(names) or f"{device['link']}.{device['station']}"


def _first(counts: dict[str, float], keys: tuple[str, ...]) -> float:
    return next((counts[key] for key in keys if key in counts), math.nan)


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
