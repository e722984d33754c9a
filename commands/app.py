"""The `syms` command: a verb is a module beside this one, with `register(app)`.

Its first line is "`syms verb`: what it does", which `syms --help` shows.
"""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import sys
from pathlib import Path
from typing import Annotated

import typer

import commands
from commands import _polite

ORDER = (
    "demo",
    "up",
    "down",
    "status",
    "start",
    "stop",
    "restart",
    "scale",
    "swap",
    "check",
    "draw",
    "devices",
    "decode",
    "try_",
    "simulate",
    "replay",
    "export",
    "events",
    "flags",
    "completeness",
    "report",
    "alarms",
    "study",
    "backup",
    "restore",
    "verify",
    "retention",
    "protect",
)
"""How `syms --help` lists the verbs; others follow by name."""


def verbs() -> list[str]:
    """Modules of all verbs."""
    found = {module.name for module in pkgutil.iter_modules(commands.__path__) if not module.name.startswith("_")}
    found.discard("app")
    return [verb for verb in ORDER if verb in found] + sorted(found - set(ORDER))


def make_app(modules: list[str]) -> typer.Typer:
    """The command with the verbs of these modules."""
    app = _without_verbs()
    for module in modules:
        importlib.import_module(f"commands.{module}").register(app)
    return app


def make_contents() -> typer.Typer:
    """The command with all verbs by name and summary only: importing what they need would take a second."""
    app = _without_verbs()
    for module in verbs():
        app.command(module.rstrip("_"), short_help=summary(module))(_nothing)
    return app


def summary(module: str) -> str:
    """What a verb does: the first line of its file."""
    with open(Path(commands.__path__[0], f"{module}.py"), encoding="utf-8") as source:
        return source.readline().partition("`: ")[2].rstrip('"\n')


def _nothing() -> None:
    """In the place of a verb that nobody has asked for."""


def _without_verbs() -> typer.Typer:
    app = typer.Typer(
        name="syms",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    return app


def _tell_version(asked: bool) -> None:
    if asked:
        from commands._releases import own_name

        print(f"syms {own_name()}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Which release this is.")
    ] = False,
) -> None:
    """Master station of the full-view synchronized measurement system: receives what synchronised devices measure,
    aligns it in time, judges it and keeps it.
    """


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 it went wrong, 2 what was asked for is faulty (a file, an option)."""
    if parent := os.environ.pop("SYMS_PARENT", ""):  # a process of the station that has us do this
        _polite.end_with(int(parent))
        _polite.give_way()
    try:
        _asked(sys.argv[1] if len(sys.argv) > 1 else "")
    except KeyboardInterrupt:  # before a verb that has words of its own for it had begun
        print("syms: stopped", file=sys.stderr)
        sys.exit(130)


def _asked(asked: str) -> None:
    module = next((verb for verb in verbs() if verb.rstrip("_") == asked), None)
    if module is None:
        make_contents()(prog_name="syms")
    else:
        _do(module)


def _do(module: str) -> None:
    """Only the module that is asked for is imported: a verb that needs no HDF5 does not wait for it."""
    gc.disable()  # what is made while importing stays: looking for garbage in it is a tenth of a process's start
    from nodes._faults import Faulty
    from nodes._node import StartError

    app = make_app([module])
    gc.freeze()
    gc.enable()
    try:
        app(prog_name="syms")
    except Faulty as faulty:
        print(faulty, file=sys.stderr)
        sys.exit(2)
    except StartError as error:
        print(f"syms: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
