"""Keys of hosts: who may speak to this station from another machine.

A folder holds this host's key pair, `<host>.secret` (mode 0600, never leaves the machine), and `allowed`, a list of
`name key` lines: the keys of the other hosts. A key is 32 bytes, written as 64 hexadecimal digits.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nodes._settings import NAME

SIZE = 32
LIST = "allowed"
HEADING = "# Hosts that may speak to this one: name and public key. syms keys allow | revoke | list\n"
MAX_LIST = 1 << 20
"""Bytes of a list of keys that is read."""


class KeyFault(Exception):
    """What is wrong with a key or its file, and the remedy."""


def parse(text: str) -> bytes:
    """A public key as people hand it on. Raises KeyFault."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != SIZE:
        raise KeyFault(f"{text[:70]!r} is no key; a key has {2 * SIZE} hexadecimal digits, as syms keys new prints it")
    return key


def secret_file(folder: Path, name: str) -> Path:
    """Where the key pair of a host lies."""
    return folder / f"{name}.secret"


def create(folder: Path, name: str, pair: tuple[bytes, bytes]) -> Path:
    """Write a new key pair (public, secret); never over an old one. Raises KeyFault."""
    check_name(name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = secret_file(folder, name)
    fresh = folder / f".{name}.secret.{os.getpid()}"
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with open(handle, "w") as file:
            file.write(f"public {pair[0].hex()}\nsecret {pair[1].hex()}\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(fresh, path)  # unlike a rename, it never replaces a file
    except FileExistsError as there:
        raise KeyFault(f"{path} is there already; remove it first if its key is to end") from there
    finally:
        fresh.unlink()
    _sync(folder)
    return path


def read_pair(folder: Path, name: str) -> tuple[bytes, bytes]:
    """(public, secret) of this host. Raises KeyFault if there is none, or if others may read it."""
    path = secret_file(folder, name)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with open(handle) as file:
            info = os.fstat(file.fileno())
            words = file.read(1024).split()
    except FileNotFoundError as none:
        raise KeyFault(f"host {name} has no key here ({path}); syms keys new {name} --keys {folder}") from none
    except (OSError, ValueError) as fault:
        raise KeyFault(f"{path} can't be read: {fault}") from fault
    if stat.S_IMODE(info.st_mode) & 0o077 or info.st_uid not in (os.getuid(), 0):
        raise KeyFault(f"{path} may be read by others, or is not ours; chmod 600 it, or make a new key")
    if len(words) != 4 or words[::2] != ["public", "secret"]:
        raise KeyFault(f"{path} is no key file; syms keys new makes one")
    return parse(words[1]), parse(words[3])


def own_names(folder: Path) -> list[str]:
    """Hosts whose key pair lies in this folder."""
    return sorted(path.stem for path in folder.glob("*.secret") if NAME.fullmatch(path.stem))


def check_name(name: str) -> None:
    """Raises KeyFault for what can't be a host's name."""
    if not NAME.fullmatch(name):
        raise KeyFault(f"{name!r} can't be a host's name; a letter, then up to 31 letters, digits, - and _")


def read_list(folder: Path) -> dict[str, bytes]:
    """Name -> public key of those who are allowed; none if there is no list. Raises KeyFault for a faulty line."""
    path = folder / LIST
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_LIST).decode()
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as fault:
        raise KeyFault(f"{path} can't be read: {fault}") from fault
    found: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        try:
            name, key = words
            check_name(name)
            found[name] = parse(key)
        except (ValueError, KeyFault) as fault:
            raise KeyFault(f"{path}:{number}: not a name and a key; syms keys revoke and allow write it") from fault
    return found


def allow(folder: Path, name: str, key: bytes) -> None:
    """Put a host on the list, in the place of an older key of it. Raises KeyFault if another name has the key."""
    check_name(name)
    with _changing(folder):
        keys = read_list(folder)
        if other := next((other for other, its in keys.items() if its == key and other != name), ""):
            raise KeyFault(f"this key is {other}'s; each host has its own")
        _write_list(folder, {**keys, name: key})


def revoke(folder: Path, name: str) -> bool:
    """Take a host off the list; False if it was not on it."""
    with _changing(folder):
        keys = read_list(folder)
        if name not in keys:
            return False
        _write_list(folder, {other: key for other, key in keys.items() if other != name})
        return True


@contextmanager
def _changing(folder: Path) -> Iterator[None]:
    """Two that change the list wait for each other."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write_list(folder: Path, keys: dict[str, bytes]) -> None:
    fresh = folder / f".{LIST}.new"
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(handle, "w") as file:
        file.write(HEADING + "".join(f"{name} {key.hex()}\n" for name, key in sorted(keys.items())))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / LIST)
    _sync(folder)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
