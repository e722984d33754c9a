"""Texts of a pipeline file that processes run by, in the runtime folder: what runs does not change with an edit."""

from __future__ import annotations

import hashlib
from pathlib import Path

from nodes._node import StartError
from nodes._pipeline import Pipeline, load

FOLDER = "wirings"


def name_of(text: str) -> str:
    """The name that a text has there."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def place(run: str | Path, name: str) -> Path:
    """Where it lies."""
    return Path(run, FOLDER, f"{name}.yaml")


def keep(pipeline: Pipeline) -> str:
    """Keep the text of a pipeline file; returns its name."""
    name = name_of(pipeline.text)
    path = place(pipeline.run, name)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if not path.exists():
        fresh = path.with_suffix(".new")
        fresh.write_text(pipeline.text, newline="")
        fresh.replace(path)
    return name


def follow(run: str | Path, process: str, name: str) -> None:
    """A process that was left alone in a change starts again, if it must, by the new text."""
    fresh = Path(run, FOLDER, f".{process}")
    fresh.write_text(name)
    fresh.replace(Path(run, FOLDER, process))


def followed(run: str | Path, process: str) -> str:
    """Name of the text that a process starts by in the place of its own; "" if by its own."""
    path = Path(run, FOLDER, process)
    return path.read_text() if path.exists() else ""


def follow_no_more(run: str | Path, process: str) -> None:
    """It is to be started by a text that its program names."""
    Path(run, FOLDER, process).unlink(missing_ok=True)


def recall(pipeline: Pipeline, name: str) -> Pipeline:
    """The pipeline that a kept text describes. Raises StartError, Faulty."""
    path = place(pipeline.run, name)
    if not path.exists():
        raise StartError(f"{path} is gone: what runs can't be compared; syms down {pipeline.path}, then syms up")
    return load(pipeline.path, here=pipeline.here, standing=True, wired=path)
