"""Random kills and stops of a station at work, judged from outside: nothing lost, nothing twice, all judged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(400)]

SEED = int(os.environ.get("CHAOS_SEED", "7"))


@pytest.mark.parametrize("seconds", [30, pytest.param(120, marks=pytest.mark.slow)])
def test_faults_of_all_kinds_lose_nothing(tmp_path: Path, seconds: int) -> None:
    command = [sys.executable, "-m", "tests.chaos", "--seconds", str(seconds), "--seed", str(SEED)]
    root = Path(__file__).parents[2]
    done = subprocess.run([*command, "--folder", str(tmp_path / "chaos")], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    words = done.stdout.splitlines()[-1].split()
    assert words[::2] == ["sent", "archived", "lost", "duplicated", "unreadable", "windows", "missed", "twice"]
    sent, archived, *losses, windows, missed, twice = map(int, words[1::2])
    assert sent == archived > 250 * seconds
    assert (windows > 2 * seconds, [*losses, missed, twice]) == (True, [0] * 5)
