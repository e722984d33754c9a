"""What the tests of backups are made of: a small station's files, and a writer at work on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archive.backup.local import Outcome, backup
from archive.backup.snapshots import Role
from archive.backup.taking import Item
from archive.finish import finish_all
from archive.layout import SPAN, finished_path, hour_of
from archive.writer import Archive
from protocol.clock import SECOND
from protocol.messages import Verdict
from tests.archives import NONE, T0, configuration, grid, measurements, verdict

UTC = T0 + 7 * 24 * 3600 * SECOND


def words(count: int) -> list[object]:
    """The words of one receiver, numbered: two devices, some rows twice, some aside; verdicts of a trigger between."""
    found: list[object] = [configuration(link, node="r", epoch=1, number=link - 1) for link in (1, 2)]
    return found + [
        measurements([1] * 10 + [2], np.concatenate([grid(10 * at, 10), grid(at, 1)]), node="r", epoch=1, number=at + 2)
        for at in range(count)
    ]


def judged(count: int) -> list[Verdict]:
    """Verdicts of one trigger, numbered."""
    return [
        verdict(1, T0 + at * SECOND, node="windows", epoch=1, number=at, lease=at, suspicious=False)
        for at in range(count)
    ]


def station(folder: Path, hours: int = 2) -> tuple[Path, list[Item]]:
    """(archive, all that the station keeps) with finished hours and one in writing; below `folder`."""
    root, pipeline = folder / "data" / "north", folder / "pipelines" / "north.yaml"
    for hour in range(hours):
        archive = Archive(root, "station: North\n")
        archive.take(configuration(1))
        archive.take(measurements([1] * 20, grid(0, 20, start=T0 - (hour + 1) * SPAN)))
        archive.commit(NONE)
        archive.close()
        finish_all(root)
    archive = Archive(root)
    for word in words(3):
        archive.take(word)  # type: ignore[arg-type]
    archive.commit(NONE)
    archive.close()
    for path, text in ((pipeline, f"site: ../config/north.yaml\nnodes: {{archive: {{path: {root}}}}}\n"),
                       (folder / "config" / "north.yaml", "station: North\n")):  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    items = [Item(Role.ARCHIVE, root), Item(Role.CONFIG, pipeline), Item(Role.CONFIG, folder / "config/north.yaml")]
    return root, items


def backed_up(folder: Path, items: list[Item], target: Path, day: int = 0, keep: int = 30, monthly: int = 0) -> Outcome:
    """A backup some days after UTC."""
    return backup(items, folder / "pipelines/north.yaml", target, UTC + day * 24 * 3600 * SECOND, keep, monthly,
                  lambda: None, lambda done, need: None)  # fmt: skip


def hour_file(root: Path, back: int = 1) -> Path:
    """The finished file of so many hours before T0."""
    return finished_path(root, hour_of(T0) - back * SPAN)
