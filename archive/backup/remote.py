"""Backups on another machine, by rsync: `user@host:FOLDER` (ssh) or `rsync://host/MODULE/FOLDER` (a daemon).

There it is as in a folder of this machine, but for `latest`. A stage beside the journals says what a snapshot is to
hold: links to finished files, copies of what is in writing. rsync copies it, with links to the snapshot before; what is
new is then compared by checksum at both ends, and the manifest goes last: a snapshot without one is gone on with.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath

from archive import checksums, folder
from archive.backup import snapshots
from archive.backup.copying import Spoiled
from archive.backup.local import RESERVE, Outcome, note
from archive.backup.restoring import ROLES
from archive.backup.snapshots import FOLDER, MANIFEST, MARK, Manifest, Role
from archive.backup.taking import Item, Taken, common, take
from archive.checksums import Checksum
from archive.disk import Disk
from archive.folder import ArchiveError
from archive.inodes import disk_size

MISSING = 23
"""rsync's exit code for what is not there."""
PARTIAL = ".rsync-partial"
DAEMON = re.compile(r"(rsync://[^/]+/|[^/:]+::)[^/]+")
"""The address of a daemon's module."""
WILD = re.compile(r"[*?\[\\]")
"""What means something in rsync's patterns."""


class Stage:
    """Finished files: links, for rsync to follow."""

    def __init__(self, into: Path, before: Manifest | None) -> None:
        self._into, self._held = into, {} if before is None else before.files
        self.damaged: list[str] = []

    def place(self, source: Path, place: str, known: Checksum) -> str | None:
        """See `taking.Finished`. A file that the snapshot before has is not read again."""
        held = self._held.get(place)
        digest = held.sha256 if held and known.made and held.sha256 == known.sha256 else checksums.digest(source)
        if known.sha256 and not known.allows(digest):
            self.damaged.append(str(source))
            return None
        target = self._into / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.symlink_to(source)
        return digest

    def remove(self, place: str) -> None:
        (self._into / place).unlink(missing_ok=True)


def backup(items: Sequence[Item], pipeline: Path, target: str, stage: Path, utc: int, keep: int, monthly: int,
           rate: float, pause: Callable[[], None], told: Callable[[int, int], None]) -> Outcome:  # fmt: skip
    """As `local.backup`, at most `rate` MB/s (0 = no limit). `stage` is a folder of ours. Raises ArchiveError."""
    program()
    stage.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(folder.Lock(stage / "lock", "makes a backup by")):
        _room(items, stage)
        whole, broken = _listed(target, stage)
        newest = max(whole, default="")
        name = broken[-1] if broken and broken[-1] > newest else snapshots.fresh(utc, newest, target)
        before = _manifest(target, whole[-1], stage) if whole else None
        into = _emptied(stage / "files")
        base, done = common(items), [0]

        def count(size: int) -> None:
            done[0] += size
            told(done[0], done[0])

        manifest = Manifest(utc, str(base), pipeline.relative_to(base).as_posix())
        staged = Stage(into, before)
        taken = Taken(manifest, into, staged, count)
        take(taken, items, pause)
        copied = _send(manifest, before, into, f"{target.rstrip('/')}/{FOLDER}/{name}/",
                       whole[-1] if whole else "", rate, stage)  # fmt: skip
        shutil.rmtree(into)
        note(items, taken, target, utc)
        gone = snapshots.to_prune([*whole, name], keep, monthly)
        _delete(target, [*gone, *(each for each in broken if each != name)], stage)
        files = manifest.files.values()
        return Outcome(name, len(files), sum(each.size for each in files), copied, gone, staged.damaged,
                       manifest.inexact)  # fmt: skip


def _room(items: Sequence[Item], stage: Path) -> None:
    """What is in writing is copied to the stage. Raises ArchiveError."""
    need = sum(
        disk_size(path) for item in items if item.role in (Role.ARCHIVE, Role.JOURNAL)
        for path in (item.path.glob("live/*/*.h5") if item.role == Role.ARCHIVE else item.path.rglob("*"))
    )  # fmt: skip
    if (free := Disk().free(stage)) < need + RESERVE:
        raise ArchiveError(f"{stage}: {free / 1e9:.2f} GB free, {(need + RESERVE) / 1e9:.2f} GB are needed; make room")


def _listed(target: str, stage: Path) -> tuple[list[str], list[str]]:
    """Names of the snapshots (that are whole, that are not), oldest first; makes the target a folder of backups."""
    top = rsync("--list-only", f"{target.rstrip('/')}/", may_miss=True)
    held = {line.split(maxsplit=4)[-1] for line in top.splitlines() if line} - {".", "lost+found"}
    if held and MARK not in held:
        raise ArchiveError(f"{target}: neither empty nor a folder of backups; name another one")
    skeleton = _emptied(stage / "skeleton")
    snapshots.prepare(skeleton)
    (skeleton / FOLDER).mkdir()
    rsync("-r", "--ignore-existing", f"{skeleton}/", f"{target.rstrip('/')}/")
    return _names(target)


def _manifest(target: str, name: str, stage: Path) -> Manifest:
    into = _emptied(stage / "before")
    rsync("-t", f"{target.rstrip('/')}/{FOLDER}/{name}/{MANIFEST}", f"{into}/")
    return snapshots.read(into)


def _send(manifest: Manifest, before: Manifest | None, into: Path, there: str, last: str, rate: float,
          stage: Path) -> int:  # fmt: skip
    """Copy the stage, compare, and make the snapshot whole. Returns the bytes that were new."""
    links = [f"--link-dest={_beside(there, last)}"] if last else []
    slower = [f"--bwlimit={max(1, round(rate * 1e6 / 1024))}"] if rate else []
    rsync(
        "-rtpLS", "--delete", f"--partial-dir={PARTIAL}", f"--exclude=/{MANIFEST}", *links, *slower, f"{into}/", there
    )
    held = {} if before is None else before.files
    fresh = [name for name, each in manifest.files.items() if name not in held or held[name].sha256 != each.sha256]
    names = stage / "fresh"
    names.write_bytes(b"".join(name.encode() + b"\0" for name in fresh))
    differ = rsync("-tLcn", "--from0", f"--files-from={names}", "--out-format=%n", f"{into}/", there) if fresh else ""
    if wrong := [line for line in differ.splitlines() if not line.endswith("/")]:
        raise Spoiled(Path(there) / wrong[0])
    manifest.write(into)
    rsync("-t", f"{into}/{MANIFEST}", there)
    return sum(manifest.files[name].size for name in fresh)


def _beside(there: str, name: str) -> str:
    """The snapshot `name` as rsync is to call it that copies to `there`: a daemon follows no `..`, but calls its module
    the root."""
    if (module := DAEMON.match(there)) is None:
        return f"../{name}"
    return str(PurePosixPath("/", there[module.end() :]).parent / name)


def _delete(target: str, names: Sequence[str], stage: Path) -> None:
    """rsync deletes what an empty folder has not."""
    empty = _emptied(stage / "empty")
    for name in names:
        rsync("-r", "--delete", f"--include=/{name}/***", "--exclude=*", f"{empty}/", f"{target.rstrip('/')}/{FOLDER}/")


@contextmanager
def fetched(source: str, at: str, to: Path, only: str = "") -> Iterator[Path]:
    """A snapshot from there, in a folder beside `to`, whose files may be moved. Raises ArchiveError."""
    program()
    stage = to.parent / f".{to.name}.fetching"
    stage.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        whole, _ = _names(source)
        found = [name for name in whole if name.startswith(at)] if at else whole[-1:]
        if len(found) != 1:
            raise ArchiveError(f"{source}: no such snapshot; there are {', '.join(whole[-10:]) or 'none'}")
        into = stage / found[0]
        into.mkdir(exist_ok=True)
        rsync("-t", f"{source.rstrip('/')}/{FOLDER}/{found[0]}/{MANIFEST}", f"{into}/")
        roles = ROLES[only] if only else set(Role)
        wanted = [name for name, each in snapshots.read(into).files.items() if each.role in roles]
        names = stage / "wanted"  # a daemon that is not confined finds nothing of --files-from
        names.write_bytes(b"".join(b"/" + WILD.sub(r"\\\g<0>", name).encode() + b"\0" for name in wanted))
        filters = ("--from0", "--include=*/", f"--include-from={names}", "--exclude=*")
        rsync("-rtpSm", *filters, f"{source.rstrip('/')}/{FOLDER}/{found[0]}/", f"{into}/")
        yield into
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _names(target: str) -> tuple[list[str], list[str]]:
    """(snapshots that are whole, those that are not), oldest first."""
    filters = ("--include=/*/", f"--include=/*/{MANIFEST}", "--exclude=*")
    lines = rsync("-r", "--list-only", *filters, f"{target.rstrip('/')}/{FOLDER}/").splitlines()
    found = sorted(line.split(maxsplit=4)[-1] for line in lines if line)
    whole = [path.removesuffix(f"/{MANIFEST}") for path in found if path.endswith(f"/{MANIFEST}")]
    return whole, [path for path in found if snapshots.when(path) and path not in whole]


def program() -> str:
    """Raises ArchiveError where there is no rsync."""
    found = shutil.which("rsync")
    if found is None:
        raise ArchiveError(
            "rsync is not installed; install it here and there (apt install rsync), or mount that disk: name its folder"
        )
    return found


def rsync(*arguments: str, may_miss: bool = False) -> str:
    """Run it without asking anybody anything; returns what it says. Raises ArchiveError."""
    environment = {"RSYNC_RSH": "ssh -o BatchMode=yes", **os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run([program(), "--timeout=600", *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, errors="surrogateescape", env=environment)  # fmt: skip
    if done.returncode and not (may_miss and done.returncode == MISSING):
        why = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[0]
        raise ArchiveError(f"{arguments[-1]}: {why}; see that rsync gets there without a password (a key of ssh, or "
                           "RSYNC_PASSWORD), and may write")  # fmt: skip
    return done.stdout


def _emptied(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700, parents=True)
    return path
