"""`syms rollback`: put the release before in force again, where the station was installed by a bundle."""

from __future__ import annotations

from typing import Annotated

import typer

from commands import _install, _releases
from commands._output import AsJson, print_json
from nodes._node import StartError


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(rollback)


def rollback(
    release: Annotated[str, typer.Argument(metavar="[RELEASE]", help="By default the one before.")] = "",
    as_json: AsJson = False,
) -> None:
    """Go back to the release before, also with a station that runs: process by process. It is tried out first, and
    must be able to read what has been written since. The same command again goes forth again.
    """
    place = _releases.own()
    if place is None:
        raise StartError("this is a checkout, no installation of a bundle; git checkout the release that you want")
    try:
        done = _install.roll_back(place.root, release)
    except _releases.ReleaseError as fault:
        raise StartError(str(fault)) from fault
    if as_json:
        print_json(done)
    else:
        print(_releases.told(done))
