"""`syms try`: a private pipeline fed by a capture, drained, stopped. What would be archived?"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from archive.finish import finish_all
from commands._account import accounted, drained, frames, sent, summary
from commands._board import Board
from commands._output import AsJson, console, notes, print_json
from commands._station import PrivateStation, free_port
from commands.demo import new_folder

START_PATIENCE = 30.0
STALL_PATIENCE = 20.0
"""Seconds without a further frame after which the station is taken to have got all it will get."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="try")(try_)


def try_(
    capture: Annotated[Path, typer.Argument(metavar="FILE", help="pcap, pcapng, raw stream or hex text.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the archive; default data/try-<name>-<time>.")] = None,
    speed: Annotated[str, typer.Option(help="max, or a factor on the capture's own pace, as 1.")] = "max",
    as_json: AsJson = False,
) -> None:
    """Play a capture into a private pipeline as its devices, and show what would be archived.

    Exit code 0 if every frame of the capture is accounted for, else 1.
    """
    if not capture.is_file():
        raise typer.BadParameter(f"there is no file {capture}", param_hint="FILE")
    archive = new_folder(out or Path("data") / f"try-{capture.stem}-{datetime.now(UTC):%Y%m%d-%H%M%S}")
    try:
        result = _run(capture.absolute(), archive, speed)
    except KeyboardInterrupt:
        notes.print(f"stopped; what had come is in {archive}")
        raise typer.Exit(130) from None
    if as_json:
        print_json(result)
    else:
        _tell(result)
    counts = result["frames"]
    whole = counts["sent"] == counts["received"] and accounted(counts) and not counts["pending"]
    raise typer.Exit(0 if whole and not result["troubles"] else 1)


def wiring(capture: Path, archive: Path, speed: str) -> dict[str, Any]:
    """The nodes of the private pipeline. Windows are left out: a capture is seconds long, a judgement takes minutes."""
    return {
        "capture": {"kind": "replayer", "to": "front", "capture": str(capture), "speed": speed, "stay": True},
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}"},
        "receivers": {"kind": "receiver", "from": "front", "copies": 2},
        "archive": {"kind": "archiver", "from": "receivers", "path": str(archive)},
        "align": {"kind": "concentrator", "from": "receivers"},
    }


def _run(capture: Path, archive: Path, speed: str) -> dict[str, Any]:
    site = {"station": f"trial of {capture.name}", "unknown": "admit"}
    with PrivateStation(wiring(capture, archive, speed), site) as station:
        progress = Progress()
        with notes.status("the capture is played") as status:

            def show(board: Board) -> None:
                status.update(f"{frames(board)['received']} of {sent(board)} frames received")

            station.wait(lambda board: _started(board), START_PATIENCE, show)
            station.wait(lambda board: progress.over(board), float("inf"), show)
        troubles = station.troubles()
        station.stop()
        return summary(station.board, archive, finish_all(archive)) | {"troubles": troubles}


def _started(board: Board) -> bool:
    return sent(board) > 0 or board.total("replayer", "done") > 0


class Progress:
    """Whether the capture is over: all played and in its place, or nothing moves any more."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._moved = time.monotonic()

    def over(self, board: Board) -> bool:
        counts = frames(board)
        if counts != self._counts:
            self._counts, self._moved = counts, time.monotonic()
        played = board.total("replayer", "done") > 0
        return (played and drained(board)) or time.monotonic() - self._moved > STALL_PATIENCE


def _tell(result: dict[str, Any]) -> None:
    console.print(", ".join(f"{name} {count}" for name, count in result["frames"].items()))
    for trouble in result["troubles"]:
        console.print(f"[bold]trouble[/] {trouble}")
    console.print(f"The archive is {result['archive']}:", soft_wrap=True)
    for path in result["files"]:
        console.print(f"  {path}", soft_wrap=True)
