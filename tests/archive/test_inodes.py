"""What is told of files that others replace or delete."""

from __future__ import annotations

import os
from pathlib import Path

from archive.inodes import disk_size, stamp


def test_a_stamp_is_another_one_when_the_file_has_changed(tmp_path: Path) -> None:
    path, fresh = tmp_path / "one", tmp_path / "fresh"
    assert stamp(path) is None
    path.write_text("a")
    first = stamp(path)
    assert first == stamp(path) is not None
    path.write_text("ab")
    os.utime(path, ns=(0, first[0] if first else 0))
    grown = stamp(path)
    fresh.write_text("ab")
    os.utime(fresh, ns=(0, first[0] if first else 0))
    os.replace(fresh, path)
    assert len({first, grown, stamp(path)}) == 3


def test_sparse_files_take_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 30)
        file.write(bytes(4096))
    assert disk_size(path) == path.stat().st_blocks * 512 < 1 << 20
    path.unlink()
    assert disk_size(path) == 0
