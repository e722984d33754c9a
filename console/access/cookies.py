"""The console's two cookies: who is signed in, and whose form it was before that."""

from __future__ import annotations

from starlette.responses import Response


def session_cookie(tls: bool) -> str:
    """Under TLS with the prefix that keeps other names and paths of the host from setting it (RFC 6265bis §4.1.3.2)."""
    return "__Host-syms-session" if tls else "syms-session"


def form_cookie(tls: bool) -> str:
    """Of somebody who is not signed in yet."""
    return "__Host-syms-form" if tls else "syms-form"


def give(answer: Response, name: str, value: str, tls: bool) -> None:
    """Until the browser is closed; how long it counts is for us to say."""
    answer.set_cookie(name, value, path="/", secure=tls, httponly=True, samesite="strict")


def take(answer: Response, name: str, tls: bool) -> None:
    """It is not needed any more."""
    answer.delete_cookie(name, path="/", secure=tls, httponly=True, samesite="strict")
