"""`syms study`: judge an archive or recorded scenarios as the station would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from commands import _polite
from commands._output import AsJson, console, notes, print_json, progress


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(study)


def study(
    archive: Annotated[
        Path | None, typer.Argument(metavar="[ARCHIVE]", help="Folder of an archive; its station may be running.")
    ] = None,
    pipeline: Annotated[
        Path | None, typer.Option(metavar="PIPELINE", help="Pipeline file whose triggers and detectors judge.")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help="ISO 8601, as 2026-05-06T07:00Z.")] = None,
    stop: Annotated[str | None, typer.Option("--to", help="Up to this time, not included.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for what is found; default beside the archive.")
    ] = None,
    scenarios: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of scenarios to judge.")] = None,
    predictions: Annotated[
        Path | None, typer.Option(metavar="OUT.json", help="Where to write what was judged; broken off, it goes on.")
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A B", help="Tell how two files of predictions, or two studies, differ."),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default one for each core.")] = None,
    as_json: AsJson = False,
) -> None:
    """Judge an archive, or recorded scenarios, with the station's own algorithms, as fast as the cores allow.

    ARCHIVE with --pipeline: the triggers and detectors of the pipeline go over its rows, and what they find becomes
    an archive of its own. What was judged already stands in OUT.part until all is done: the same command goes on there.
    """
    if compare is not None:
        _compare(*compare, as_json)
    elif archive is not None and pipeline is not None:
        _polite.give_way()
        _archive(archive, pipeline, (start, stop), out, workers, as_json)
    elif scenarios is not None and predictions is not None:
        _polite.give_way()
        _judge(scenarios, predictions, pipeline, workers, as_json)
    else:
        raise typer.BadParameter("say ARCHIVE and --pipeline, --scenarios and --predictions, or --compare A B")


def _archive(
    archive: Path,
    file: Path,
    span: tuple[str | None, str | None],
    out: Path | None,
    workers: int | None,
    as_json: bool,
) -> None:
    part = None
    try:
        from archive.folder import ArchiveError
        from commands._answers import OtherStudy, WorkerDied
        from commands._archivestudy import run, task_of
        from commands._studied import StudyError
        from nodes._pipeline import load

        task = task_of(archive, load(file), *span, out)
        part = task.part
        with progress("reading") as tell:

            def show(done: int, whole: int, windows: int) -> None:
                tell(f"{done / whole:.1%}: {done / 60e9:.1f} of {whole / 60e9:.1f} min, {windows} windows judged")

            result = run(task, workers, show)
    except KeyboardInterrupt:  # first: it may come while the other ones are imported
        raise _stopped(part) from None
    except (StudyError, OtherStudy, WorkerDied, ArchiveError, OSError) as error:
        typer.echo(f"syms: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        print_json(result)
        return
    counts = f"{result['windows']} windows of {result['devices']} devices, {result['suspicious']} suspicious"
    counts += f", {result['incomplete']} incomplete" if result["incomplete"] else ""
    console.print(f"{counts}; {result['speed']:.0f} times as fast as it happened: {task.out}", soft_wrap=True)
    console.print(f"syms events {task.out}", soft_wrap=True)
    if result["failed"]:
        notes.print(f"{result['failed']} could not be judged, the last one: {result['error']}", soft_wrap=True)


def _judge(directory: Path, out: Path, pipeline: Path | None, workers: int | None, as_json: bool) -> None:
    part = out.with_name(out.name + ".part")
    try:
        from archive.scenarios import Folder, ScenarioError
        from commands._predictions import predictions
        from commands._studied import StudyError, together_of
        from nodes._pipeline import load

        if not out.parent.is_dir():
            raise StudyError(f"{out.parent}: no such folder; make it, or name another file with --predictions")
        folder = Folder(directory)
        if folder.unplaced:
            what = f"{directory / 'devices.json'} tells no position of {', '.join(folder.unplaced)}"
            notes.print(f"{what}: nothing is placed by them", soft_wrap=True, highlight=False)
        judge = None if pipeline is None else together_of(load(pipeline))
        made = {}
        with progress("judging") as tell:
            for name, prediction in predictions(folder, part, workers, judge):
                made[name] = prediction
                tell(f"{len(made)} of {len(folder.scenarios)} windows judged")
    except KeyboardInterrupt:
        raise _stopped(part) from None
    except (ScenarioError, StudyError, OSError) as error:
        typer.echo(f"syms: {error}", err=True)
        raise typer.Exit(2) from None
    ordered = {scenario.id: made[scenario.id] for scenario in folder.scenarios}
    out.write_text(json.dumps(ordered, indent=1), encoding="utf-8")
    part.unlink(missing_ok=True)
    events = sum(bool(prediction["disturbance"]) for prediction in ordered.values())
    raised = (prediction["detail"].get("error") for prediction in ordered.values())
    errors = [each for each in raised if each]
    if as_json:
        print_json({"windows": len(ordered), "disturbances": events, "failed": len(errors), "predictions": str(out)})
    else:
        console.print(f"{len(ordered)} windows, {events} with a disturbance: {out}", soft_wrap=True)
    if errors:
        notes.print(f"{len(errors)} could not be judged, the last one: {errors[-1]}", soft_wrap=True, highlight=False)


def _stopped(part: Path | None) -> typer.Exit:
    """Ctrl-C: says where what was judged stands, if it came to that."""
    begun = part is not None and part.exists()
    where = f"what was judged is in {part}, and the same command goes on from there" if begun else "nothing was judged"
    notes.print(f"stopped; {where}", soft_wrap=True, highlight=False)
    return typer.Exit(130)


def _compare(one: Path, other: Path, as_json: bool) -> None:
    from commands._comparison import Unreadable, compared, table

    try:
        found = compared(one, other)
    except Unreadable as error:
        typer.echo(f"syms: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        print_json(found)
    elif found:
        console.print(table(found, str(one), str(other)))
    else:
        console.print("nothing is judged differently")
