"""Whoever reads the logs can neither end nor hold up the process that writes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands._logs import FORMAT, Lines

ROOT = Path(__file__).parents[2]

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(writer)


def test_lines_are_written(pipe: Pipe) -> None:
    reader, writer = pipe
    lines = Lines(writer)
    lines.write("one\n")
    lines.write("two \udcff\n")
    lines.flush()
    assert os.read(reader, 100) == b"one\ntwo \\udcff\n"
    os.close(reader)


def test_nobody_reads_any_more(pipe: Pipe) -> None:
    reader, writer = pipe
    lines = Lines(writer)
    os.close(reader)
    for _ in range(3):
        assert lines.write("lost\n") == 5
    assert lines.left_out == 3


def test_who_reads_stands_still(pipe: Pipe) -> None:
    """A full pipe holds nobody up; no line is torn, and what is missing is told once there is room."""
    reader, writer = pipe
    lines = Lines(writer)
    line = "x" * 5000 + "\n"
    for _ in range(50):
        lines.write(line)
    assert 30 < lines.left_out < 50
    before, left_out = b"", lines.left_out
    os.set_blocking(reader, False)
    while len(before) < 50 * 5001:
        lines_read = _all(reader)
        if not lines_read:
            break
        before += lines_read
    lines.write("there\n")
    came = (before + _all(reader)).decode().splitlines()
    assert came[-2:] == [f"{left_out} lines before this one could not be written", "there"]
    assert set(came[:-2]) == {line.strip()}
    assert len(came) == 50 - left_out + 2
    os.close(reader)


def _all(reader: int) -> bytes:
    try:
        return os.read(reader, 1 << 20)
    except BlockingIOError:
        return b""


def logged(form: str) -> subprocess.CompletedProcess[str]:
    """A line of a process that has a verdict in hand."""
    code = (
        "import structlog; from commands._logs import configure_logs; from nodes._logged import InHand;"
        "from tests.archives import verdict; configure_logs();"
        "InHand.message = verdict(1, 5, node='windows', number=7);"
        "structlog.get_logger().bind(node='suspects').warning('told', device='Hub A', said=b'x')"
    )
    environment = os.environ | {FORMAT: form}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=ROOT)


def test_a_line_as_json_tells_what_was_in_hand() -> None:
    line = json.loads(logged("json").stderr)
    told = {"event": "told", "level": "warning", "node": "suspects", "writer": "windows", "number": 7, "lease": 1}
    assert told.items() <= line.items()
    assert line["device"] == "Hub A", "what the line says itself goes before"
    assert line["timestamp"].endswith("Z")


def test_a_line_as_text_has_the_same() -> None:
    text = logged("text").stderr
    assert "told" in text
    assert "writer=windows" in text


def test_a_format_that_there_is_none_of_is_named() -> None:
    assert "SYMS_LOGS=xml: there are json and text" in logged("xml").stderr
