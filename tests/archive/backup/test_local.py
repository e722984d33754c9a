"""Snapshots in a folder: what is linked, copied, refused, gone on with and pruned; and what comes back."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from archive import checksums
from archive.backup import local, snapshots
from archive.backup.copying import Spoiled
from archive.backup.restoring import moved, restore
from archive.backup.snapshots import Role, to_prune
from archive.backup.taking import Item
from archive.disk import Disk
from archive.folder import ArchiveError, Lock
from archive.verifying import Wrong, verify
from tests.archives import Killed, held_rows
from tests.backups import backed_up, hour_file, station


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, list[Item], Path]:
    """(archive, what the station keeps, where backups go)"""
    root, items = station(tmp_path / "station")
    return root, items, tmp_path / "backup"


def tree(folder: Path) -> dict[str, int]:
    """Path below a folder -> inode."""
    return {path.relative_to(folder).as_posix(): path.stat().st_ino for path in folder.rglob("*") if path.is_file()}


def test_the_second_one_links_what_has_not_changed(kept: tuple[Path, list[Item], Path], tmp_path: Path) -> None:
    root, items, target = kept
    first = backed_up(tmp_path / "station", items, target)
    second = backed_up(tmp_path / "station", items, target, day=1)
    one, other = (tree(target / "snapshots" / each.snapshot) for each in (first, second))
    assert one.keys() == other.keys()
    shared = {name for name in one if one[name] == other[name]}
    assert shared == {path.relative_to(root.parents[1]).as_posix() for path in (hour_file(root, 1), hour_file(root, 2))}
    assert second.copied < first.copied
    assert (target / "latest").resolve().name == second.snapshot
    assert snapshots.verify(target).findings == []
    assert all(each.backup for each in checksums.read(root).values())


def test_what_was_restored_is_the_station(kept: tuple[Path, list[Item], Path], tmp_path: Path) -> None:
    root, items, target = kept
    backed_up(tmp_path / "station", items, target)
    to = tmp_path / "new place"
    done = restore(snapshots.chosen(target), to)
    assert held_rows(to / "data" / "north") == held_rows(root)
    assert verify(to / "data" / "north", 0, 1 << 62).findings == []
    assert done.changed == [done.pipeline] == [str(to / "pipelines" / "north.yaml")]
    assert f"path: {to}/data/north" in Path(done.pipeline).read_text()
    with pytest.raises(ArchiveError, match="not empty"):
        restore(snapshots.chosen(target), to)
    assert restore(snapshots.chosen(target), to, over=True).files == done.files
    some = restore(snapshots.chosen(target), tmp_path / "settings", "config")
    assert tree(tmp_path / "settings").keys() == {"pipelines/north.yaml", "config/north.yaml"}
    assert some.pipeline
    assert restore(snapshots.chosen(target), tmp_path / "events", "events").files == 0


def test_a_damaged_copy_is_told_and_not_restored(kept: tuple[Path, list[Item], Path], tmp_path: Path) -> None:
    root, items, target = kept
    backed_up(tmp_path / "station", items, target)
    copy = snapshots.chosen(target) / hour_file(root).relative_to(root.parents[1])
    data = bytearray(copy.read_bytes())
    data[100] ^= 8
    copy.write_bytes(data)
    [finding] = snapshots.verify(target).findings
    assert (finding.wrong, finding.file.split("/")[-1]) == (Wrong.DAMAGED, copy.name)
    assert snapshots.verify(target, fast=True).findings == []
    with pytest.raises(ArchiveError, match="missing or damaged; take another snapshot"):
        restore(snapshots.chosen(target), tmp_path / "new")
    os.utime(copy, ns=(0, 0))
    backed_up(tmp_path / "station", items, target, day=1)
    assert snapshots.verify(target).findings == []


def test_a_file_damaged_in_the_station_does_not_take_the_place_of_a_good_copy(
    kept: tuple[Path, list[Item], Path], tmp_path: Path
) -> None:
    root, items, target = kept
    backed_up(tmp_path / "station", items, target)
    path = hour_file(root)
    good = path.read_bytes()
    path.write_bytes(good[:200] + b"damaged" + good[207:])
    hour_file(root, 2).write_bytes(b"new, and damaged")
    done = backed_up(tmp_path / "station", items, target, day=1)
    assert done.damaged == [str(hour_file(root, 2)), str(path)]
    assert (snapshots.chosen(target) / path.relative_to(root.parents[1])).read_bytes() == good
    assert snapshots.verify(target).findings == []


@pytest.mark.parametrize("at", [2, 8, *(pytest.param(at, marks=pytest.mark.slow) for at in (1, 3, 5, 9))])
def test_killed_it_goes_on_where_it_was(
    kept: tuple[Path, list[Item], Path], tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, items, target = kept
    left, replace = [at], os.replace

    def dying(source: Path, to: Path) -> None:
        if target in Path(to).parents:
            left[0] -= 1
            if not left[0]:
                raise Killed
        replace(source, to)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", dying)
        with pytest.raises(Killed):
            backed_up(tmp_path / "station", items, target)
    assert snapshots.every(target) == []
    again = backed_up(tmp_path / "station", items, target, day=1)
    held = tree(target / "snapshots" / again.snapshot)
    assert held.keys() == {*snapshots.read(snapshots.chosen(target)).files, snapshots.MANIFEST}
    assert snapshots.verify(target).findings == []
    restore(snapshots.chosen(target), tmp_path / "new")
    assert held_rows(tmp_path / "new" / "data" / "north") == held_rows(root)


def test_what_was_copied_before_a_kill_is_not_copied_again(
    kept: tuple[Path, list[Item], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, items, target = kept
    with monkeypatch.context() as patch:
        patch.setattr(local, "_clear", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            backed_up(tmp_path / "station", items, target)
    copied: list[Path] = []
    monkeypatch.setattr(local, "copy_file", lambda source, *_: copied.append(source))
    backed_up(tmp_path / "station", items, target)
    assert copied == []


def test_it_refuses(kept: tuple[Path, list[Item], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, items, target = kept
    with monkeypatch.context() as patch:
        patch.setattr(Disk, "free", lambda self, path: local.RESERVE)
        with pytest.raises(ArchiveError, match=r"are needed; make room"):
            backed_up(tmp_path / "station", items, target)
    held = Lock(target / "lock", "makes a backup in")
    with pytest.raises(ArchiveError, match="makes a backup in"):
        backed_up(tmp_path / "station", items, target)
    held.close()
    with pytest.raises(ArchiveError, match="neither empty nor a folder of backups"):
        backed_up(tmp_path / "station", items, tmp_path / "station")
    with pytest.raises(ArchiveError, match="there is no snapshot yet"):
        snapshots.chosen(target)
    backed_up(tmp_path / "station", items, target, day=1)
    with pytest.raises(ArchiveError, match="set the clock"):
        backed_up(tmp_path / "station", items, target)
    with pytest.raises(ArchiveError, match="no snapshot begins with '1999'"):
        snapshots.chosen(target, "1999")
    (target / snapshots.MARK).write_text(json.dumps({"format": 2}))
    with pytest.raises(ArchiveError, match="use a newer one"):
        backed_up(tmp_path / "station", items, target)


def test_a_disk_that_does_not_keep_what_it_was_given(
    kept: tuple[Path, list[Item], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, items, target = kept
    monkeypatch.setattr("archive.backup.copying.digest", lambda path: "other")
    with pytest.raises(Spoiled, match="check this disk"):
        backed_up(tmp_path / "station", items, target)


def test_a_file_that_retention_took_is_not_in_the_next_one(kept: tuple[Path, list[Item], Path], tmp_path: Path) -> None:
    root, items, target = kept
    backed_up(tmp_path / "station", items, target)
    hour_file(root, 2).unlink()
    backed_up(tmp_path / "station", items, target, day=1)
    first, second = snapshots.every(target)
    place = hour_file(root, 2).relative_to(root.parents[1])
    assert ((first / place).exists(), (second / place).exists()) == (True, False)


def test_old_ones_go_but_not_the_first_of_a_month(kept: tuple[Path, list[Item], Path], tmp_path: Path) -> None:
    _, items, target = kept
    for day in range(4):
        done = backed_up(tmp_path / "station", items, target, day, keep=2)
    assert [path.name[:8] for path in snapshots.every(target)] == ["20260512", "20260513"]
    assert [name[:8] for name in done.pruned] == ["20260511"]
    names = [f"2026{month:02d}{day:02d}T020000Z" for month in (1, 2, 3, 4) for day in (3, 9, 27)]
    stay = set(names) - set(to_prune([*names, "partial"], 2, 3))
    assert stay == {"20260409T020000Z", "20260427T020000Z", "20260403T020000Z", "20260303T020000Z", "20260203T020000Z"}


def test_modes_and_what_is_secret(kept: tuple[Path, list[Item], Path], tmp_path: Path) -> None:
    _, items, target = kept
    key = tmp_path / "station" / "config" / "keys" / "a.key"
    key.parent.mkdir()
    key.write_text("secret")
    key.chmod(0o600)
    backed_up(tmp_path / "station", [*items, Item(Role.KEYS, key)], target)
    copy = snapshots.chosen(target) / "config/keys/a.key"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert target.stat().st_mode & 0o777 == 0o700


def test_absolute_paths_lead_to_the_new_place() -> None:
    places = {"/srv/a": "a", "/srv/a/b.yaml": "a/b.yaml", str(Path.home() / "c"): "c"}
    text = "site: /srv/a/b.yaml\nx: {path: /srv/a, to: '/srv/a'} # /srv/abc /srv/a/other\ny: ~/c\nz: /x/srv/a"
    assert moved(text, places, Path("/new")) == (
        "site: /new/a/b.yaml\nx: {path: /new/a, to: '/new/a'} # /srv/abc /new/a/other\ny: /new/c\nz: /x/srv/a"
    )
