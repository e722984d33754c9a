"""`syms check`: every fault of a pipeline file and its site file, all at once, before anything starts."""

from __future__ import annotations

import typer

from commands._output import AsJson, PipelineFile, print_json
from nodes._faults import Faulty
from nodes._pipeline import load


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(check)


def check(pipeline: PipelineFile, as_json: AsJson = False) -> None:
    """Check a pipeline file. Every fault is `file:line: what is wrong; the remedy`; exit 2 if there is one."""
    try:
        checked = load(pipeline)
    except Faulty as faulty:
        if as_json:
            print_json({"ok": False, "faults": [fault.as_dict() for fault in faulty.faults]})
            raise typer.Exit(2) from None
        raise
    if as_json:
        print_json({"ok": True, "faults": [], "processes": list(checked.processes), "run": checked.run})
    else:
        print(f"{pipeline}: {len(checked.nodes)} nodes, {len(checked.processes)} processes, no faults")
