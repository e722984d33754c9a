"""`syms keys`: the keys that the hosts of a pipeline know each other by."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Annotated

import typer

from commands._output import AsJson, print_json
from nodes import _keys, _sockets
from nodes._node import StartError

Folder = Annotated[Path, typer.Option("--keys", envvar="SYMS_KEYS", help="Folder of the keys.")]
Name = Annotated[str, typer.Argument(metavar="HOST", help="Name of the host in the pipeline file.")]
FOLDER = Path("config/keys")


def register(app: typer.Typer) -> None:
    """Add the verb and its own verbs."""
    keys = typer.Typer(no_args_is_help=True, help="Keys of the hosts of a pipeline: make, allow, revoke, list them.")
    keys.command("new")(new)
    keys.command("allow")(allow)
    keys.command("revoke")(revoke)
    keys.command("list")(show)
    app.add_typer(keys, name="keys")


def new(name: Name, keys: Folder = FOLDER, as_json: AsJson = False) -> None:
    """Make this host's key pair. The secret stays here (mode 0600); the public key goes to the other hosts."""
    pair = _sockets.new_pair()
    try:
        path = _keys.create(keys, name, pair)
    except _keys.KeyFault as fault:
        raise StartError(str(fault)) from fault
    public = pair[0].hex()
    if as_json:
        print_json({"host": name, "public": public, "secret_file": str(path)})
    else:
        print(f"{path} made; it stays on this host. On each other host:\nsyms keys allow {name} {public}")


def allow(
    name: Name,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its public key, 64 hexadecimal digits.")],
    keys: Folder = FOLDER,
    as_json: AsJson = False,
) -> None:
    """Let a host in. A running station takes it up within a second or two."""
    try:
        _keys.allow(keys, name, _keys.parse(key))
    except _keys.KeyFault as fault:
        raise StartError(str(fault)) from fault
    if as_json:
        print_json({"host": name, "allowed": True})
    else:
        print(f"{name} may speak to this host")


def revoke(name: Name, keys: Folder = FOLDER, as_json: AsJson = False) -> None:
    """Keep a host out from now on. A running station cuts it off within a second or two; exit 1 if it was not in."""
    try:
        was = _keys.revoke(keys, name)
    except _keys.KeyFault as fault:
        raise StartError(str(fault)) from fault
    if as_json:
        print_json({"host": name, "allowed": False, "was_allowed": was})
    else:
        print(f"{name} is kept out" if was else f"{name} was not on the list of {keys}")
    raise typer.Exit(0 if was else 1)


def show(keys: Folder = FOLDER, as_json: AsJson = False) -> None:
    """Whose keys are here, and who is allowed."""
    try:
        allowed = {name: key.hex() for name, key in _keys.read_list(keys).items()}
        own = {name: _keys.read_pair(keys, name)[0].hex() for name in _keys.own_names(keys)}
    except _keys.KeyFault as fault:
        raise StartError(str(fault)) from fault
    if as_json:
        modes = {name: oct(stat.S_IMODE(_keys.secret_file(keys, name).stat().st_mode)) for name in own}
        print_json({"folder": str(keys), "own": own, "allowed": allowed, "modes": modes})
        return
    for title, listed in (("this host", own), ("allowed", allowed)):
        for name, key in listed.items():
            print(f"{title:<10} {name:<12} {key}")
    if not own and not allowed:
        print(f"no keys in {keys}; syms keys new HOST")
