"""`syms users audit`: the audit log, and whether it is whole."""

from __future__ import annotations

import os
import pwd
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from commands._output import AsJson, console, print_json
from console.access.audit import Audit, Done
from nodes._node import StartError


def audit(
    start: Annotated[str | None, typer.Option("--from", help="First instant, as 2026-05-06T07:00:00Z.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Instant after the last.")] = None,
    user: Annotated[list[str] | None, typer.Option("--user", help="Of whom; may be given several times.")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check that no line was changed, added or cut out; exit 1 if one was.")
    ] = False,
    folder: Annotated[Path, typer.Option("--audit", envvar="SYMS_AUDIT", help="Folder of the audit log.")] = Path(
        "data/audit"
    ),
    as_json: AsJson = False,
) -> None:
    """What users did, oldest first: when, who, from where, what, to what, and what came of it."""
    log = Audit(folder)
    if verify:
        _verify(log, as_json)
        return
    lines = log.lines(_instant(start), _instant(end))
    if user:
        lines = (line for line in lines if line.get("user") in user)
    if as_json:
        print_json(list(lines))
        return
    table = Table("when (UTC)", "user", "from", "action", "of", "outcome")
    for line in lines:
        detail = f"{line.get('outcome')}\n{line['detail']}" if line.get("detail") else line.get("outcome")
        told = (str(line.get("utc"))[:19].replace("T", " "), _who(line), line.get("address"), line.get("action"),
                line.get("object"), detail)  # fmt: skip
        table.add_row(*(_shown(str(each)) for each in told))
    console.print(table if table.row_count else f"nothing in {folder}")


def write(folder: Path, name: str, outcome: str, detail: str) -> None:
    """What the command line does with a user. Raises AccessFault."""
    who = pwd.getpwuid(os.getuid()).pw_name
    Audit(folder).write(Done(time.time_ns(), f"{who} (command line)", "", "local", "users", name, outcome, detail))


def _verify(log: Audit, as_json: bool) -> None:
    found = log.verify()
    if as_json:
        print_json(asdict(found))
    else:
        for fault in found.faults:
            print(f"{log.folder}/{fault}")
        print(f"{found.lines} lines in {found.files} files, {len(found.faults)} faults; the last line is {found.last}")
    raise typer.Exit(1 if found.faults else 0)


def _shown(text: str) -> Text:
    """As it stands there: what somebody wrote is neither markup nor words to a terminal."""
    return Text("".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text))


def _who(line: dict[str, Any]) -> str:
    return f"{line.get('user')}, {line['role']}" if line.get("role") else str(line.get("user"))


def _instant(moment: str | None) -> int | None:
    """ns UTC."""
    from archive.folder import ArchiveError
    from archive.spans import instant

    try:
        return None if moment is None else instant(moment, 0)
    except ArchiveError as fault:
        raise StartError(str(fault)) from fault
