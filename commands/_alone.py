"""Runs a node without a pipeline: the simulator or the replayer against any station."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import typer
from pydantic import ValidationError
from rich.live import Live
from rich.text import Text

from commands._logs import configure_logs
from commands._output import notes, print_json
from nodes._node import Node, Place
from nodes._runtime import read_clock, run_alone
from nodes._settings import Settings

ALONE = Place(name="alone", node="alone", copy=1, readers_of={}, sources={}, run="", site={}, pipeline="")


def checked(model: type[Settings], options: dict[str, Any]) -> Any:
    """Settings from options of the command line (those not None). Faults go to stderr, exit code 2."""
    try:
        return model.model_validate({name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        for each in error.errors():
            option = "--" + str(each["loc"][0]).replace("_", "-") + ": " if each["loc"] else ""
            print(f"syms: {option}{each['msg']}", file=sys.stderr)
        raise typer.Exit(2) from None


def run(node: Node, kind: str, as_json: bool) -> NoReturn:
    """Run until the work is over or Ctrl-C, showing how it goes; a summary at the end. Leaves with an exit code."""
    configure_logs()
    if as_json or not notes.is_terminal:
        code = run_alone(node, kind)
    else:
        with Live(console=notes, auto_refresh=False, transient=True) as live:
            code = run_alone(node, kind, lambda: live.update(_line(node), refresh=True))
    summary = node.health(read_clock())
    if as_json:
        print_json(_summary(kind, summary))
    else:
        print(_line(node).plain)
    # A station that never answered, or a capture left half played, is no success.
    complete = summary["counters"].get("done", summary["counters"]["connects"])
    raise typer.Exit(code or int(not complete))


def _line(node: Node) -> Text:
    health = node.health(read_clock())
    counters = health["counters"]
    shown = {name: value for name, value in counters.items() if value or name in ("sent", "connected")}
    text = Text(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items()))
    for alarm in health["alarms"]:
        text.append(f"\n{alarm}", style="yellow")
    return text


def _summary(kind: str, health: dict[str, Any]) -> dict[str, Any]:
    each = zip(health["labels"], health["counts"], strict=True)
    devices = [{"device": label, **dict(zip(health["columns"], counts, strict=True))} for label, counts in each]
    return {"kind": kind, **health["counters"], "devices": devices, "alarms": health["alarms"]}
