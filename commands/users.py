"""`syms users`: who may use the console, and the log of what they did."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.table import Table

from commands import _auditlog, _firstlink
from commands._output import AsJson, console, print_json
from commands._passwords import PasswordFile, ask
from console.access import editing
from console.access.book import Book
from console.access.editing import DAYS, MOST_DAYS
from console.access.first import LASTS
from console.access.passwords import Hasher, check
from console.access.users import NAME, AccessFault, Role, User
from nodes import _users
from nodes._node import StartError
from protocol.clock import SECOND

UsersFile = Annotated[Path, typer.Option("--users", envvar="SYMS_USERS", help="File of the users.")]
AuditFolder = Annotated[Path, typer.Option("--audit", envvar="SYMS_AUDIT", help="Folder of the audit log.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the user.")]
AsRole = Annotated[Role, typer.Option("--role", help="What the user may do.")]
Regions = Annotated[
    list[str] | None,
    typer.Option("--region", help="Region of the site that he sees; may be given several times."),
]
AllRegions = Annotated[bool, typer.Option("--all-regions", help="He sees all regions, and what is in none.")]
Language = Annotated[str | None, typer.Option("--language", help="en or zh; else that of his browser.")]
USERS, AUDIT = Path("config/users.yaml"), Path("data/audit")


def register(app: typer.Typer) -> None:
    """Add the verb and its own verbs."""
    users = typer.Typer(
        no_args_is_help=True, help="Users of the console: add, change, remove, list them; the audit log."
    )
    for verb, name in (
        (add, "add"), (passwd, "passwd"), (role, "role"), (disable, "disable"), (enable, "enable"), (remove, "remove"),
        (show, "list"), (token, "token"), (first, "first"), (_auditlog.audit, "audit"),
    ):  # fmt: skip
        users.command(name)(verb)
    app.add_typer(users, name="users")


def add(
    name: Name,
    role: AsRole,
    region: Regions = None,
    all_regions: AllRegions = False,
    language: Language = None,
    password_file: PasswordFile = None,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="He can't sign in; for scripts, which have tokens.")
    ] = False,
    users: UsersFile = USERS,
    audit: AuditFolder = AUDIT,
    as_json: AsJson = False,
) -> None:
    """Add a user. His password is asked for; a running console takes him up within a second."""
    if not NAME.fullmatch(name):
        _refuse(f"{name!r} can't be a user's name; letters, digits and . _ @ -, at most 64")
    if language not in (None, "en", "zh"):
        raise typer.BadParameter(f"{language!r} is no language of the console: en, zh", param_hint="--language")
    regions = _regions(region, all_regions)
    if regions is None and not all_regions:
        _refuse(f"say what {name} sees: --region NAME, once or several times, or --all-regions")
    book = Book(users, _users.load)
    if any(name.casefold() == other.casefold() for other in book.users):
        _refuse(f"{name} is there already; syms users passwd | role | remove {name}")
    made = None if no_password else _new_password(name, password_file)
    user = User(name=name, role=role, password=made, regions=regions, language=language)
    with _changing(book, audit, name, f"add as {role}, regions {user.seen}") as found:
        if any(name.casefold() == other.casefold() for other in found):
            raise AccessFault(f"{name} was added meanwhile")
        found[name] = user
    _tell(as_json, {"user": name, "role": role, "regions": regions}, f"{name} is {role} and sees regions {user.seen}")


def passwd(
    name: Name,
    password_file: PasswordFile = None,
    users: UsersFile = USERS,
    audit: AuditFolder = AUDIT,
    as_json: AsJson = False,
) -> None:
    """Give a user a new password. Whoever is signed in under this name is signed out."""
    book = Book(users, _users.load)
    _known(book, name)
    made = _new_password(name, password_file)
    with _changing(book, audit, name, "new password") as found:
        found[name] = _of(found, name).with_(password=made)
    _tell(as_json, {"user": name, "password": "changed"}, f"{name} has a new password and is signed out everywhere")


def role(
    name: Name,
    role: Annotated[Role, typer.Argument(metavar="ROLE", help="viewer, operator, engineer or administrator.")],
    region: Regions = None,
    all_regions: AllRegions = False,
    users: UsersFile = USERS,
    audit: AuditFolder = AUDIT,
    as_json: AsJson = False,
) -> None:
    """Give a user another role, and other regions if any are given. He is signed out."""
    book = Book(users, _users.load)
    before = _known(book, name)
    said: dict[str, Any] = {"role": role}
    if region or all_regions:
        said["regions"] = _regions(region, all_regions)
    after = before.with_(**said)
    what = f"{before.role} to {role}, regions {before.seen} to {after.seen}"
    with _changing(book, audit, name, what) as found:
        after = found[name] = _of(found, name).with_(**said)
    _tell(
        as_json,
        {"user": name, "role": role, "regions": after.regions},
        f"{name} is {role} and sees regions {after.seen}",
    )


def disable(name: Name, users: UsersFile = USERS, audit: AuditFolder = AUDIT, as_json: AsJson = False) -> None:
    """Keep a user out, and his scripts; he is signed out. `enable` lets him in again, with the same password."""
    _able(name, True, users, audit, as_json)


def enable(name: Name, users: UsersFile = USERS, audit: AuditFolder = AUDIT, as_json: AsJson = False) -> None:
    """Let a user in again who was disabled."""
    _able(name, False, users, audit, as_json)


def remove(name: Name, users: UsersFile = USERS, audit: AuditFolder = AUDIT, as_json: AsJson = False) -> None:
    """Remove a user and his tokens; he is signed out. The audit log keeps what he did."""
    book = Book(users, _users.load)
    _known(book, name)
    with _changing(book, audit, name, "remove") as found:
        _of(found, name)
        del found[name]
    _tell(as_json, {"user": name, "removed": True}, f"{name} is removed")


def show(users: UsersFile = USERS, as_json: AsJson = False) -> None:
    """List users, roles, regions and the names of their tokens; no hash is shown."""
    found = Book(users, _users.load).users.values()
    if as_json:
        print_json([_told(user) for user in found])
        return
    table = Table("name", "role", "regions", "", "tokens, until")
    for user in found:
        tokens = (f"{label}, {each.expires:%Y-%m-%d}" for label, each in user.tokens.items())
        state = "disabled" if user.disabled else "" if user.password else "no password"
        table.add_row(user.name, user.role, user.seen, state, "\n".join(tokens))
    console.print(table if found else f"no users in {users}; syms users add NAME --role administrator --all-regions")


def token(
    name: Name,
    label: Annotated[str, typer.Argument(metavar="TOKEN", help="Name of the token: what it is for, as prometheus.")],
    days: Annotated[int, typer.Option("--days", min=1, max=MOST_DAYS, help="How long it is good.")] = DAYS,
    revoke: Annotated[bool, typer.Option("--revoke", help="End it now.")] = False,
    users: UsersFile = USERS,
    audit: AuditFolder = AUDIT,
    as_json: AsJson = False,
) -> None:
    """Make a token for a script, which may what the user may (Authorization: Bearer …). It is shown once."""
    book = Book(users, _users.load)
    _known(book, name)
    try:
        editing.check_label(label)
    except AccessFault as fault:
        _refuse(str(fault))
    if revoke:
        with _changing(book, audit, name, f"token {label} revoked") as found:
            editing.revoke(found, name, label)
        _tell(as_json, {"user": name, "token": label, "revoked": True}, f"token {label} of {name} counts no more")
        return
    fresh, until = editing.fresh_token(), editing.until(time.time_ns(), days)
    with _changing(book, audit, name, f"token {label} until {until:%Y-%m-%d}") as found:
        editing.issue(found, name, label, fresh, until)
    _tell(as_json, {"user": name, "label": label, "token": fresh, "expires": until.isoformat()}, fresh)


def first(
    url: Annotated[str, typer.Option("--url", help="Where the console is.")] = "http://127.0.0.1:8080",
    users: UsersFile = USERS,
    audit: AuditFolder = AUDIT,
    as_json: AsJson = False,
) -> None:
    """Print a one-time link by which the first administrator chooses a name and a password; good for an hour."""
    book = Book(users, _users.load)
    try:
        made = _firstlink.make(book, audit)
    except AccessFault as fault:
        raise StartError(str(fault)) from fault
    link = f"{url.rstrip('/')}/first/{made}"
    _tell(as_json, {"link": link, "seconds": LASTS // SECOND}, link)


def _able(name: str, disabled: bool, users: Path, audit: Path, as_json: bool) -> None:
    book = Book(users, _users.load)
    _known(book, name)
    with _changing(book, audit, name, "disable" if disabled else "enable") as found:
        found[name] = _of(found, name).with_(disabled=disabled)
    _tell(as_json, {"user": name, "disabled": disabled}, f"{name} is {'kept out' if disabled else 'let in'}")


@contextmanager
def _changing(book: Book, audit: Path, name: str, what: str) -> Iterator[dict[str, User]]:
    """A change of the file, written down before and after. Raises StartError."""
    try:
        _auditlog.write(audit, name, "begun", what)
        try:
            with book.changing() as found:
                yield found
        except BaseException as fault:
            _auditlog.write(audit, name, "failed", f"{what}: {fault}")
            raise
        _auditlog.write(audit, name, "done", what)
    except (AccessFault, OSError) as fault:
        raise StartError(str(fault)) from fault


def _known(book: Book, name: str) -> User:
    if name not in book.users:
        _refuse(f"there is no user {name} in {book.path}; syms users list")
    return book.users[name]


def _of(found: dict[str, User], name: str) -> User:
    if name not in found:
        raise AccessFault(f"{name} was removed meanwhile")
    return found[name]


def _new_password(name: str, file: Path | None) -> str:
    password = ask(name, file)
    try:
        check(password, name)
    except AccessFault as fault:
        raise StartError(f"{fault}; nothing was changed") from fault
    return Hasher().make(password)


def _told(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "role": user.role,
        "regions": user.regions,
        "disabled": user.disabled,
        "password": user.password is not None,
        "language": user.language,
        "tokens": {label: each.expires.isoformat() for label, each in user.tokens.items()},
    }


def _regions(named: list[str] | None, every: bool) -> list[str] | None:
    """Those that were named; None: all, or nothing was said. All is never what somebody did not say."""
    if every and named:
        _refuse("--region and --all-regions say two things; give one of them")
    return named or None


def _tell(as_json: bool, data: dict[str, Any], text: str) -> None:
    if as_json:
        print_json(data)
    else:
        print(text)


def _refuse(why: str) -> NoReturn:
    raise StartError(why)
