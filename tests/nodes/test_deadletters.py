from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from nodes._deadletters import DeadLetters
from protocol.clock import SECOND, Now
from protocol.messages import Window

NOW = Now(0, 1_700_000_000 * SECOND)


def window(device: int, start: int) -> Window:
    values = np.ones((1, 1, 4), np.float32)
    return Window(
        "windows",
        1,
        1,
        np.array([device], np.uint32),
        start,
        50,
        ["frequency"],
        values,
        np.zeros((1, 4), np.uint8),
        1.0,
    )


def lines(path: Path) -> list[int]:
    found = []
    for line in path.read_text().splitlines():
        try:
            found.append(json.loads(line)["start"])
        except ValueError:
            found.append(-1)
    return found


def test_one_that_an_earlier_life_wrote_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "windows.jsonl"
    first = DeadLetters(path)
    first.expect([(1, 10, 4)])
    first.keep(window(1, 10), 1, 3, "boom", NOW)
    first.keep(window(2, 10), 2, 3, "boom", NOW)
    second = DeadLetters(path)
    second.expect([(1, 10, 4), (1, 11, 4)])
    for start in (10, 11):
        second.keep(window(1, start), 1, 3, "boom", NOW)
    assert lines(path) == [10, 10, 11]
    assert second.trouble == ""


def test_a_torn_line_spoils_no_other_and_its_letter_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "windows.jsonl"
    first = DeadLetters(path)
    first.keep(window(1, 10), 1, 3, "boom", NOW)
    first.keep(window(1, 11), 1, 3, "boom", NOW)
    path.write_bytes(path.read_bytes()[:-5])
    second = DeadLetters(path)
    second.expect([(1, 10, 4), (1, 11, 4)])
    second.keep(window(1, 11), 1, 3, "boom", NOW)
    second.keep(window(1, 12), 1, 3, "boom", NOW)
    assert lines(path) == [10, -1, 11, 12]


def test_what_cannot_be_written_is_told_and_heals(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "windows.jsonl"
    (tmp_path / "folder").write_text("")
    letters = DeadLetters(path)
    letters.keep(window(1, 10), 1, 3, "boom", NOW)
    assert "dead letters are not kept" in letters.trouble
    (tmp_path / "folder").unlink()
    letters.keep(window(1, 11), 1, 3, "boom", NOW)
    assert (letters.trouble, lines(path)) == ("", [11])


def test_two_files_are_kept_at_most_and_both_are_known_to_the_next_life(tmp_path: Path) -> None:
    path = tmp_path / "windows.jsonl"
    letters = DeadLetters(path, limit=1)
    for start in (10, 11, 12):
        letters.keep(window(1, start), 1, 3, "boom", NOW)
    older = path.with_name("windows.jsonl.1")
    assert (lines(older), lines(path), len(list(tmp_path.iterdir()))) == ([11], [12], 2)
    successor = DeadLetters(path)
    successor.expect([(1, 11, 4), (1, 12, 4)])
    for start in (11, 12):
        successor.keep(window(1, start), 1, 3, "boom", NOW)
    assert (lines(older), lines(path)) == ([11], [12])
