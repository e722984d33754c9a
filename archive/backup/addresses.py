"""Where a backup goes: a folder of this machine, or a place for rsync."""

from __future__ import annotations

import re

REMOTE = re.compile(r"rsync://|[^/:]+::?[^:]")


def is_remote(target: str) -> bool:
    """Whether a target is one for rsync: it has a colon before its first slash."""
    return REMOTE.match(target) is not None
