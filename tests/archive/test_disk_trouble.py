"""A disk that fails, at any change of a file, once or for long: the archive goes on as if nothing had been."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archive.disk import Disk
from archive.folder import ArchiveError
from archive.writer import Archive
from protocol.messages import device_number
from tests import thorough
from tests.archive.test_writer import FAST, grid, measurements, numbered, story, tally
from tests.archives import NONE, configuration, held_rows


class Failing(Disk):
    """Fails at some of its calls, after having written half of what it was given."""

    def __init__(self, fails: Callable[[int], bool], number: int = errno.EIO) -> None:
        self.calls = 0
        self.fails, self.number = fails, number

    def _step(self) -> bool:
        self.calls += 1
        return self.fails(self.calls)

    def _fail(self) -> None:
        raise OSError(self.number, os.strerror(self.number))

    def pwrite(self, fd: int, data: Any, offset: int) -> None:
        if self._step():
            view = memoryview(data).cast("B")
            super().pwrite(fd, view[: view.nbytes // 2], offset)
            self._fail()
        super().pwrite(fd, data, offset)

    def sync(self, fd: int) -> None:
        if self._step():
            self._fail()

    def replace(self, temporary: Path, path: Path) -> None:
        if self._step():
            self._fail()
        os.replace(temporary, path)


def never(_: int) -> bool:
    return False


def run(path: Path, disk: Failing) -> tuple[Any, int]:
    """All words, each commit tried until it holds; returns (books, how often one failed)."""
    archive, failed = Archive(path, disk=disk), 0
    try:
        for words in story():
            for word in words:
                archive.take(word)
            for _ in range(200):
                try:
                    archive.commit(NONE)
                    break
                except (OSError, ArchiveError):
                    failed += 1
            else:
                raise AssertionError("never heals")
        return archive.books.to_json(), failed
    finally:
        archive.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, int]:
    """(rows, books, calls) of an undisturbed run."""
    path, disk = tmp_path_factory.mktemp("whole"), Failing(never)
    books, _ = run(path, disk)
    return held_rows(path), books, disk.calls


@pytest.mark.parametrize(
    ("number", "step"),
    [
        pytest.param(errno.EIO, 1, marks=pytest.mark.slow),
        (errno.ENOSPC, thorough.of(11, 5)),
        (errno.EROFS, thorough.of(13, 7)),
    ],
)
def test_one_call_fails_whichever(tmp_path: Path, whole: tuple[Any, Any, int], number: int, step: int) -> None:
    rows, books, calls = whole
    failures = 0
    for at in range(4, calls + 1, step):
        path = tmp_path / f"{at}"
        try:
            found, failed = run(path, Failing(lambda call, at=at: call == at, number))  # type: ignore[misc]
        except (OSError, ArchiveError):  # before it was open: supervisord starts it again
            found, failed = run(path, Failing(never))[0], 1
        failures += failed
        assert (held_rows(path), found) == (rows, books), f"failed at call {at}"
    assert failures >= calls // step // 2


@pytest.mark.parametrize("every", [2, 3, 5, 7, 11, 23])
def test_every_kth_call_fails(tmp_path: Path, whole: tuple[Any, Any, int], every: int) -> None:
    """As long as some commit gets through: not every second call, then the disk gets better after a while."""
    rows, books, _ = whole
    found, failed = run(tmp_path, Failing(lambda call: call > 10 and call % every == 0 and call < 150))
    assert failed > 0
    assert (held_rows(tmp_path), found) == (rows, books)


@pytest.mark.parametrize("healed", [True, False])
def test_killed_while_the_disk_fails(tmp_path: Path, whole: tuple[Any, Any, int], healed: bool) -> None:
    """What a failed commit left is undone by the next life."""
    rows, books, calls = whole
    for at in range(4, calls + 1, thorough.of(11, 5)):
        path = tmp_path / f"{at}"
        disk = Failing(lambda call, at=at: call >= at)  # type: ignore[misc]
        try:
            archive = Archive(path, disk=disk)
        except (OSError, ArchiveError):
            archive = Archive(path)
        for words in story():
            for word in words:
                archive.take(word)
            try:
                archive.commit(NONE)
            except (OSError, ArchiveError):
                break
        if healed:
            disk.fails = never
            archive.commit(NONE)
        archive.close()
        found, _ = run(path, Failing(never))
        assert (held_rows(path), found) == (rows, books), f"failed from call {at} on"


def test_rows_that_came_while_it_failed_are_there(tmp_path: Path) -> None:
    disk = Failing(never)
    archive = Archive(tmp_path, disk=disk)
    words = numbered([configuration(1), *(measurements([1] * 2, grid(2 * k, 2)) for k in range(10)),
                      configuration(3, FAST), tally([device_number(1, 0)], received=[20])])  # fmt: skip
    disk.fails = lambda _: True
    for word in words:
        archive.take(word)
        with pytest.raises(OSError, match="Input/output"):
            archive.commit(NONE)
    disk.fails = never
    archive.commit(NONE)
    archive.close()
    assert sum(held_rows(tmp_path).values()) == 20
    assert archive.books.totals() | {"received": 20, "archived": 20, "pending": 0} == archive.books.totals()
