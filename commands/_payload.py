"""A bundle: one file with all that a station is made of, and what a machine must have for it.

This runs on a server before anything is installed there, with nothing but Python's own library. The file is a head for
sh, then a tar: `manifest.json`, `installer/` (this file and its like), `wheels/`, `requirements-3.11.txt` for each
Python, `sbom.json`, `docs/` and the pages beside it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import sys
import sysconfig
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

BLOCK = 1 << 20
MANIFEST = "manifest.json"
ROOM = 64 << 20
"""Bytes that are to stay free beside what is installed."""
BESIDE = 1.8
"""Bytes that are needed by those that the wheels unpack to: byte code, and the bundle while it is unpacked."""

PLAIN = re.compile(r"[\w./+@,=-]+", re.ASCII)


class BundleError(Exception):
    """It can't be installed; says why and what to do."""


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself."""

    version: str
    commit: str
    """Of the sources, 12 digits."""
    platform: str
    """As linux_x86_64."""
    pythons: list[str]
    """As 3.11."""
    glibc: str
    """The oldest C library that its wheels run with."""
    unpacked: int
    """Bytes of all wheels of one Python, unpacked."""
    files: dict[str, str]
    """Path in the bundle -> SHA-256."""

    @property
    def release(self) -> str:
        """Name of its folder."""
        return f"{self.version}-{self.commit}"


class Bundle:
    """An open bundle. Raises BundleError if it is not one."""

    def __init__(self, path: Path, begin: int) -> None:
        """`begin` is where the tar begins, which the head says."""
        self.path = path
        self._file = open(path, "rb")  # noqa: SIM115  # as long as we are
        self._file.seek(begin)
        try:
            self._tar = tarfile.open(fileobj=self._file, mode="r:")  # noqa: SIM115
            self.manifest = Manifest(**json.loads(self._member(MANIFEST).read()))
        except (tarfile.TarError, KeyError, TypeError, ValueError) as fault:
            raise BundleError(f"{path}: no bundle of a station, or damaged ({fault}); copy it here again") from fault

    def _member(self, name: str) -> IO[bytes]:
        found = self._tar.extractfile(name)
        if found is None:
            raise KeyError(name)
        return found

    def verify(self) -> None:
        """Every file is what the manifest says. Raises BundleError that names those that are not."""
        found: dict[str, str] = {}
        try:
            for member in self._tar:
                if member.isfile() and member.name != MANIFEST:
                    found[member.name] = digest(self._member(member.name))
        except (tarfile.TarError, KeyError) as fault:
            raise BundleError(f"{self.path}: damaged ({fault}); copy it here again") from fault
        told = self.manifest.files
        if wrong := sorted(name for name in told.keys() | found.keys() if told.get(name) != found.get(name)):
            raise BundleError(f"{self.path}: damaged ({', '.join(wrong[:5])}); copy it here again")

    def extract(self, folder: Path) -> None:
        """All files, below a folder. Only of a bundle that was verified."""
        safe: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        self._tar.extractall(folder, **safe)

    def close(self) -> None:
        self._tar.close()
        self._file.close()


def digest(file: IO[bytes]) -> str:
    """SHA-256 of what is left of a file."""
    total = hashlib.sha256()
    while block := file.read(BLOCK):
        total.update(block)
    return total.hexdigest()


def check_machine(manifest: Manifest) -> None:
    """Whether this Python on this machine can run it. Raises BundleError."""
    here = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    if here != manifest.platform:
        raise BundleError(f"this machine is {here}, the bundle is for {manifest.platform}; make one on such a machine")
    python = "{}.{}".format(*sys.version_info)
    if python not in manifest.pythons:
        raise BundleError(
            f"{sys.executable} is Python {python}, the bundle is for {' and '.join(manifest.pythons)}; name another "
            f"(PYTHON=/usr/bin/python{manifest.pythons[-1]} sh …), or: make bundle PYTHONS={python}"
        )
    _check_library(manifest.glibc)
    if importlib.util.find_spec("venv") is None:
        raise BundleError(f"Python's venv module is missing; install it: apt install python{python}-venv")


def _check_library(wanted: str) -> None:
    name, version = platform.libc_ver(lib="")
    if name != "glibc":
        raise BundleError(f"this system's C library is not glibc (Alpine?); the bundle needs glibc {wanted} or newer")
    if _numbers(version) < _numbers(wanted):
        raise BundleError(
            f"this system has glibc {version}, the bundle needs {wanted} or newer; upgrade the system, or make a "
            f"bundle of packages that do with less: make bundle GLIBC={version}"
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(word) for word in version.split("."))


def check_place(to: Path, manifest: Manifest) -> None:
    """Whether there is a place to install to. Raises BundleError."""
    if not PLAIN.fullmatch(str(to)):
        raise BundleError(f"{to}: supervisord and systemd can't have spaces and the like in a path; name another: --to")
    standing = next(each for each in (to, *to.parents) if each.exists())
    if not standing.is_dir():
        raise BundleError(f"{standing} is no folder; name another place: --to")
    if not os.access(standing, os.W_OK | os.X_OK):
        raise BundleError(f"{standing} can't be written to by this user; run it as root, or name another place: --to")
    if os.statvfs(standing).f_flag & os.ST_NOEXEC:
        raise BundleError(f"{standing} is mounted noexec: nothing installed there could run; name another place: --to")
    need, free = int(manifest.unpacked * BESIDE) + ROOM, shutil.disk_usage(standing).free
    if free < need:
        raise BundleError(
            f"{standing} has {free >> 20} MiB free, {need >> 20} MiB are needed; make room, or name another place: --to"
        )
