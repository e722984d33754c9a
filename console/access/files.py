"""Files that only the station's user reads: made with mode 0600, and his also if root makes them."""

from __future__ import annotations

import os
from pathlib import Path

from archive.disk import make_folder


def open_private(path: Path, flags: int) -> int:
    """Descriptor of a file for writing, which is made if it is not there; never through a link. Raises OSError."""
    handle = os.open(path, flags | os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        _hand_over(handle, path.parent)
    except OSError:
        os.close(handle)
        raise
    return handle


def private_folder(path: Path) -> int:
    """Descriptor of a folder, which is made (mode 0700) if it is not there. Raises OSError."""
    if not path.exists():
        make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
        fresh = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        _hand_over(fresh, path.parent)
        return fresh
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY)


def _hand_over(handle: int, folder: Path) -> None:
    """What root makes belongs to whom the folder belongs to: an administrator's sudo locks no console out."""
    if os.geteuid() == 0 and (owner := folder.stat()).st_uid != os.fstat(handle).st_uid:
        os.fchown(handle, owner.st_uid, owner.st_gid)
