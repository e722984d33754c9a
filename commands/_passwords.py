"""A password that somebody types or a file has: never an argument, which others on the machine can see."""

from __future__ import annotations

import sys
from getpass import getpass
from pathlib import Path
from typing import Annotated

import typer

from nodes._node import StartError

PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="Take the password from the first line of a file, or of stdin (-)."),
]


def ask(name: str, file: Path | None) -> str:
    """A new password for a user. Raises StartError."""
    if file is not None:
        try:
            text = sys.stdin.readline() if str(file) == "-" else file.read_text(encoding="utf-8")
        except (OSError, ValueError) as fault:
            raise StartError(f"{file}: the password can't be read: {fault}") from fault
        return text.partition("\n")[0].removesuffix("\r")
    if not sys.stdin.isatty():
        raise StartError("nobody is here to type a password; give --password-file FILE, or - for stdin")
    password = getpass(f"New password of {name}: ")
    if password != getpass("Again: "):
        raise StartError("the two passwords are not the same; nothing was changed")
    return password
