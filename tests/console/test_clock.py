"""One clock: what time it is is handed to the console, but for the thread of its web server."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import console

ROOM = Path(console.__file__).parent
READS = {"monotonic", "monotonic_ns", "time", "time_ns", "perf_counter", "now", "utcnow", "today"}
OF = {"time", "datetime", "date"}


def readings(path: Path) -> Iterator[str]:
    """Where a file reads a clock itself, called or handed on."""
    for each in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
            if each.value.id in OF and each.attr in READS:
                yield f"{path.relative_to(ROOM)}:{each.lineno}"
        elif isinstance(each, ast.ImportFrom) and each.module == "time":
            yield from (f"{path.relative_to(ROOM)}:{each.lineno}" for name in each.names if name.name in READS)


def test_only_the_web_server_reads_it() -> None:
    found = {where.partition(":")[0] for path in sorted(ROOM.rglob("*.py")) for where in readings(path)}
    assert found == {"server.py"}
