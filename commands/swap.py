"""`syms swap`: another algorithm, or other settings of it, for detectors that run; no window is lost."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from commands._agreeing import DryRun, Yes
from commands._editing import entry_of, take_up
from commands._output import AsJson, HostName, PipelineFile
from nodes import _yaml

Settings = Annotated[list[str] | None, typer.Option("--setting", help="NAME=VALUE of the algorithm; say it again.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(swap)


def swap(
    pipeline: PipelineFile,
    node: Annotated[str, typer.Argument(help="Name of a detector node, as prejudge.")],
    algorithm: Annotated[str, typer.Option("--algorithm", help="Name, or file; the present one if left out.")] = "",
    setting: Settings = None,
    host: HostName = "",
    as_json: AsJson = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Write another algorithm into the pipeline file; if the pipeline runs, new detectors take over from the old ones.

    Another algorithm begins with its defaults and the settings named; the present one keeps what is not named.
    """
    entry = entry_of(pipeline, node)
    if entry.get("kind") != "detector":
        raise typer.BadParameter(f"{node} is a {entry.get('kind')}; detectors have algorithms", param_hint="NODE")
    changed: dict[str, Any] = {}
    former = entry.get("settings") or {}
    if algorithm and algorithm != entry.get("algorithm", "emd"):
        changed, former = {"algorithm": algorithm}, {}
    wanted = {**former, **dict(_named(each) for each in setting or ())}
    if wanted != (entry.get("settings") or {}):
        changed["settings"] = wanted
    if not changed:
        raise typer.BadParameter("nothing is to be changed: name an --algorithm, or a --setting")
    take_up(pipeline, host, node, changed, as_json, yes, dry_run)


def _named(setting: str) -> tuple[str, Any]:
    name, sign, value = setting.partition("=")
    if not sign or not name:
        raise typer.BadParameter(f"{setting}: write NAME=VALUE", param_hint="--setting")
    return name, _yaml.scalar(value)
