"""The `syms` command: one verb per module beside this one, each with `register(app)`."""

from __future__ import annotations

import importlib
import sys

import typer

from nodes._faults import Faulty
from nodes._node import StartError

VERBS = (
    "demo",
    "up",
    "down",
    "status",
    "check",
    "draw",
    "schema",
    "decode",
    "replay",
    "simulate",
    "try_",
    "events",
    "export",
    "finish",
    "algorithms",
    "run",
)
"""Modules, in the order of `syms --help`."""


def make_app(verbs: tuple[str, ...] = VERBS) -> typer.Typer:
    """The command with these verbs; a module is imported only if its verb may be asked for."""
    app = typer.Typer(
        name="syms",
        help="Master station of the full-view synchronized measurement system.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for verb in verbs:
        importlib.import_module(f"commands.{verb}").register(app)
    return app


def _root() -> None:
    """Receives, aligns, judges and keeps what synchronised devices measure."""


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 it went wrong, 2 what was asked for is faulty (a file, an option)."""
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    module = "try_" if asked == "try" else asked
    app = make_app((module,)) if module in VERBS else make_app()
    try:
        app(prog_name="syms")
    except Faulty as faulty:
        for fault in faulty.faults:
            print(fault, file=sys.stderr)
        sys.exit(2)
    except StartError as error:
        print(f"syms: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
