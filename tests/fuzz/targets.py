"""Everything that is fuzzed: by name, a function that raises when something is wrong, and inputs to begin with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.fuzz import chinese, files, frames, lives, measured, words

TARGETS: dict[str, Callable[[bytes], None]] = {
    **frames.TARGETS,
    **chinese.TARGETS,
    **measured.TARGETS,
    **lives.TARGETS,
    **words.TARGETS,
    **files.TARGETS,
}
REGRESSIONS = Path(__file__).parent / "regressions"
"""`<target>/<what it showed>`: inputs that once showed a fault."""


def seeds() -> dict[str, list[bytes]]:
    """Inputs to begin with, by target."""
    return {**frames.seeds(), **chinese.seeds(), **measured.seeds(), **lives.seeds(), **words.seeds(), **files.seeds()}


def regressions() -> list[tuple[str, Path]]:
    """(target, file) of the inputs that once showed a fault."""
    return [(path.parent.name, path) for path in sorted(REGRESSIONS.glob("*/*"))]
