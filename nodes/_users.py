"""The file of the console's users, checked as site files are: what is wrong with it has its line and a remedy."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from console.access.users import NAME, Entry, User
from nodes import _yaml
from nodes._faults import Faulty, Lines, suggestion

REMEDY = "`syms users` writes this file"
MAX_FILE = 1 << 20
"""Bytes: some thousand users with tokens."""


def load(path: Path) -> dict[str, User]:
    """Name -> user. Raises Faulty."""
    data, lines, _ = _yaml.read(path, limit=MAX_FILE)
    users = {} if lines.faults else read(data, lines)
    if not lines.faults and stat.S_IMODE(path.stat().st_mode) & 0o077:
        lines.fault((), "others may read this file, which has the hashes of passwords", f"chmod 600 {path}")
    if lines.faults:
        raise Faulty(lines.faults)
    return users


def read(data: Any, lines: Lines) -> dict[str, User]:
    """The users in the data of a file; faults go to `lines`."""
    if not isinstance(data, dict) or not isinstance(data.get("users"), dict):
        lines.fault(("users",), "has no users", f"begin with `users:` and names below it; {REMEDY}")
        return {}
    for word in data.keys() - {"users"}:
        lines.fault((word,), f"unknown word {word!r}", suggestion(word, ["users"]))
    users: dict[str, User] = {}
    known: dict[str, str] = {}
    for name, entry in data["users"].items():
        path = ("users", name)
        if not NAME.fullmatch(name):
            lines.fault(path, f"{name!r} can't be a user's name", "letters, digits and . _ @ -, at most 64")
        elif (other := known.setdefault(name.casefold(), name)) != name:
            lines.fault(path, f"{name!r} differs from {other!r} by small and capital letters only", "rename one")
        elif not isinstance(entry, dict):
            lines.fault(path, f"user {name}: has no settings", f"add role: … below the name; {REMEDY}")
        else:
            try:
                users[name] = User(name=name, **dict(Entry.model_validate(entry)))
            except ValidationError as error:
                lines.settings(path, Entry, error, f"user {name}")
    return users
