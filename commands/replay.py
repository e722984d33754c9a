"""`syms replay`: play the devices of a capture to a station."""

from __future__ import annotations

from typing import Annotated

import typer

from commands import _alone
from commands._output import AsJson
from commands.decode import CaptureFile
from nodes.replayer import Replayer, Settings


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(replay)


def replay(
    capture: CaptureFile,
    to: Annotated[str, typer.Option(metavar="HOST:PORT", help="The station.")],
    speed: Annotated[str, typer.Option(help="A factor on the capture's own timing, or max.")] = "1",
    linger: Annotated[str, typer.Option(help="How long the station may take to read a connection's end.")] = "10 s",
    as_json: AsJson = False,
) -> None:
    """Play every device of a capture: each dials the station, answers its questions, and sends what was captured."""
    options = {"capture": str(capture), "to": to, "speed": _number(speed), "linger": linger}
    settings = _alone.checked(Settings, options)
    _alone.run(Replayer(settings, _alone.ALONE), "replayer", as_json)


def _number(speed: str) -> str | float:
    try:
        return float(speed)
    except ValueError:
        return speed
