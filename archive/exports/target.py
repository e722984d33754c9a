"""Where an export goes: made under a temporary name beside its own, so that it appears as a whole or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import TracebackType

from archive.disk import make_folder, sync_folder
from archive.folder import ArchiveError
from archive.settling import settle

NAME_BYTES = 120
"""Of a file's name, so that what is added still fits into 255."""


class Target:
    """One file, or a folder of some."""

    def __init__(self, path: Path, is_folder: bool) -> None:
        """Raises ArchiveError if there is something of that name."""
        self.path, self.is_folder = path, is_folder
        if path.exists() or path.is_symlink():
            raise ArchiveError(f"{path} exists already; name another file or folder, or move it away")
        self.made = path.with_name(f".{path.name}.{os.getpid()}.partial")
        """Where it is until it is whole."""
        self._names: set[str] = set()

    def __enter__(self) -> Target:
        make_folder(self.path.parent)
        self._remove()
        if self.is_folder:
            self.made.mkdir()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: object, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._appear()
        finally:
            self._remove()

    def _appear(self) -> None:
        for path in self.files():
            _sync(path)
        if self.is_folder:
            sync_folder(self.made)
        os.rename(self.made, self.path)
        sync_folder(self.path.parent)

    def _remove(self) -> None:
        if self.made.is_dir():
            shutil.rmtree(self.made)
        else:
            self.made.unlink(missing_ok=True)

    def file(self, name: str, suffix: str) -> Path:
        """Path of a file of a folder, called after a station or table; of a single file its own."""
        if not self.is_folder:
            return self.made
        return self.made / f"{self.unique(safe(name))}{suffix}"

    def unique(self, name: str) -> str:
        """A name that none in the folder has yet, in whatever case."""
        found, number = name, 1
        while found.casefold() in self._names:
            number += 1
            found = f"{name} ({number})"
        self._names.add(found.casefold())
        return found

    def files(self) -> list[Path]:
        """What there is, by name: under the temporary name, then under its own."""
        base = self.made if self.made.exists() else self.path
        return sorted(each for each in base.iterdir()) if self.is_folder else [base]


def safe(name: str) -> str:
    """A name as a file may have it on Linux and Windows; letters of any script stay."""
    text = "".join("_" if mark in '<>:"/\\\\|?*' or not mark.isprintable() else mark for mark in name).strip(" .")
    return text.encode()[:NAME_BYTES].decode(errors="ignore").strip(" .") or "_"


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        settle(fd)
    finally:
        os.close(fd)
