"""What of a pipeline runs: its processes' command lines name the wiring that each was started by."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from commands import _supervise, _wirings
from commands._plan import Running
from nodes._node import StartError
from nodes._pipeline import Pipeline


def running(pipeline: Pipeline, server: _supervise.Supervisor) -> list[Running]:
    """All processes of the pipeline that supervisord has, whether they run or not. Raises StartError, Faulty."""
    commands = server.commands()
    wirings: dict[str, Pipeline] = {}
    found = []
    for name, info in server.states().items():
        if name in _supervise.OWN:
            continue
        words = _spoken(info) or shlex.split(commands.get(name, ""))
        if str(pipeline.path) not in words or "run" not in words:
            continue  # another program of the same supervisord
        wiring = _wirings.followed(pipeline.run, name) or _after(words, "--wiring")
        if not wiring:
            raise StartError(f"{name} was started by an earlier release: syms down {pipeline.path}, then syms up")
        if wiring not in wirings:
            wirings[wiring] = _wirings.recall(pipeline, wiring)
        found.append(Running(name, wirings[wiring], words[-1], "--leave" in words))
    return found


def _spoken(info: dict[str, Any]) -> list[str]:
    """The words of the command line of a process that lives; none if it does not, or is just being started."""
    try:
        words = Path(f"/proc/{info['pid']}/cmdline").read_bytes().decode().split("\0")[:-1] if info["pid"] else []
    except (OSError, ValueError):
        return []
    return words if "run" in words else []


def _after(words: Sequence[str], option: str) -> str:
    """The value of an option."""
    return next((value for key, value in pairwise(words) if key == option), "")
