"""Verbs that change one node of a pipeline: the file is edited, and what runs follows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from commands import _supervise
from commands._agreeing import Change, agreed
from commands._output import print_json
from commands._pipelinefile import edited
from commands.up import wait_until_up
from nodes import _yaml
from nodes._faults import Faulty, suggestion
from nodes._pipeline import load


def entry_of(path: Path, node: str) -> dict[str, Any]:
    """What stands in the file about a node. Raises Faulty, typer.BadParameter."""
    data, lines, _ = _yaml.read(path, limit=_yaml.MAX_WIRING)
    if lines.faults:
        raise Faulty(lines.faults)
    nodes = data.get("nodes") if isinstance(data, dict) else None
    entries = nodes if isinstance(nodes, dict) else {}
    if not isinstance(entries.get(node), dict):
        raise typer.BadParameter(f"{path} has no node {node!r}: {suggestion(node, entries)}", param_hint="NODE")
    entry: dict[str, Any] = entries[node]
    return entry


def take_up(
    path: Path, host: str, node: str, settings: dict[str, Any], as_json: bool, yes: bool, dry_run: bool
) -> None:
    """Show what comes of it, ask, write it into the file, and change what runs. What is faulty changes nothing."""
    entry_of(path, node)
    draft = edited(path, load(path, here=host, standing=True).text, node, settings)
    wanted = draft.check(host)
    server = _supervise.supervisor_of(wanted.run)
    if server is None:
        if not dry_run:
            draft.write()
        print_json({"run": wanted.run, "plan": None}) if as_json else print(f"{path} is not up: its file alone changes")
        return
    change = Change(wanted, server)
    if not agreed(change, as_json, yes, dry_run):
        return
    draft.write()
    change.carry_out()
    states = wait_until_up(wanted)
    if as_json:
        print_json({"run": wanted.run, "processes": states, "plan": change.plan.told()})
    else:
        print(f"{path} is as its file says now: {len(states)} processes run")
