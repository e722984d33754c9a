"""Whoever reads the logs can neither end nor hold up the process that writes them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from commands._logs import Lines

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
