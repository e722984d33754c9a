"""`syms try`: a private pipeline fed by a capture, drained, stopped. What would be archived?"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from archive.finish import finish_all
from commands._account import accounted, drained, frames, sent, summary
from commands._output import AsJson, console, notes, print_json
from commands._station import PrivateStation, free_port
from commands.decode import CaptureFile, open_capture, refuse
from commands.demo import new_folder
from console.board import Board
from protocol.c37118 import FrameType, frame_type
from protocol.c37118.offline import Study
from protocol.clock import SECOND, period

START_PATIENCE = 30.0
PLAUSIBLE = 60 * SECOND
"""As a receiver's own setting."""
STALL_PATIENCE = 20.0
"""Seconds without a further frame after which the station is taken to have got all it will get."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="try")(try_)


def try_(
    capture: CaptureFile,
    out: Annotated[Path | None, typer.Option(help="Folder of the archive; default data/try-<name>-<time>.")] = None,
    speed: Annotated[str, typer.Option(help="max, or a factor on the capture's own pace, as 1.")] = "max",
    as_json: AsJson = False,
) -> None:
    """Play a capture into a private pipeline as its devices, and show what would be archived.

    Exit code 0 if every frame of the capture is accounted for, else 1; also if there is nothing to play in it.
    """
    _check(speed)
    _, study = open_capture(capture)
    unplayed = _unplayed(study)
    if not study.devices:
        refuse(f"{capture}: {_nothing(unplayed)}: nothing to play; syms decode --format json shows what there is")
    silence, study = longest_silence(study), Study([], [])
    archive = new_folder(out or Path("data") / f"try-{capture.stem}-{datetime.now(UTC):%Y%m%d-%H%M%S}")
    try:
        result = _run(capture.absolute(), archive, speed, silence) | {"unplayed": unplayed}
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


def _check(speed: str) -> None:
    try:
        fits = speed == "max" or float(speed) > 0
    except ValueError:
        fits = False
    if not fits:
        raise typer.BadParameter(f"{speed!r} is neither max nor a factor above 0", param_hint="--speed")


def longest_silence(study: Study) -> int:
    """Longest time [ns] in the capture between two DATA frames of a device; at least its reporting period."""
    longest = 0
    for device in study.devices:
        before = 0
        for appearance in device.appearances:
            sender = study.senders[appearance.sender]
            for number, configuration in sender.in_force.items():
                if configuration.stream == device.stream:
                    time = sender.pieces[number].time
                    longest = max(longest, time - (before or time), period(configuration.rate))
                    before = time
    return longest


def _unplayed(study: Study) -> int:
    """DATA frames of streams of which the capture has no configuration that fits any of them."""
    return sum(
        not study.reads(number, piece.frame)
        for number, sender in enumerate(study.senders)
        for piece in sender.pieces
        if piece.frame and frame_type(piece.frame) == FrameType.DATA
    )


def _nothing(unplayed: int) -> str:
    if unplayed:
        return f"{unplayed} DATA frames, and no configuration that fits them"
    return "no DATA frames"


def wiring(capture: Path, archive: Path, speed: str, silence: int = 0) -> dict[str, Any]:
    """The nodes of the private pipeline. Windows are left out: a capture is seconds long, a judgement takes minutes.

    At full speed no time passes for the station: a device's silence [ns] in the capture must not make what follows
    it implausible.
    """
    plausible = f"{(PLAUSIBLE + silence) / SECOND:.3f} s"
    return {
        "capture": {"kind": "replayer", "to": "front", "capture": str(capture), "speed": speed, "stay": True},
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}"},
        "receivers": {"kind": "receiver", "from": "front", "copies": 2, "plausible": plausible},
        "archive": {"kind": "archiver", "from": "receivers", "path": str(archive)},
        "align": {"kind": "concentrator", "from": "receivers"},
    }


def _run(capture: Path, archive: Path, speed: str, silence: int) -> dict[str, Any]:
    site = {"station": f"trial of {capture.name}", "unknown": "admit"}
    with PrivateStation(wiring(capture, archive, speed, silence), site) as station:
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
    if result["unplayed"]:
        console.print(f"{result['unplayed']} DATA frames were not played: no configuration in the capture fits them")
    for trouble in result["troubles"]:
        console.print(f"[bold]trouble[/] {trouble}")
    console.print(f"The archive is {result['archive']}:", soft_wrap=True)
    for path in result["files"]:
        console.print(f"  {path}", soft_wrap=True)
