"""`syms formats`: of which format the files of a pipeline are, and whether this release reads them."""

from __future__ import annotations

import typer

from archive.folder import ArchiveError
from archive.opening import JournalError
from commands._output import AsJson, HostName, PipelineFile, print_json
from nodes._formats import formats
from nodes._node import StartError
from nodes._pipeline import load
from nodes._registry import RegistryError


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("formats")(tell_formats)


def tell_formats(pipeline: PipelineFile, host: HostName = "", as_json: AsJson = False) -> None:
    """Look at archive, journals and registry, without changing any, also while the station runs. Exit 1: a newer
    release has written something that this one does not read. `syms rollback` and upgrades ask this first.
    """
    checked = load(pipeline, here=host, standing=True)
    try:
        found = list(formats(checked))
    except (ArchiveError, JournalError, RegistryError, OSError) as fault:
        raise StartError(str(fault)) from fault
    if as_json:
        print_json([each._asdict() | {"readable": each.readable} for each in found])
    else:
        if not found:
            print(f"{pipeline}: nothing was written yet")
        for each in found:
            newer = "" if each.readable else "; use a newer one"
            print(f"{each.path}: {each.what} of format {each.found}, this release knows up to {each.known}{newer}")
    raise typer.Exit(0 if all(each.readable for each in found) else 1)
