"""`syms demo`: everything on this machine, with simulated devices and a generation trip."""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from archive.finish import finish_all
from commands._account import accounted, drained, frames, summary, windows
from commands._firstlink import pages
from commands._output import AsJson, console, notes, print_json
from commands._station import PrivateStation, free_port, read_wiring
from console.board import Board
from nodes import _yaml

PLACES = (Path(__file__).resolve().parents[1], Path(sys.prefix, "share", "syms-station"))
"""A checkout, or what the wheel brings."""
PIPELINE = next(path for place in PLACES if (path := place / "pipelines" / "demo.yaml").exists() or place == PLACES[-1])
SITE = PIPELINE.parents[1] / "config" / "demo-site.yaml"
WHOLE = 45
"""Seconds with room for a window of 20 s before the trip and one that holds it; shorter runs have shorter ones."""
PAGES = 8080
"""Port of the console, if it is free."""
DRAIN_PATIENCE = 60.0
START_PATIENCE = 30.0


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(demo)


def demo(
    seconds: Annotated[int, typer.Option(min=10, max=86_400, help="How long the devices send.")] = 60,
    devices: Annotated[int, typer.Option(min=1, max=2000, help="Simulated devices that dial in.")] = 20,
    out: Annotated[Path | None, typer.Option(help="Folder of the archive; default data/demo-<time>.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same signals.")] = 1,
    stay: Annotated[
        bool | None,
        typer.Option("--stay/--no-stay", help="Go on until Ctrl-C, to look at the pages; by default in a terminal."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the whole pipeline with simulated devices, let a generation trip happen, and show what is made of it.

    In a terminal it goes on until Ctrl-C, and says where its pages are.
    Exit code 0 if every frame is accounted for and the trip was found (in a run of less than 45 s: or was not), else 1.
    """
    archive = new_folder(out or Path("data") / f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}")
    try:
        result = _run(seconds, devices, seed, archive, quiet=as_json, stay=_stays(stay, as_json))
    except KeyboardInterrupt:
        notes.print(f"stopped; what had come is in {archive}")
        raise typer.Exit(130) from None
    if as_json:
        print_json(result)
    else:
        _tell(result)
    whole = accounted(result["frames"]) and result["frames"]["sent"] == result["frames"]["received"]
    found = bool(result["events"]) or seconds < WHOLE
    raise typer.Exit(0 if whole and found and not result["troubles"] else 1)


def new_folder(path: Path) -> Path:
    """An absolute path that holds nothing yet: books begin at nought there. Raises typer.BadParameter."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise typer.BadParameter(f"{path} is not an empty folder; name another one", param_hint="--out")
    return path.absolute()


def wiring(seconds: int, devices: int, seed: int, archive: Path) -> dict[str, Any]:
    """The nodes of pipelines/demo.yaml with what the options say."""
    nodes = read_wiring(PIPELINE)
    for node in nodes.values():
        if node["kind"] == "simulator":
            node |= {"devices": devices, "seed": seed, "at": f"{seconds // 2} s"}
        elif node["kind"] == "archiver":
            node["path"] = str(archive)
        elif node["kind"] == "trigger" and "on" not in node and seconds < WHOLE:
            node |= {"window": f"{max(10, seconds * 4 // 9)} s", "every": f"{seconds * 2 // 9} s"}
        elif node["kind"] == "balancer":
            node["listen"] = f"127.0.0.1:{free_port()}"
        elif node["kind"] == "console":
            node["listen"] = f"127.0.0.1:{free_port(PAGES)}"
    return nodes


def _stays(asked: bool | None, as_json: bool) -> bool:
    """Whether somebody may want to look at the pages."""
    if asked is None:
        return not as_json and sys.stdin.isatty() and sys.stdout.isatty()
    return asked


def _run(seconds: int, devices: int, seed: int, archive: Path, quiet: bool, stay: bool) -> dict[str, Any]:
    nodes = wiring(seconds, devices, seed, archive)
    site, *_ = _yaml.read(SITE)
    with PrivateStation(nodes, site) as station:
        display = Display(seconds, devices)
        display.link = next(pages(station.pipeline))[0] if stay else ""
        with Live(console=console, auto_refresh=False, transient=True, screen=False) as live:

            def show(board: Board) -> None:
                if not quiet:
                    live.update(display.draw(board), refresh=True)

            display.note = "devices dial in"
            station.wait(lambda board: frames(board)["received"] > 0, START_PATIENCE, show)
            display.begin()
            display.note = f"a generator trips after {seconds // 2} s"
            station.wait(lambda board: False, seconds, show)
            if stay:
                display.note = "the devices go on; Ctrl-C ends it"
                with suppress(KeyboardInterrupt):
                    station.wait(lambda board: False, math.inf, show)
            display.note = "the devices have stopped; the last frames find their place"
            station.stop("simulator")
            station.wait(drained, DRAIN_PATIENCE, show)
        troubles = station.troubles()
        station.stop()
        files = finish_all(archive)
        return summary(station.board, archive, files) | {"troubles": troubles}


class Display:
    """The live picture: how far, the frames, the windows, the nodes."""

    def __init__(self, seconds: int, devices: int) -> None:
        self.seconds, self.devices = seconds, devices
        self.started: float | None = None
        self.note = ""
        self.link = ""
        """Where its pages are."""

    def begin(self) -> None:
        """The first frame has come."""
        self.started = time.monotonic()

    def draw(self, board: Board) -> Group:
        """What to show now."""
        gone = min(time.monotonic() - self.started, self.seconds) if self.started else 0.0
        head = Text(f"{gone:4.0f} of {self.seconds} s   {self.note}", style="bold")
        shown = Group(Panel(head, title="SYMS demonstration"), self._figures(board), self._nodes(board))
        if not self.link:
            return shown
        link = Text(f"Look at it in a browser (the link works once): {self.link}", style="bold", overflow="fold")
        return Group(link, shown)

    def _figures(self, board: Board) -> Table:
        counts = frames(board)
        rate = sum(voice.rates.get("received", 0.0) for voice in board.voices.values() if voice.last.kind == "receiver")
        table = Table(show_header=False, box=None, padding=(0, 3))
        table.add_row("devices connected", f"{int(board.total('receiver', 'links'))} of {self.devices}")
        table.add_row("frames per second", f"{rate:.0f}")
        table.add_row("frames sent / received / archived", " / ".join(str(counts[k]) for k in _FLOW))
        table.add_row("late, duplicate, corrupt, refused", ", ".join(str(counts[k]) for k in _TROUBLE))
        table.add_row("slots aligned, release after last arrival", self._alignment(board))
        judged = windows(board)
        table.add_row("windows judged by EMD", f"{judged['ok']}")
        suspicious = judged["suspicious"]
        style = "bold red" if suspicious else ""
        table.add_row("suspicious windows", Text(str(suspicious), style=style))
        table.add_row("answers to suspicions", f"{int(board.total('trigger', 'answered'))}")
        table.add_row("events in the archive", Text(f"{int(board.total('archiver', 'events'))}", style=style))
        return table

    def _alignment(self, board: Board) -> str:
        return f"{int(board.total('concentrator', 'slots'))}, {board.total('concentrator', 'release_ms'):.1f} ms"

    def _nodes(self, board: Board) -> Table:
        table = Table(title="processes", title_justify="left", box=None, padding=(0, 3))
        for column in ("process", "CPU", "memory"):
            table.add_column(column, justify="left" if column == "process" else "right")
        for name, voice in board.voices.items():
            table.add_row(name, f"{100 * voice.cpu:.0f} %", f"{voice.last.memory / 2**20:.0f} MiB")
        return table


_FLOW = ("sent", "received", "archived")
_TROUBLE = ("late", "duplicate", "corrupt", "refused")


def _tell(result: dict[str, Any]) -> None:
    """The end: what happened, where the archive is, how to open it."""
    counts = result["frames"]
    console.print(", ".join(f"{name} {count}" for name, count in counts.items()))
    windows = result["windows"]
    console.print(f"{windows['ok']} windows judged, {windows['suspicious']} suspicious")
    for event in result["events"]:
        console.print(f"[bold red]event[/] {event['time']}: {', '.join(_said(event))}")
    if not result["events"]:
        console.print("[bold]no event was found[/]")
    for trouble in result["troubles"]:
        console.print(f"[bold]trouble[/] {trouble}")
    console.print(f"\nThe archive is {result['archive']}:")
    for path in result["files"]:
        console.print(f"  {path}", soft_wrap=True)
    folder = result["archive"]
    syms, python = _typed("syms"), _typed("python")
    look = f"{python} -c \"import archive; print(archive.open('{folder}').devices)\""
    shown = [f"  {syms} events show {event['id']} {folder}" for event in result["events"] if event["id"]]
    for line in (
        "Open it:",
        f"  {syms} events {folder}",
        *shown[:1],
        f"  {syms} export {folder} --format csv",
        f"  {look}",
    ):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _said(event: dict[str, Any]) -> Iterator[str]:
    """Kind, size, place, as far as they are known."""
    if event["kind"]:
        yield f"{event['kind']} ({event['confidence']:.0%})"
    if math.isfinite(event["size_mhz"]):
        yield f"{event['size_mhz']:+.0f} mHz"
    if math.isfinite(event["latitude"]):
        within = f" (± {event['ellipse'][0]:.0f} km)" if event["ellipse"] else ""
        yield f"at {event['latitude']:.2f}, {event['longitude']:.2f}{within}"
    if event["nearest"]:
        yield f"nearest {event['nearest'][0]}"
    yield f"{len(event['devices'])} devices"
    yield f"score {event['score']:.1f}"


def _typed(command: str) -> str:
    """How a person types a command of our virtual environment here: with its path, unless it is activated."""
    ours = Path(sys.executable).with_name(command)
    found = shutil.which(command)
    return command if found and Path(found) == ours else os.path.relpath(ours)
