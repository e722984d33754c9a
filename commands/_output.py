"""What verbs share when they speak: JSON for programs, faults for people."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleDimensions

PipelineFile = Annotated[Path, typer.Argument(metavar="PIPELINE", help="Pipeline file, as pipelines/station.yaml.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of text for people.")]
HostName = Annotated[
    str,
    typer.Option(
        "--host",
        envvar="SYMS_HOST",
        help="Which host of the pipeline this is, where it has several; else the one whose key lies here.",
    ),
]

WIDE = 160
"""Columns of what is piped or redirected: no terminal is there to be narrow."""


class _Console(Console):
    @property  # type: ignore[misc]  # nobody sets it
    def size(self) -> ConsoleDimensions:
        """What COLUMNS says now, else the terminal; without one WIDE."""
        said, found = os.environ.get("COLUMNS", ""), super().size
        if said.isdigit():
            return ConsoleDimensions(int(said), found.height)
        return found if self.is_terminal else ConsoleDimensions(WIDE, found.height)


console = _Console()
"""Results, for people."""
notes = Console(stderr=True)
"""Progress and remarks, so that results can be piped."""
TELL_EVERY = 30.0
"""Seconds between two lines of progress where no terminal is."""


def print_json(data: Any) -> None:
    """One JSON document on stdout. NaN, which JSON lacks, becomes null."""
    print(json.dumps(_without_nan(data), ensure_ascii=False, default=str), flush=True)


def _without_nan(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _without_nan(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_without_nan(value) for value in data]
    return None if isinstance(data, float) and data != data else data


@contextmanager
def progress(what: str, clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[str], None]]:
    """To be called with how far it is: one line that changes, on a terminal; without one a line every half minute."""
    if notes.is_terminal:
        with notes.status(what) as status:
            yield status.update
        return
    told = clock()

    def tell(how_far: str) -> None:
        nonlocal told
        if clock() >= told + TELL_EVERY:
            told = clock()
            notes.print(how_far, soft_wrap=True, highlight=False, markup=False)

    yield tell


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar of progress on a terminal: to be called with (done, all), both in bytes."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notes, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, all_: progress.update(task, completed=done, total=all_)
