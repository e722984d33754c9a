"""How verbs speak."""

from __future__ import annotations

import pytest

from commands._output import TELL_EVERY, progress


def test_without_a_terminal_progress_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    now = 100.0
    with progress("judging", lambda: now) as tell:
        for _ in range(5):
            now += TELL_EVERY / 2 - 0.5
            tell(f"at {now:.1f} [s]")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["at 143.5 [s]"]
