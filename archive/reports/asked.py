"""What a report is of: some time of an archive, hour by hour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from archive import layout


@dataclass(frozen=True)
class Asked:
    """[start, end) ns of an archive."""

    root: Path
    start: int
    end: int
    hours: tuple[int, ...]
    """Those that have files, be it an overview alone, in order."""

    @classmethod
    def of(cls, root: Path, start: int, end: int) -> Asked:
        """With its hours."""
        there = layout.finished_hours(root, start - layout.SPAN, end).keys() | layout.live_hours(root).keys()
        there |= layout.overview_hours(root, start - layout.SPAN, end).keys()
        return cls(root, start, end, tuple(sorted(hour for hour in there if start - layout.SPAN < hour < end)))

    def parts(self) -> Iterator[tuple[int, tuple[int, int]]]:
        """(hour, [from, to) ns of it that is asked for)."""
        for hour in self.hours:
            yield hour, (max(hour, self.start), min(hour + layout.SPAN, self.end))
