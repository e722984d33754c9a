"""Random kills and stops of a station at work, judged from outside: nothing lost, nothing twice, all judged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

SECONDS, SEED = 60, int(os.environ.get("CHAOS_SEED", "7"))


def test_a_minute_of_faults_loses_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.chaos", "--seconds", str(SECONDS), "--seed", str(SEED)]
    root = Path(__file__).parents[2]
    done = subprocess.run([*command, "--folder", str(tmp_path / "chaos")], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    words = done.stdout.splitlines()[-1].split()
    assert words[::2] == ["sent", "archived", "lost", "duplicated", "unreadable", "windows", "missed", "twice"]
    sent, archived, *losses, windows, missed, twice = map(int, words[1::2])
    assert sent == archived > 10_000
    assert (windows > 100, [*losses, missed, twice]) == (True, [0] * 5)
