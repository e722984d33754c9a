"""A disk that did not do what an archive asked of it, in words with a remedy."""

from __future__ import annotations

import errno
from pathlib import Path

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def fault_of(problem: Exception, root: Path) -> str:
    """What a disk did not do, where, and what to do about it."""
    number = problem.errno if isinstance(problem, OSError) else None
    if number is None:
        return str(problem)
    remedies = {errno.EROFS: "mount it for writing", errno.EACCES: "allow this user to write there"}
    remedy = "make room" if number in FULL else remedies.get(number, "check the disk")
    where = "" if str(root) in str(problem) else f"{root}: "
    return f"{where}{problem}; {remedy}; it goes on by itself"
