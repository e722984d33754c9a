"""A process that is killed at any moment has on its next start what it had been told was written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from archive.journal import Journal

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
KILLS = 10
LIFE = """
import sys
from pathlib import Path
from archive.journal import Note
from nodes._keeper import Keeper
from protocol.clock import Now

keeper = Keeper(Path(sys.argv[1]), keep=1 << 30, age=1 << 60, segment=20_000, patience=60_000_000_000)
state = max([int(record.data) for record in keeper.records() if isinstance(record, Note)], default=0)
epoch = keeper.last_epoch + 1
print("began", epoch, state, flush=True)
keeper.open(epoch, Now(0, epoch), lambda: [b"%d" % state])
for number in range(10_000):
    state += 1
    assert keeper.commit(number, [[b"TAG", b"%d" % state, bytes(state % 9000)]], [b"%d" % state], Now(0, epoch))
    print(number, state, flush=True)
"""
"""Each word is a count that goes on over lives."""


def live(folder: Path, lines: int) -> list[list[str]]:
    """What a process said that was killed after so many lines, and what came between."""
    process = subprocess.Popen(
        [sys.executable, "-c", LIFE, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout as out:
        said = [out.readline().split() for _ in range(lines)]
        process.kill()
        said += [line.split() for line in out]
    process.wait(30)
    return [each for each in said if len(each) > 1]


def test_killed_again_and_again_nothing_that_was_written_is_missing(tmp_path: Path) -> None:
    chance = Random(5)
    folder = tmp_path / "journal"
    told: dict[tuple[int, int], int] = {}
    for kill in range(KILLS):
        (began, epoch, state), *rest = live(folder, chance.randrange(1, 120))
        assert (began, int(epoch)) == ("began", kill)
        assert int(state) >= max(told.values(), default=0)
        told |= {(kill, int(number)): int(count) for number, count in rest}
    journal = Journal(folder)
    held = {
        (epoch, number): int(parts[1])
        for epoch, first, last in journal.epochs
        for number, parts in journal.fetch(epoch, first, last)
    }
    assert told.items() <= held.items()
    assert len(held) - len(told) <= KILLS  # one a life was written and not yet told
    assert sorted(held.values()) == list(range(1, len(held) + 1))
    assert journal.files > KILLS
