"""`syms finish`: merge all parts of an archive that nobody writes to into finished files."""

from __future__ import annotations

import typer

from commands._archive import ArchiveFolder, refusals
from commands._output import AsJson, console, notes, print_json


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(finish)


def finish(directory: ArchiveFolder, as_json: AsJson = False) -> None:
    """Make finished files of all that is in an archive now. Its archiver must be stopped."""
    from archive.finish import finish_all

    with refusals():
        with notes.status("finishing"):
            files = [str(path) for path in finish_all(directory)]
        if as_json:
            print_json({"files": files})
            return
        for name in files or ["nothing to finish"]:
            console.print(name, highlight=False, soft_wrap=True)
