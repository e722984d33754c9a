"""A study of an archive: what a pipeline would have found in it, as an archive of its own.

While it goes on, OUT.part holds what it is of (`study.json`), the verdicts so far and the archive that is being made.
A study that was broken off makes that archive anew, with the verdicts that are there: so its outcome is the same as
that of one that was not.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from archive import folder, layout
from archive.finish import finish_all
from archive.playback import Playback
from archive.reading import Extract, open_archive
from archive.spans import FIRST, LAST
from archive.writer import Archive
from commands._answers import Answers, Workers
from commands._chain import LATENCY, STEP, Chain
from commands._studied import StudyError, chain_of, judged_of, told_of
from nodes import archiver
from nodes._pipeline import Pipeline
from protocol.clock import SECOND, Now
from protocol.messages import Configuration, Event, Numbered, Outcome, Verdict

FORMAT = 1
"""Of what is kept in OUT.part."""
KEEP_EVERY = 60 * SECOND
"""What is found is brought to the disk so often, in time of the data."""
PART = ".part"
HEAD = "study.json"
Progress = Callable[[int, int, int], None]
"""Told (ns done, ns in all, windows judged)."""


@dataclass(frozen=True)
class Task:
    """What is studied."""

    archive: Path
    pipeline: Pipeline
    start: int
    """ns UTC; half-open."""
    stop: int
    out: Path
    asked: tuple[int, int] = (FIRST, LAST)
    """The span as it was asked for; where it has no end, `start` and `stop` are those of the rows at the first try."""

    @property
    def part(self) -> Path:
        """Where it grows."""
        return self.out.with_name(self.out.name + PART)

    @property
    def head(self) -> dict[str, Any]:
        """What makes it this study and no other one."""
        return {
            "format": FORMAT,
            "archive": str(self.archive.resolve()),
            "asked": list(self.asked),
            "start": self.start,
            "stop": self.stop,
            "step": STEP,
            "latency": LATENCY,
            "nodes": {spec.name: told_of(spec) for spec in chain_of(self.pipeline)},
            "site": hashlib.sha256(self.pipeline.site.text.encode()).hexdigest(),
        }


def task_of(archive: Path, pipeline: Pipeline, start: str | None, stop: str | None, out: Path | None) -> Task:
    """What is to be studied. A study that was broken off goes on with the span that it had. Raises StudyError,
    ArchiveError."""
    chain_of(pipeline)
    with open_archive(archive, start, stop) as extract:
        first = next(iter(extract.hours), 0) if extract.start == FIRST else extract.start
        name = f"{archive.name}-study-{pipeline.path.stem}-{layout.moment(first):%Y%m%dT%H%M%SZ}"
        out = out or archive.with_name(name)
        if out.exists():
            raise StudyError(f"{out} is there already; delete it, or name another folder with --out")
        asked = extract.start, extract.end
        low, high = _before(out, asked) or _span(extract)
    return Task(archive, pipeline, low, high, out, asked)


def _before(out: Path, asked: tuple[int, int]) -> tuple[int, int] | None:
    """The span of a study that was broken off, None if there is none. Raises StudyError if it is not what is asked."""
    path = out.with_name(out.name + PART) / HEAD
    if not path.exists():
        return None
    told = json.loads(path.read_text(encoding="utf-8"))
    if told.get("asked") != list(asked):
        raise StudyError(f"{path.parent} is of another time; delete it, or name another folder with --out")
    return told["start"], told["stop"]


def _span(extract: Extract) -> tuple[int, int]:
    """What is asked for, ends that are not told being those of the rows."""
    found = Playback(extract, STEP).span()
    if found is None:
        raise StudyError(f"{extract.root}: no rows in that time; see `syms export` for what there is")
    return found[0] if extract.start == FIRST else extract.start, found[1] if extract.end == LAST else extract.end


def run(task: Task, workers: int | None, progress: Progress) -> dict[str, Any]:
    """Make the study; returns what it came to. Raises StudyError, ArchiveError, OtherStudy, OSError."""
    begun = time.monotonic()
    with ExitStack() as stack:
        _prepare(task, stack)
        judges = {
            spec.name: (spec.settings, replace(task.pipeline.place(spec.processes[0]), site_file=None))
            for spec in chain_of(task.pipeline) if spec.kind == "detector"
        }  # fmt: skip
        pool = stack.enter_context(closing(Workers(judges, workers)))  # type: ignore[arg-type]
        answers = [stack.enter_context(closing(Answers(pool, task.part / name))) for name in ("first", "second")]
        found = stack.enter_context(closing(Found(task)))
        chain = Chain(task.pipeline, task.part / "archive", (answers[0], answers[1]), pool.count, found.take)
        with open_archive(task.archive, task.start, task.stop) as extract:
            for step in Playback(extract, STEP):
                chain.take(step)
                progress(step.stop - task.start, task.stop - task.start, found.windows)
        chain.finish(task.stop)
        found.finish(chain.now)
    finish_all(task.part / "archive")
    return _settled(task, found, time.monotonic() - begun)


def _prepare(task: Task, stack: ExitStack) -> None:
    """The folder, which is ours alone; what an earlier run made beside the verdicts is made anew."""
    task.part.mkdir(parents=True, exist_ok=True)
    stack.enter_context(closing(folder.Lock(task.part / "lock", "studies into")))
    head = task.part / HEAD
    told = json.dumps(task.head, indent=1)
    if head.exists() and head.read_text(encoding="utf-8") != told:
        raise StudyError(f"{task.part} holds a study with other settings; delete it, or name another folder with --out")
    shutil.rmtree(task.part / "archive", ignore_errors=True)
    temporary = head.with_suffix(".tmp")
    temporary.write_text(told, encoding="utf-8")
    os.replace(temporary, head)


class Found:
    """What is found, in an archive as an archiver of the pipeline would have made it, without the rows."""

    def __init__(self, task: Task) -> None:
        site = folder.site_text(task.archive)
        self._archive = Archive(task.part / "archive", site, judged=judged_of(task.pipeline), data=task.archive)
        self._settings = _archiver(task)
        self._keep_at = task.start
        self.windows = self.suspicious = self.events = 0
        self.unjudged = {Outcome.INCOMPLETE: 0, Outcome.FAILED: 0}
        """Windows, and answers of events, by why nobody judged them."""
        self.error = ""
        """Of the last one that failed."""
        self.devices: set[int] = set()

    def take(self, word: Numbered, at: int) -> None:
        """A word, and when it was said [ns]."""
        if isinstance(word, Configuration):
            self.devices.add(word.device)
        elif isinstance(word, Verdict):
            self.windows += 1
            self.suspicious += word.suspicious
            self._count(word)
        elif isinstance(word, Event):
            self.events += word.final
            self._count(word)
        self._archive.take(word)
        if not isinstance(word, Configuration) and at >= self._keep_at + KEEP_EVERY:
            self._keep_at = at
            self._keep(at)

    def _count(self, word: Verdict | Event) -> None:
        outcome = Outcome(word.outcome)
        if outcome in self.unjudged:
            self.unjudged[outcome] += 1
            self.error = word.error if outcome == Outcome.FAILED else self.error

    def _keep(self, at: int, everything: bool = False) -> None:
        now, (before, after) = Now(at, at), self._settings.clip
        self._archive.commit(now)
        if self._archive.write_events(now, self._settings.settle, -before, after, everything):
            self._archive.commit(now)

    def finish(self, at: int) -> None:
        """There is nothing more."""
        self._keep(at, everything=True)

    def close(self) -> None:
        self._archive.close()


def _archiver(task: Task) -> archiver.Settings:
    """Those of who keeps what the triggers say; else the usual ones."""
    triggers = {spec.name for spec in chain_of(task.pipeline) if spec.kind == "trigger"}
    for spec in task.pipeline.nodes.values():
        if isinstance(spec.settings, archiver.Settings) and triggers & set(spec.sources):
            return spec.settings
    return archiver.Settings(path=task.part)


def _settled(task: Task, found: Found, took: float) -> dict[str, Any]:
    """The study in its place."""
    made = task.part / "archive"
    span = (task.stop - task.start) / SECOND
    told = {
        "archive": str(task.archive), "pipeline": str(task.pipeline.path), "out": str(task.out),
        "from": _text(task.start), "to": _text(task.stop), "devices": len(found.devices), "windows": found.windows,
        "suspicious": found.suspicious, "incomplete": found.unjudged[Outcome.INCOMPLETE],
        "failed": found.unjudged[Outcome.FAILED], "error": found.error, "seconds": round(took, 3),
        "speed": round(span / took, 2), "device_seconds_per_second": round(len(found.devices) * span / took, 1),
    }  # fmt: skip
    (made / HEAD).write_text(json.dumps({**told, **task.head}, indent=1), encoding="utf-8")
    os.rename(made, task.out)
    shutil.rmtree(task.part)
    return told


def _text(moment: int) -> str:
    return f"{layout.moment(moment):%Y-%m-%dT%H:%M:%S.%fZ}"
