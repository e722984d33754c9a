"""`syms check`: every fault of a pipeline file and its site file, all at once, before anything starts."""

from __future__ import annotations

from typing import Any

import typer

from commands._output import AsJson, PipelineFile, print_json
from nodes import _yaml
from nodes._certificates import TlsFault
from nodes._faults import Fault, Faulty
from nodes._frontsettings import Settings, Unfit, check_site
from nodes._pipeline import Pipeline, load


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(check)


def check(pipeline: PipelineFile, as_json: AsJson = False) -> None:
    """Check a pipeline file. Every fault is `file:line: what is wrong; the remedy`; exit 2 if there is one."""
    try:
        checked = load(pipeline)
        _check_certificates(checked, str(pipeline))
    except Faulty as faulty:
        if as_json:
            print_json({"ok": False, "faults": [fault.as_dict() for fault in faulty.faults]})
            raise typer.Exit(2) from None
        raise
    if as_json:
        told: dict[str, Any] = {"processes": list(checked.processes), "run": checked.run}
        if checked.hosts:
            told["hosts"] = {name: _processes_on(checked, name) for name in checked.hosts}
        print_json({"ok": True, "faults": [], **told})
    else:
        hosts = f"{len(checked.hosts)} hosts, " if checked.hosts else ""
        print(f"{pipeline}: {hosts}{len(checked.nodes)} nodes, {len(checked.processes)} processes, no faults")


def _check_certificates(pipeline: Pipeline, shown: str) -> None:
    """Files that only this verb looks into: a process that is up must start again whatever became of them."""
    for node in pipeline.nodes.values():
        if node.host == pipeline.here:
            try:
                if isinstance(node.settings, Settings):
                    check_site(node.settings, pipeline.site)
                elif tls := getattr(node.settings, "tls", None):
                    tls.check()
            except (TlsFault, Unfit) as fault:
                what, _, remedy = str(fault).partition("; ")
                line = _yaml.read(pipeline.path)[1].line(("nodes", node.name))
                raise Faulty([Fault(shown, line, f"{node.name}: {what}", remedy)]) from fault


def _processes_on(pipeline: Pipeline, host: str) -> list[str]:
    return [process for process, node in pipeline.processes.items() if node.host == host]
