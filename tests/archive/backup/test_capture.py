"""An archive copied while its writer is in the middle of anything is that of one commit, and goes on from there."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archive.backup import capture
from archive.backup.restoring import restore
from archive.backup.snapshots import Role
from archive.backup.taking import Item
from archive.disk import Disk
from archive.finish import finish_hour
from archive.layout import hour_of
from archive.verifying import verify
from archive.writer import Archive
from tests.archives import NONE, T0, held_rows
from tests.backups import backed_up, judged, words

COUNT = 3


class Watched(Disk):
    """Tells of each change of a file, before it is made."""

    def __init__(self, step: Callable[[str], None]) -> None:
        self.step = step

    def pwrite(self, fd: int, data: Any, offset: int) -> None:
        self.step(Path(os.readlink(f"/proc/self/fd/{fd}")).name)
        super().pwrite(fd, data, offset)

    def sync(self, fd: int) -> None:
        self.step("sync")

    def replace(self, temporary: Path, path: Path) -> None:
        self.step(path.name)
        super().replace(temporary, path)


def write(root: Path, disk: Disk) -> None:
    """A writer's life: a commit for each word, an hour sealed and finished in the middle of it."""
    archive = Archive(root, disk=disk)
    for at, (word, said) in enumerate(zip(words(COUNT), [*judged(COUNT), *judged(COUNT)], strict=False)):
        archive.take(word)  # type: ignore[arg-type]
        archive.take(said)
        archive.commit(NONE)
        if at == COUNT - 2:
            archive.seal(hour_of(T0))
            finish_hour(root, hour_of(T0), disk)
            archive.forget(hour_of(T0))
    archive.close()


def finished(root: Path, since: dict[tuple[str, int], int]) -> tuple[Any, dict[str, int]]:
    """Rows and books of an archive that was given what it had not."""
    archive = Archive(root)
    assert archive.standing() == since
    for word in [*words(COUNT), *judged(COUNT)]:
        archive.take(word)  # type: ignore[arg-type]
    archive.commit(NONE)
    totals = archive.books.totals()
    archive.close()
    return held_rows(root), totals


@pytest.mark.timeout(600)
@pytest.mark.parametrize("before", ["watermark", pytest.param("", marks=pytest.mark.slow)])
def test_taken_at_any_step_of_writing_nothing_is_lost_and_nothing_counts_twice(tmp_path: Path, before: str) -> None:
    """`before` the watermark all else of a commit is written."""
    steps: list[str] = []
    plain = tmp_path / "plain" / "data"
    write(plain, Watched(steps.append))
    whole = held_rows(plain)
    archive = Archive(plain)
    books = archive.books.totals()
    archive.close()
    taken = 0
    for at in [at for at, what in enumerate(steps, 1) if what.startswith(before)]:
        place = tmp_path / f"at{at}"
        root, seen = place / "data", [0]

        def step(what: str, at: int = at, place: Path = place, root: Path = root, seen: list[int] = seen) -> None:
            seen[0] += 1
            if seen[0] == at and (root / "archive.json").exists():
                (place / "pipelines").mkdir()
                (place / "pipelines" / "north.yaml").write_text("")
                backed_up(place, [Item(Role.ARCHIVE, root), Item(Role.CONFIG, place / "pipelines/north.yaml")],
                          tmp_path / "backups" / f"at{at}")  # fmt: skip

        write(root, Watched(step))
        target = tmp_path / "backups" / f"at{at}"
        if not target.exists():
            continue
        taken += 1
        restored = tmp_path / "restored" / f"at{at}"
        restore(next(target.glob("snapshots/2*")), restored)
        assert verify(restored / "data", 0, 1 << 62).findings == [], at
        opened = Archive(restored / "data")
        since = opened.standing()
        opened.close()
        rows, totals = finished(restored / "data", since)
        assert rows == whole, at
        assert totals == books, at
    assert taken > 3


def test_a_commit_meanwhile_makes_it_look_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive(tmp_path)
    said = words(8)
    for word in said[:4]:
        archive.take(word)  # type: ignore[arg-type]
    archive.commit(NONE)
    look, waited = capture._undo, []

    def late(found: capture.Capture) -> None:
        if len(said) > 6:
            archive.take(said.pop(4))  # type: ignore[arg-type]
            archive.commit(NONE)
        look(found)

    monkeypatch.setattr(capture, "_undo", late)
    found = capture.capture(tmp_path, lambda: waited.append(1))
    assert found.exact
    assert found.sequence == 5
    assert len(waited) == 4
    found.close()
    archive.close()


def test_a_writer_that_never_pauses_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive(tmp_path)
    said = words(20)
    archive.take(said.pop(0))  # type: ignore[arg-type]
    archive.commit(NONE)
    look = capture._undo

    def late(found: capture.Capture) -> None:
        archive.take(said.pop(0))  # type: ignore[arg-type]
        archive.commit(NONE)
        look(found)

    monkeypatch.setattr(capture, "_undo", late)
    found = capture.capture(tmp_path, lambda: None, tries=5)
    assert not found.exact
    found.close()
    archive.close()


def test_beside_a_writer_in_a_thread(tmp_path: Path) -> None:
    """No step of ours is held up, and none of its."""
    root, failed = tmp_path / "data", []

    def work() -> None:
        try:
            archive = Archive(root)
            for word in words(40):
                archive.take(word)  # type: ignore[arg-type]
                archive.commit(NONE)
            archive.close()
        except BaseException as fault:
            failed.append(fault)
            raise

    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/north.yaml").write_text("")
    items = [Item(Role.ARCHIVE, root), Item(Role.CONFIG, tmp_path / "pipelines/north.yaml")]
    thread = threading.Thread(target=work)
    Archive(root).close()
    thread.start()
    day = 0
    while thread.is_alive():
        backed_up(tmp_path, items, tmp_path / "backup", day)
        day += 1
    thread.join()
    assert not failed
    assert day
    for at, snapshot in enumerate(sorted((tmp_path / "backup").glob("snapshots/2*"))[:4]):
        restored = tmp_path / f"restored{at}"
        restore(snapshot, restored)
        archive = Archive(restored / "data")
        for word in words(40):
            archive.take(word)  # type: ignore[arg-type]
        archive.commit(NONE)
        archive.close()
        assert held_rows(restored / "data") == held_rows(root)
