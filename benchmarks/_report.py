"""How a benchmark tells what it measured: one Markdown section on stdout, progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any


def progress(text: str) -> None:
    """What is being done, for who waits."""
    print(text, file=sys.stderr, flush=True)


def section(title: str, module: str, *parts: str) -> None:
    """Print it: a title, the command that was run, paragraphs and tables."""
    command = " ".join(["python -m", module, *sys.argv[1:]])
    print(f"## {title}\n\n`{command}`\n")
    print("\n\n".join(part for part in parts if part), flush=True)


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; all columns but the first are numbers."""
    lines = [
        list(map(str, heads)),
        ["---", *["---:"] * (len(heads) - 1)],
        *([str(cell) for cell in row] for row in rows),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def goal(what: str, held: bool) -> str:
    """A goal and whether it was reached in this run."""
    return f"goal: {what}: {'held' if held else 'not held'}"


def goals(*each: str) -> str:
    """Several, a line each."""
    return "\n".join(f"- {line}" for line in each)
