"""The end of a log, and what comes after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.logs import REACH, Tail


def test_the_last_lines_that_hold_a_text(tmp_path: Path) -> None:
    log = tmp_path / "align.log"
    log.write_text("".join(f"{number} {'WARNING' if number % 3 == 0 else 'info'}\n" for number in range(20)) + "half")
    assert Tail(log).last(2) == ["18 WARNING", "19 info"]
    assert Tail(log).last(3, "warning") == ["12 WARNING", "15 WARNING", "18 WARNING"]


def test_it_follows_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "align.log"
    log.write_text("one\nha")
    tail = Tail(log)
    assert tail.last(10) == ["one"]
    assert tail.more() == []
    with open(log, "a") as file:
        file.write("lf\ntwo\nthr")
    assert tail.more() == ["half", "two"]
    assert tail.more() == []


def test_a_log_that_begins_anew_is_followed(tmp_path: Path) -> None:
    log = tmp_path / "align.log"
    log.write_text("old\nolder\n")
    tail = Tail(log)
    tail.last(10)
    log.rename(tmp_path / "align.log.1")
    log.write_text("new\n")
    assert tail.more() == ["new"]


def test_a_long_log_is_not_read_whole(tmp_path: Path) -> None:
    log = tmp_path / "align.log"
    log.write_bytes(b"x" * 99 + b"\n" + b"y" * 99 + b"\n" * 1 + (b"z" * 99 + b"\n") * (REACH // 100))
    found = Tail(log).last(10**6)
    assert set(found) == {"z" * 99}


def test_who_has_no_log_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none"):
        Tail(tmp_path / "none.log").last(1)
