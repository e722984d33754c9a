"""The rows of one hour, wherever they are: its finished file and its parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from archive import layout
from archive.folder import ArchiveError
from archive.merging import joined, joined_aside
from archive.sources import AsideRows, Joined, open_finished, open_part
from protocol.messages import Table


@contextmanager
def opened_hour(root: Path, hour: int) -> Iterator[tuple[list[Joined], list[tuple[Table, AsideRows]]]]:
    """(placed rows by table, rows set aside by table) of one hour."""
    with ExitStack() as stack:
        file, parts = _open_hour(root, hour, stack)
        yield [rows for _, rows in joined(file, parts)], list(joined_aside(file, parts))


def _open_hour(root: Path, hour: int, stack: ExitStack) -> tuple[Any, list[Any]]:
    """Parts first: those merged and deleted meanwhile are then in the finished file."""
    for _ in range(5):
        try:
            with ExitStack() as attempt:
                paths = sorted(layout.live_folder(root, hour).glob("*.h5"))
                paths = [path for path in paths if not layout.ledger_of(path)]
                parts = [attempt.enter_context(closing(open_part(path))) for path in paths]
                path = layout.finished_path(root, hour)
                file = attempt.enter_context(open_finished(path)) if path.exists() else None
                stack.push(attempt.pop_all())
                return file, parts
        except FileNotFoundError:
            continue
    raise ArchiveError(f"{root}: the files of {layout.hour_name(hour)} are changing; try again")
