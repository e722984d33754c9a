"""Backups in a folder of this machine: a disk of its own, or what is mounted from another one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from archive import checksums, folder
from archive.backup import snapshots
from archive.backup.copying import Told, copy_file
from archive.backup.snapshots import Manifest, Role
from archive.backup.taking import Item, Taken, common, take
from archive.checksums import Checksum
from archive.disk import Disk, sync_folder
from archive.folder import ArchiveError
from archive.inodes import disk_size

RESERVE = 64 << 20
"""Bytes that stay free on the backup's disk."""
COPIED = "copied.jsonl"
"""In a snapshot being made: what a run that was killed had copied and read back."""
CHECKED = 1 << 12
"""Least bytes that a file is taken to need."""


@dataclass
class Outcome:
    """What a backup did."""

    snapshot: str
    files: int = 0
    bytes: int = 0
    """Of all files of the snapshot."""
    copied: int = 0
    """Bytes that were copied; the rest is linked to the snapshot before."""
    pruned: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    """Files of the station that are not what their checksums say; where the snapshot before has a good one, that."""
    inexact: list[str] = field(default_factory=list)


class Links:
    """Finished files: links to the snapshot before, or copies."""

    def __init__(self, into: Path, before: Path | None, told: Told) -> None:
        self._into, self._before, self._told = into, before, told
        self._held = {} if before is None else snapshots.read(before).files
        self._log = into / COPIED
        self._copied = {str(said["file"]): str(said["sha256"]) for said in checksums.lines(self._log) if said}
        self.damaged: list[str] = []

    def place(self, source: Path, place: str, known: Checksum) -> str | None:
        """See `taking.Finished`."""
        target = self._into / place
        if (mine := self._copied.get(place)) and (not known.sha256 or known.allows(mine)) and _same(source, target):
            return mine
        if (earlier := self._earlier(source, place, known)) is not None:
            _link(earlier, target)
            return self._held[place].sha256
        digest = copy_file(source, target, self._told)
        if known.sha256 and not _now(source, known).allows(digest):
            target.unlink()
            self.damaged.append(str(source))
            return self._good(place, known)
        checksums.append(self._log, [{"file": place, "sha256": digest}], Disk())
        return digest

    def _earlier(self, source: Path, place: str, known: Checksum) -> Path | None:
        """The same file of the snapshot before."""
        held = self._held.get(place)
        if self._before is None or held is None or not _same(source, self._before / place):
            return None
        return self._before / place if not known.sha256 or known.allows(held.sha256) else None

    def _good(self, place: str, known: Checksum) -> str | None:
        """In the place of a damaged one: that of the snapshot before, if it is what it was."""
        held = self._held.get(place)
        if self._before is None or held is None or not known.allows(held.sha256):
            return None
        if checksums.digest(self._before / place) != held.sha256:
            return None
        _link(self._before / place, self._into / place)
        return held.sha256

    def remove(self, place: str) -> None:
        (self._into / place).unlink(missing_ok=True)

    def needs(self, source: Path, place: str, known: Checksum) -> int:
        """Bytes that it will take on the disk."""
        if _same(source, self._into / place) or self._earlier(source, place, known) is not None:
            return 0
        return max(source.stat().st_blocks * 512, CHECKED)


def _now(source: Path, known: Checksum) -> Checksum:
    """It may have been made anew since."""
    root = source.parents[len(Path(known.file).parents) - 1]
    return checksums.read(root).get(known.file, known)


def _same(source: Path, target: Path) -> bool:
    """Copies keep the time of what they are copies of."""
    try:
        one, other = source.stat(), target.stat()
    except FileNotFoundError:
        return False
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # a file system without links, as FAT
        copy_file(source, target, lambda count: None)


def backup(items: Sequence[Item], pipeline: Path, target: Path, utc: int, keep: int, monthly: int,
           pause: Callable[[], None], told: Callable[[int, int], None]) -> Outcome:  # fmt: skip
    """Make a snapshot at `utc` [ns], and prune old ones. `told` is called with (bytes done, bytes to do).

    Raises ArchiveError, copying.Spoiled, OSError: the next run then goes on where this one was.
    """
    snapshots.prepare(target)
    with closing(folder.Lock(target / "lock", "makes a backup in")):
        before = next(reversed(snapshots.every(target)), None)
        name = snapshots.fresh(utc, before.name if before is not None else "", target)
        into = target / snapshots.FOLDER / snapshots.PARTIAL
        into.mkdir(parents=True, exist_ok=True)
        need = [0]
        done = [0]

        def count(size: int) -> None:
            done[0] += size
            told(done[0], max(done[0], need[0]))

        links = Links(into, before, count)
        need[0] = _room(items, links, target)
        base = common(items)
        taken = Taken(Manifest(utc, str(base), pipeline.relative_to(base).as_posix()), into, links, count)
        take(taken, items, pause)
        _clear(into, taken.manifest)
        taken.manifest.write(into)
        final = target / snapshots.FOLDER / name
        os.rename(into, final)
        sync_folder(final.parent)
        snapshots.point(target, name)
        note(items, taken, str(target), utc)
        files = taken.manifest.files.values()
        return Outcome(name, len(files), sum(each.size for each in files), done[0],
                       snapshots.prune(target, keep, monthly), links.damaged, taken.manifest.inexact)  # fmt: skip


def _room(items: Sequence[Item], links: Links, target: Path) -> int:
    """Bytes that will be copied. Raises ArchiveError if there is no room for them."""
    base, need = common(items), 0
    for item in items:
        if item.role == Role.ARCHIVE:
            known = checksums.read(item.path)
            for name, path in checksums.files(item.path).items():
                place = path.relative_to(base).as_posix()
                need += links.needs(path, place, known.get(name, Checksum(name)))
            need += sum(disk_size(path) for path in (item.path / "live").glob("*/*.h5"))
        else:
            need += sum(disk_size(path) for path in (item.path.rglob("*") if item.path.is_dir() else [item.path]))
    free = Disk().free(target)
    if free < need + RESERVE:
        raise ArchiveError(
            f"{target}: {free / 1e9:.2f} GB free, {(need + RESERVE) / 1e9:.2f} GB are needed; make room, "
            "keep fewer snapshots (--keep), or name another disk"
        )
    return need


def _clear(into: Path, manifest: Manifest) -> None:
    """What a run that was killed had copied and the station has no more."""
    for path in sorted(into.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(into).as_posix() not in manifest.files:
            path.unlink()


def note(items: Sequence[Item], taken: Taken, target: str, utc: int) -> None:
    """Tell the archives which of their files have a copy now: retention may ask."""
    base = Path(taken.manifest.base)
    for item in items:
        if item.role != Role.ARCHIVE or not (item.path / "archive.json").exists():
            continue
        said = []
        for name, known in checksums.read(item.path).items():
            held = taken.manifest.files.get((item.path / name).relative_to(base).as_posix())
            if held is not None and not known.backup and not known.removed and known.allows(held.sha256):
                said.append({"file": name, "backup": utc, "to": target})
        if said:
            checksums.append(item.path / checksums.NAME, said, Disk())
