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


def recall(pipeline: Pipeline, name: str) -> Pipeline:
    """The pipeline that a kept text describes. Raises StartError, Faulty."""
    path = place(pipeline.run, name)
    if not path.exists():
        raise StartError(f"{path} is gone: what runs can't be compared; syms down {pipeline.path}, then syms up")
    return load(pipeline.path, here=pipeline.here, standing=True, wired=path)
