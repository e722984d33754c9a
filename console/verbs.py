"""What changes the station: the verbs of the command line, as child processes.

They write to files instead of pipes and are in a session of their own, so that a verb goes on to its end when it
restarts the very console that began it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console.logs import Tail

LOOK_EVERY = 0.2
"""Seconds between two looks at what a verb says."""
MOST_COPIES = 64
SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=[^\n\r\0]{0,200}")
ALGORITHM = re.compile(r"[a-z][a-z0-9_]*")


class VerbError(Exception):
    """A verb did not do what it was asked; the text is what it said of that."""


@dataclass(frozen=True)
class Verbs:
    """Of one pipeline file, in one runtime folder."""

    pipeline: Path
    run: str

    async def ask(self, *words: str) -> dict[str, Any]:
        """What a verb that only looks answers. Raises VerbError."""
        return await self.carry_out(words, lambda lines: None)

    async def carry_out(self, words: Sequence[str], on_lines: Callable[[list[str]], None]) -> dict[str, Any]:
        """Its document; `on_lines` gets what it says meanwhile. Raises VerbError."""
        command = [sys.executable, "-m", "commands", *words]
        environment = {**os.environ, "SYMS_RUN": self.run, "NO_COLOR": "1", "TERM": "dumb"}
        with tempfile.TemporaryDirectory(prefix="syms-verb-") as folder:
            answer, said = Path(folder, "answer"), Path(folder, "said")
            with open(answer, "wb") as out, open(said, "wb") as err:
                child = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, start_new_session=True
                )
            tail, over = Tail(said), False
            while not over:
                await _wait()
                over = child.poll() is not None
                if more := tail.more():
                    on_lines(more)
            text = answer.read_text(errors="replace")
            last = said.read_text(errors="replace").strip()
        if child.returncode:
            raise VerbError(last or text.strip() or f"it ended with {child.returncode}")
        return _document(text)

    # ── what there is to ask and do ─────────────────────────────────────────────────────────────────────────

    @property
    def _file(self) -> str:
        return str(self.pipeline)

    def draw(self) -> tuple[str, ...]:
        """The pipeline as it stands in its file."""
        return "draw", self._file, "--json"

    def algorithms(self) -> tuple[str, ...]:
        """Those that come with the station."""
        return "algorithms", "--json"

    def act(self, verb: str, name: str) -> tuple[str, ...]:
        """`start`, `stop` or `restart` a process or all of a node."""
        agreed = () if verb == "start" else ("--yes",)
        return verb, self._file, name, "--json", *agreed

    def scale(self, node: str, copies: int, agreed: bool) -> tuple[str, ...]:
        """So many copies of a node. Raises VerbError."""
        if not 1 <= copies <= MOST_COPIES:
            raise VerbError(f"1 to {MOST_COPIES} copies, not {copies}")
        return "scale", self._file, node, str(copies), "--json", _how(agreed)

    def swap(self, node: str, algorithm: str, settings: Sequence[str], agreed: bool) -> tuple[str, ...]:
        """Another algorithm for a node of detectors. Raises VerbError."""
        if not ALGORITHM.fullmatch(algorithm):
            raise VerbError(f"{algorithm!r} is no algorithm of the station")
        for each in settings:
            if not SETTING.fullmatch(each):
                raise VerbError(f"{each}: write NAME=VALUE")
        named = [f"--setting={each}" for each in settings]
        return "swap", self._file, node, f"--algorithm={algorithm}", *named, "--json", _how(agreed)

    def up(self, agreed: bool) -> tuple[str, ...]:
        """What runs follows the pipeline file."""
        return "up", self._file, "--json", _how(agreed)


async def _wait() -> None:
    try:
        await asyncio.sleep(LOOK_EVERY)
    except asyncio.CancelledError as ends:  # the audit log has these words
        raise asyncio.CancelledError("the console ended meanwhile; what was begun goes on without it") from ends


def _how(agreed: bool) -> str:
    return "--yes" if agreed else "--dry-run"


def _document(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        raise VerbError(text.strip() or "it said nothing") from None
    return found if isinstance(found, dict) else {"all": found}
