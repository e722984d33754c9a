"""A station's files from a snapshot, into another place or the same one."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from archive.backup import snapshots
from archive.backup.copying import copy_file, put
from archive.backup.snapshots import Manifest, Role
from archive.checksums import digest
from archive.disk import Disk
from archive.folder import ArchiveError
from archive.verifying import Told

RESERVE = 64 << 20
TEXTS = (".yaml", ".yml")


@dataclass(frozen=True)
class Restored:
    """What was restored."""

    snapshot: str
    files: int
    bytes: int
    pipeline: str
    """Path of the pipeline file; "" if it was not asked for."""
    changed: list[str]
    """Settings files whose absolute paths now lead into the new place."""


ROLES = {
    "archive": {Role.ARCHIVE, Role.EVENTS},
    "events": {Role.EVENTS},
    "config": {Role.CONFIG, Role.KEYS},
}
"""What may be asked for alone."""


def restore(snapshot: Path, to: Path, only: str = "", over: bool = False, told: Told = lambda done, all_: None,
            move: bool = False) -> Restored:  # fmt: skip
    """Copy a snapshot's files to below a folder, and read them back. `over`: though there is something. `move`: the
    snapshot is only a copy itself.

    Raises ArchiveError: what is damaged is named, and nothing after it was restored.
    """
    manifest = snapshots.read(snapshot)
    roles = ROLES[only] if only else set(Role)
    wanted = {name: each for name, each in manifest.files.items() if each.role in roles}
    total = sum(each.size for each in wanted.values())
    _check_place(snapshot, to, () if move else wanted, over)
    done = 0
    for name, each in wanted.items():
        target = to / name
        if not (snapshot / name).exists() or (_moved if move else _copied)(snapshot / name, target) != each.sha256:
            target.unlink(missing_ok=True)
            raise ArchiveError(f"{snapshot / name}: missing or damaged; take another snapshot (--at), or --only a part")
        done += each.size
        told(done, total)
    for live in (to / name for name in wanted if name.endswith("/archive.json")):
        (live.parent / "undo").unlink(missing_ok=True)
    has_settings = bool(roles & {Role.CONFIG})
    changed = _rewrite(manifest, to, wanted) if has_settings else []
    return Restored(snapshot.name, len(wanted), total, str(to / manifest.pipeline) if has_settings else "", changed)


def _copied(source: Path, target: Path) -> str:
    return copy_file(source, target, lambda count: None)


def _moved(source: Path, target: Path) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, target)
    return digest(target)


def _check_place(snapshot: Path, to: Path, wanted: Collection[str], over: bool) -> None:
    """Raises ArchiveError unless there is room, and nothing else, there."""
    if to.exists() and not to.is_dir():
        raise ArchiveError(f"{to}: not a folder; name another one")
    if to.is_dir() and any(to.iterdir()) and not over:
        raise ArchiveError(f"{to}: not empty; name an empty folder, or --yes overwrites what has the same names")
    to.mkdir(parents=True, exist_ok=True)
    need = sum((snapshot / name).stat().st_blocks * 512 for name in wanted if (snapshot / name).exists())
    if (free := Disk().free(to)) < need + RESERVE:
        raise ArchiveError(f"{to}: {free / 1e9:.2f} GB free, {(need + RESERVE) / 1e9:.2f} GB are needed; make room")


def _rewrite(manifest: Manifest, to: Path, wanted: Collection[str]) -> list[str]:
    """Absolute paths of settings lead to where their files are now: else the copy would work on the original."""
    changed = []
    for name in wanted:
        path = to / name
        if path.suffix in TEXTS and manifest.files[name].role == Role.CONFIG:
            text = path.read_text(encoding="utf-8")
            if (fresh := moved(text, manifest.places, to)) != text:
                mode = path.stat().st_mode & 0o777
                put(fresh.encode(), path)
                path.chmod(mode)
                changed.append(str(path))
    return changed


def moved(text: str, places: dict[str, str], to: Path) -> str:
    """A text with the new paths of what it names by the old ones, also below `~`."""
    home = f"{Path.home()}{os.sep}"
    known: dict[str, str] = {}
    for source, place in places.items():
        known[source] = str(to / place)
        if source.startswith(home):
            known[f"~/{source.removeprefix(home)}"] = str(to / place)
    ordered = sorted(known, key=len, reverse=True)
    if not ordered:
        return text
    pattern = rf"(?<![^\s'\"\[,{{:])({'|'.join(map(re.escape, ordered))})(?![^\s'\"\],}}/])"
    return re.sub(pattern, lambda found: known[found[1]], text)
