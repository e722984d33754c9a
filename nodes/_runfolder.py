"""The runtime folder of a pipeline: short, ours alone (0700), and found again from the pipeline's path."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from nodes._node import StartError


def run_folder(pipeline: Path, host: str = "") -> Path:
    """Runtime folder of a pipeline file (of its part on one of several hosts): `$SYMS_RUN`, else one named after the
    file's path, and the host, under the user's own.
    """
    if by_hand := os.environ.get("SYMS_RUN"):
        return Path(by_hand).absolute()
    named = os.fsencode(pipeline.resolve()) + (f"\0{host}".encode() if host else b"")
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")
    return base / f"syms-{os.getuid()}" / hashlib.sha256(named).hexdigest()[:8]


def make_run_folder(folder: Path) -> None:
    """Make a runtime folder. Raises StartError if it is, or stands in, somebody else's or is open to others."""
    ours = (folder.parent, folder) if folder.parent.name == f"syms-{os.getuid()}" else (folder,)
    for place in ours:
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(f"{place} can't be made: {error.strerror}; set SYMS_RUN to another folder") from error
        info = place.lstat()
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
            raise StartError(f"{place} is not a folder of ours; remove it or set SYMS_RUN")
        if stat.S_IMODE(info.st_mode) & 0o077:
            raise StartError(f"{place} is open to others; chmod 700 it or set SYMS_RUN")
