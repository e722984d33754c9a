"""Nothing of a station runs as root unless told so."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from nodes._node import StartError

TOLD = "SYMS_AS_ROOT"
"""Environment variable that tells so, also to the processes started from here."""

AsRoot = Annotated[bool, typer.Option("--as-root", help=f"Run as root all the same (or set {TOLD}=1).")]


def check(as_root: bool = False) -> None:
    """Raises StartError for root that did not say that it means it."""
    if as_root:
        os.environ[TOLD] = "1"
    if os.geteuid() == 0 and os.environ.get(TOLD) != "1":
        raise StartError(
            "this is root, and so would be every process that devices speak to; start it as a user of its own "
            f"(docs/deploy-under-supervisord.md), or say --as-root or {TOLD}=1"
        )
