"""`syms compile`: compile the loops that run as machine code, ahead of their first use."""

from __future__ import annotations

import importlib
import pkgutil
import time

import typer

from commands._output import AsJson, print_json
from nodes import _compiled
from nodes._node import StartError

FOLDER = "algorithms.kernels"
"""Every module in it is compiled."""
OTHERS = ("nodes._bulkloops", "protocol.c37118.checking", "protocol.c37118.kernels")
"""Modules elsewhere with compiled loops."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("compile")(compile_kernels)


def compile_kernels(as_json: AsJson = False) -> None:
    """Compile the loops that run as machine code, and keep the result beside them, so that no process has to.

    Set-up does it; repeat it as the user who runs the station if that user may not write to the program's folder.
    """
    if not _compiled.kept():
        folders = ", ".join(map(str, _compiled.places()))
        raise StartError(f"no folder for compiled code can be written ({folders}); set {_compiled.SET_BY_HAND}")
    took = {}
    for name in kernels():
        begun = time.monotonic()
        importlib.import_module(name).warm()
        took[name] = round(time.monotonic() - begun, 2)
        if not as_json:
            print(f"{took[name]:6.1f} s  {name}", flush=True)
    if as_json:
        print_json({"seconds": took})


def kernels() -> list[str]:
    """Modules with compiled loops; each has `warm()`."""
    folder = importlib.import_module(FOLDER)
    inside = [f"{FOLDER}.{module.name}" for module in pkgutil.iter_modules(folder.__path__)]
    return [*sorted(inside), *OTHERS]
