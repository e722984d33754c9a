"""Taking a snapshot of a station that may be at work.

1. Finished files and events, which is nearly everything: they stay as they are (`Finished` says how they are placed).
2. The journals' files are opened: who deletes one from now on takes nothing from us.
3. Each archive at one commit (`capture.py`), with the files finished since 1.
4. The journals, who reads first, who is read last: so all that readers say they took is there. Whatever the archive
   lacks is in them, as after a power cut: a station that starts from the copy fetches it.
5. Settings, and what else is small.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from archive import checksums, watermark
from archive.backup import capture
from archive.backup.copying import Told, copy_file, copy_open, copy_part, put
from archive.backup.snapshots import Kept, Manifest, Role
from archive.checksums import Checksum
from archive.segments import SUFFIX

PASSED_OVER = ("lock",)
"""Files of a journal's folder that say nothing."""


@dataclass(frozen=True)
class Item:
    """Something that a station keeps: an archive's or a journal's folder, or a single file."""

    role: Role
    path: Path
    """Absolute."""


class Finished(Protocol):
    """How files that stay as they are get into the snapshot."""

    damaged: list[str]
    """Files of the station that are not what their checksums say."""

    def place(self, source: Path, place: str, known: Checksum) -> str | None:
        """SHA-256 of the file placed; None if there is no undamaged one."""

    def remove(self, place: str) -> None:
        """It does not belong to the snapshot after all."""


@dataclass
class Taken:
    """A snapshot being made."""

    manifest: Manifest
    into: Path
    finished: Finished
    told: Told
    stamps: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Place -> (size, mtime ns) of its source when it was placed."""


def common(items: Sequence[Item]) -> Path:
    """The folder that all lie below."""
    return Path(os.path.commonpath([item.path.parent for item in items]))


def take(taken: Taken, items: Sequence[Item], pause: Callable[[], None]) -> None:
    """See the module. Raises ArchiveError, OSError."""
    base = Path(taken.manifest.base)
    archives = [item for item in items if item.role == Role.ARCHIVE and (item.path / "archive.json").exists()]
    for item in items:
        taken.manifest.places[str(item.path)] = item.path.relative_to(base).as_posix()
    for item in archives:
        _place(taken, item.path, checksums.files(item.path))
    with ExitStack() as stack:
        journals = [(item, _opened(item.path, stack)) for item in items if item.role == Role.JOURNAL]
        for item in archives:
            _archive(taken, item.path, pause)
        for item, held in journals:
            _journal(taken, item.path, held, stack)
    for item in items:
        if item.role in (Role.CONFIG, Role.KEYS) and item.path.is_file():
            with suppress(FileNotFoundError):
                _keep(taken, item.role, item.path, partial(copy_file, item.path, told=taken.told))


def _keep(taken: Taken, role: Role, source: Path, make: Callable[[Path], str]) -> None:
    """A file of the snapshot that is made anew each time."""
    place = source.relative_to(taken.manifest.base).as_posix()
    found = make(taken.into / place)
    taken.manifest.files[place] = Kept(role, (taken.into / place).stat().st_size, found)


def _place(taken: Taken, root: Path, files: Iterable[str]) -> None:
    """Finished files and events of an archive, unless they are there already."""
    known = checksums.read(root)
    below = root.relative_to(taken.manifest.base).as_posix()
    for name in files:
        place = f"{below}/{name}" if below != "." else name
        with suppress(FileNotFoundError):  # retention, or an event's file that gave way to another one
            info = (root / name).stat()
            stamp = info.st_size, info.st_mtime_ns
            if taken.stamps.get(place) == stamp:
                continue
            digest = taken.finished.place(root / name, place, known.get(name, Checksum(name)))
            taken.stamps[place] = stamp
            if digest is None:
                taken.manifest.files.pop(place, None)
                continue
            role = Role.EVENTS if name.startswith("events/") else Role.ARCHIVE
            taken.manifest.files[place] = Kept(role, (taken.into / place).stat().st_size, digest)


def _archive(taken: Taken, root: Path, pause: Callable[[], None]) -> None:
    """What is in writing, as at one commit, and what was finished meanwhile."""
    with closing(capture.capture(root, pause)) as found:
        _place(taken, root, found.files)
        below = root.relative_to(taken.manifest.base).as_posix()
        there = {f"{below}/{name}" if below != "." else name for name in found.files}
        for place in [place for place in taken.manifest.files if taken.stamps.get(place) and place not in there]:
            if _is_below(place, below):
                taken.finished.remove(place)
                del taken.manifest.files[place]
        for part in found.parts:
            _keep(taken, Role.ARCHIVE, root / part.name, partial(copy_part, part, told=taken.told))
        for name, data in found.small.items():
            _keep(taken, Role.ARCHIVE, root / name, partial(put, data))
        if found.sequence:
            offset, mark = watermark.framed(found.sequence, found.state)
            _keep(taken, Role.ARCHIVE, root / "watermark", partial(put, mark, offset=offset))
        taken.manifest.commits[str(root)] = found.sequence
        if not found.exact:
            taken.manifest.inexact.append(str(root))


def _is_below(place: str, folder: str) -> bool:
    return folder == "." or place.startswith(f"{folder}/")


def _opened(folder: Path, stack: ExitStack, after: str = "") -> dict[str, int]:
    """Name -> descriptor of a journal's files."""
    found: dict[str, int] = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        with suppress(FileNotFoundError):
            if path.name > after:
                found[path.name] = os.open(path, os.O_RDONLY)
                stack.callback(os.close, found[path.name])
    return found


def _journal(taken: Taken, folder: Path, held: dict[str, int], stack: ExitStack) -> None:
    """Oldest first: when a younger one is there, an older one is never written again."""
    held = held | _opened(folder, stack, max(held, default=""))
    for name, fd in sorted(held.items()):
        _keep(taken, Role.JOURNAL, folder / name, partial(copy_open, fd, told=taken.told))
    for path in _others(folder):
        with suppress(FileNotFoundError):
            _keep(taken, Role.JOURNAL, path, partial(copy_file, path, told=taken.told))


def _others(folder: Path) -> Iterator[Path]:
    """What else a process keeps there, each replaced as a whole."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.suffix != SUFFIX and path.name not in PASSED_OVER:
            yield path
