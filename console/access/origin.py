"""Where a request says it comes from: the names this console is reached by, and the pages that may call it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

HOST = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
"""RFC 3986 §3.2.2, without what no name of a machine has: a path or a user in it would make another address of it."""


def host_name(host: str) -> str:
    """Of a Host header, without its port and brackets; "" if it is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "") if HOST.fullmatch(host) else ""
    except ValueError:
        return ""


def host_is_known(host: str, names: Collection[str]) -> bool:
    """Whether a browser may have been led here by this name.

    A page elsewhere can have its own name point at this machine (DNS rebinding): so only IP addresses, which no name
    server can change, localhost, and the names in the settings are answered.
    """
    name = host_name(host)
    if name == "localhost" or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_own(origin: str, host: str, tls: bool) -> bool:
    """Whether an Origin header names the very page that the request goes to; none does not."""
    scheme = "https" if tls else "http"
    return bool(origin) and _parts(origin) == _parts(f"{scheme}://{host}")


def _parts(origin: str) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(origin)
        return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "", origin, None


def own_path(path: str) -> str:
    """Where to go after signing in: a path of this console, "/" in the place of anything else."""
    plain = path.isprintable() and "\\" not in path
    return path if plain and path.startswith("/") and not path.startswith("//") else "/"
