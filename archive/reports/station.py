"""How the station itself was: processes that began anew, room on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from archive import layout
from archive.answers import EVENTS
from archive.flags import FLAGS
from archive.inodes import disk_size
from archive.reports.asked import Asked
from archive.statistics import STATISTICS
from archive.verdicts import VERDICTS

SAYING = ((STATISTICS, "concentrator", "start"), (VERDICTS, "trigger", "kept"), (EVENTS, "trigger", "kept"),
          (FLAGS, "by", "kept"))  # fmt: skip
"""Ledger, its field that names a process, its field that says when."""


@dataclass(frozen=True)
class Station:
    """Of a day."""

    restarts: list[tuple[int, str]]
    """(ns UTC of its first word since then, process), in order: of those whose words the archive keeps with an epoch"""
    day_bytes: int
    """Of the day's hours and events"""
    archive_bytes: int
    """Of the whole archive, as it is now"""
    free_bytes: int | None
    """Left on its disk; None: nobody asked"""


def station(asked: Asked, free: int | None) -> Station:
    """Raises ArchiveError, OSError."""
    day = sum(disk_size(path) for hour in asked.hours for path in _of_hour(asked.root, hour))
    day += sum(disk_size(path) for path in (asked.root / "events").glob("*.h5") if _is_of(path, asked))
    whole = sum(disk_size(path) for path in asked.root.rglob("*.h5"))
    return Station(_restarts(asked), day, whole, free)


def _restarts(asked: Asked) -> list[tuple[int, str]]:
    """An epoch is one opening of a process's journal."""
    epochs: dict[str, dict[int, int]] = {}
    for hour, (start, stop) in asked.parts():
        for ledger, process, when in SAYING:
            rows = ledger.figures(asked.root, hour, (process, when, "epoch"))
            columns = (rows[name].tolist() for name in (process, when, "epoch"))
            for name, at, epoch in zip(*columns, strict=True):
                if start <= at < stop:
                    known = epochs.setdefault(name, {})
                    known[epoch] = min(at, known.get(epoch, at))
    return sorted((at, name) for name, known in epochs.items() for at in sorted(known.values())[1:])


def _of_hour(root: Path, hour: int) -> Iterator[Path]:
    yield layout.finished_path(root, hour)
    yield from layout.live_folder(root, hour).glob("*.h5")


def _is_of(path: Path, asked: Asked) -> bool:
    onset = layout.instant_from(path.name)
    return onset is not None and asked.start <= onset < asked.end
