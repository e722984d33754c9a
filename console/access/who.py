"""The console's one place that says who somebody is, what he may do, and writes down what he did.

Nobody is known by a page, a widget or a client: each request and each websocket carries a `Visit`, which looks its
session up anew whenever it is asked, so that a session that has ended, or a role that was taken away, counts at once.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import structlog
from starlette.requests import HTTPConnection

from console.access.audit import Audit, Done
from console.access.book import Book
from console.access.first import FirstLink
from console.access.forwarded import NO_PROXIES, Proxies
from console.access.kept import Kept
from console.access.lockout import Lockout, Meter, place
from console.access.passwords import LEAST, Hasher
from console.access.permissions import Forbidden, demand
from console.access.sessions import Sessions, digest
from console.access.users import AccessFault, User, Users
from protocol.clock import SECOND, Clock

SCOPE = "syms"
"""Key of the Visit in an ASGI scope."""
FREE_NAME, FREE_ADDRESS = 5, 20
"""Failed attempts that cost nothing: for one name, from one address."""
REFUSALS = 20
"""Lines in a minute about what one user, or somebody at one address, was refused."""
NOBODY = "(unknown name)"
"""In the audit log."""

Source = HTTPConnection | MutableMapping[str, Any]
"""A request, a websocket, or the ASGI scope of one."""


@dataclass(frozen=True)
class Policy:
    """How the console is reached and how long sessions live."""

    tls: bool = False
    """Whether all browsers see https: our own TLS, or that of a proxy before us."""
    proxies: Proxies = NO_PROXIES
    """Whom we believe what they say of a browser."""
    hosts: frozenset[str] = frozenset()
    """Names, in small letters, that browsers reach us by, besides IP addresses and localhost."""
    idle: int = 2 * 3600 * SECOND
    """ns; after so long without a click or page a session ends. An open page alone doesn't keep it."""
    absolute: int = 12 * 3600 * SECOND
    """ns; after so long a session ends anyway: the longest shift."""
    least: int = LEAST
    """Characters of a password."""
    api: tuple[str, ...] = ("/api/", "/metrics")
    """Begin of paths that take tokens of scripts, and are answered 401 instead of led to the page for signing in."""


class Access:
    """Of one console."""

    def __init__(self, book: Book, audit: Audit, policy: Policy, clock: Clock, hasher: Hasher | None = None,
                 kept: Kept | None = None) -> None:  # fmt: skip
        """`kept`: where sessions outlive the process; None: they do not."""
        self.book, self.audit, self.policy, self.clock = book, audit, policy, clock
        self.hasher = hasher or Hasher()
        self.sessions = Sessions(policy.idle, policy.absolute)
        self.first = FirstLink(book)
        self.by_name, self.by_address = Lockout(FREE_NAME), Lockout(FREE_ADDRESS)
        self._refused = Meter(REFUSALS)
        self._secret = secrets.token_bytes(32)
        self._kept = kept
        self._users: Users | None = None
        """Those that the open sessions were compared with."""
        if kept is not None:
            kept.load(self.sessions, self.by_name, self.by_address, clock())

    def keep(self, last: bool = False) -> None:
        """Write down who is signed in and who has to wait, where that changed; `last`: the console ends."""
        if self._kept is not None:
            self._kept.save(self.sessions, self.by_name, self.by_address, self.clock(), last)

    def look(self, monotonic: int) -> None:
        """Take a changed file of users up. Sessions of who is not who he was end then, also if he is again later."""
        self.book.look(monotonic)
        if self._users is not self.book.users:
            self._users = self.book.users
            for each in self.sessions.open():
                self.sessions.user(each.key, self._users, monotonic)

    # ------------------------------------------------------------------ signing in

    def attempt(self, name: str, address: str) -> int:
        """An attempt to sign in begins: ns to wait before it is looked at; 0: it is, and counts until `sign_in`."""
        now = self.clock().monotonic
        wait = max(self.by_name.wait(_known_as(name), now), self.by_address.wait(place(address), now))
        if not wait:
            self.by_name.strike(_known_as(name), now)
            self.by_address.strike(place(address), now)
        return wait

    def verify(self, name: str, password: str) -> str:
        """Of whose hash a password is, if that is the user's, else "". Slow on purpose, and as slow for a name that
        nobody has: in a thread."""
        user = self.book.users.get(name)
        made = user.password if user else None
        return made or "" if self.hasher.verify(made, password) else ""

    def sign_in(self, name: str, right: str, address: str) -> str:
        """The token of a new session, "" if the password was wrong or the user is kept out.

        `right`: what `verify` found; it counts no more if he was given another password meanwhile.
        """
        now = self.clock()
        self.look(now.monotonic)
        user = self.book.users.get(name)
        if not right or user is None or user.disabled or user.password != right:
            known = name if user is not None else NOBODY  # what was typed may be a password in the wrong field
            self._refusal(Done(now.utc, known, "", address, "sign in", "", "refused"), address)
            return ""
        self.forgive(name, address)
        self._note(Done(now.utc, name, user.role, address, "sign in", "", "done"))
        return self.sessions.begin(user, address, now.monotonic)

    def forgive(self, name: str, address: str) -> None:
        """The password was right."""
        self.by_name.forgive(_known_as(name))
        self.by_address.take_back(place(address))

    def sign_out(self, visit: Visit) -> None:
        """The session of a visit ends, and its websockets with it."""
        if user := visit.user():
            self._note(Done(self.clock().utc, user.name, user.role, visit.address, "sign out", "", "done"))
        self.sessions.end(visit.session)

    def change_password(self, user: User, made: str, address: str) -> str:
        """A user, as he was when he said his old password, takes a new one, of this hash: his sessions end; the token
        of a new one. Raises AccessFault: he was removed, kept out or given another one meanwhile."""
        now = self.clock()
        self.audit.write(Done(now.utc, user.name, user.role, address, "password", user.name, "done"))
        with self.book.changing() as users:
            now_there = users.get(user.name)
            if now_there is None or now_there.disabled or now_there.password != user.password:
                raise AccessFault(f"{user.name} was changed meanwhile; nothing was done", "changed_meanwhile")
            users[user.name] = users[user.name].with_(password=made)
        self.sessions.end_all(user.name)
        return self.sessions.begin(self.book.users[user.name], address, now.monotonic)

    def use_first_link(self, token: str, name: str, made: str, address: str) -> str:
        """The first administrator makes himself known, with a password of this hash: the token of his session.

        Raises AccessFault.
        """
        now = self.clock()
        user = self.first.use(token, name, made, now.utc)
        self._note(
            Done(now.utc, name, user.role, address, "users", name, "done", "first administrator, by one-time link")
        )
        return self.sessions.begin(user, address, now.monotonic)

    def form_token(self, binding: str) -> str:
        """What a form of ours carries, so that one made elsewhere is told from it; bound to a cookie."""
        return hmac.new(self._secret, binding.encode(), hashlib.sha256).hexdigest()

    def is_form_token(self, token: str, binding: str) -> bool:
        """Whether a form that came back is ours."""
        return bool(binding) and hmac.compare_digest(token.encode(), self.form_token(binding).encode())

    # ------------------------------------------------------------------ who somebody is

    def bearer(self, token: str) -> tuple[str, str]:
        """(user, hash of the token) of a script; "" if nobody has it, or it has ended."""
        key = digest(token)
        for user in self.book.users.values():
            if any(hmac.compare_digest(each.hash, key) for each in user.tokens.values()):
                return user.name, key
        return "", ""

    def of_bearer(self, name: str, key: str) -> User | None:
        """Whose a token is, as long as it is on his list."""
        user = self.book.users.get(name)
        if user is None or user.disabled:
            return None
        utc = self.clock().utc
        lives = any(each.hash == key and utc < each.expires.timestamp() * SECOND for each in user.tokens.values())
        return user if lives else None

    def ended(self, scopes: Mapping[str, Source]) -> list[str]:
        """Which of some clients (by id, with the scope of their websocket or request) are not signed in any more."""
        return [client for client, source in scopes.items() if (visit := find(source)) is None or visit.user() is None]

    # ------------------------------------------------------------------ what was done

    def write(self, visit: Visit, user: User, action: str, object: str, outcome: str, detail: str = "") -> None:
        """A line of the audit log. Raises AccessFault: what can't be written down must not be done."""
        self.audit.write(Done(self.clock().utc, user.name, user.role, visit.address, action, object, outcome, detail))

    def refuse(self, visit: Visit, user: User, action: str, object: str, region: str | None) -> None:
        """A line about what somebody may not do."""
        where = "" if region is None else f"region {region}"
        self._refusal(
            Done(self.clock().utc, user.name, user.role, visit.address, action, object, "refused", where), user.name
        )

    def _refusal(self, done: Done, who: str) -> None:
        """Nobody fills the log by asking in vain: only so many in a minute of one, the others are counted."""
        left_out = self._refused.take(who, self.clock().monotonic)
        if left_out is not None:
            more = f"{left_out} more before this are not written here" if left_out else ""
            self._note(replace(done, detail=", ".join(filter(None, (done.detail, more)))))

    def _note(self, done: Done) -> None:
        """A line about coming and going: people may look at the station on a full disk, too."""
        try:
            self.audit.write(done)
        except AccessFault as fault:
            structlog.get_logger().error("not in the audit log", what=done.action, user=done.user, why=str(fault))


def _known_as(name: str) -> str:
    """What failures are counted for. Somebody may have typed a password there: 24 bits tell names apart well enough,
    and nobody who reads them finds it."""
    return digest(name)[:6]


@dataclass(frozen=True)
class Visit:
    """Who is behind a request or a websocket; in its scope."""

    access: Access
    address: str
    nonce: str
    """For the scripts of the page."""
    session: str = ""
    """Key of a session, "" if there is none."""
    script: tuple[str, str] = ("", "")
    """(user, hash) of a script's token."""
    tls: bool = False
    """Whether the browser sees https."""

    def user(self) -> User | None:
        """Who it is now; None: nobody who is signed in."""
        now = self.access.clock().monotonic
        self.access.look(now)
        if self.script[0]:
            return self.access.of_bearer(*self.script)
        return self.access.sessions.user(self.session, self.access.book.users, now)

    def touch(self) -> None:
        """He has done something."""
        self.access.sessions.touch(self.session, self.access.clock().monotonic)
        self.access.keep()


def find(source: Source) -> Visit | None:
    """The visit of a request, websocket or scope, if it came through the gate."""
    scope = source.scope if isinstance(source, HTTPConnection) else source
    visit = scope.get(SCOPE)
    return visit if isinstance(visit, Visit) else None


def current(source: Source) -> User:
    """Who is behind a request, a websocket or a scope, now. Raises Forbidden if nobody is signed in (any more)."""
    return _behind(source)[1]


def require(source: Source, action: str, region: str | None = None, object: str = "") -> User:
    """Who is behind it, if he may do that there (see `may`), else Forbidden, which the audit log has."""
    visit, user = _behind(source)
    try:
        demand(user, action, region)
    except Forbidden:
        visit.access.refuse(visit, user, action, object, region)
        raise
    visit.touch()
    return user


@contextmanager
def acting(source: Source, action: str, object: str, region: str | None = None, detail: str = "") -> Iterator[User]:
    """What changes something happens in such a block: only if he may, with a line before it and one of what came of it.

    Raises Forbidden, AccessFault (the log can't be written: nothing was done), and what the block raises.
    """
    user = require(source, action, region, object)
    visit = _behind(source)[0]
    visit.access.write(visit, user, action, object, "begun", detail)
    try:
        yield user
    except BaseException as fault:
        visit.access.write(visit, user, action, object, "failed", f"{type(fault).__name__}: {fault}")
        raise
    visit.access.write(visit, user, action, object, "done", detail)


def _behind(source: Source) -> tuple[Visit, User]:
    visit = find(source)
    user = visit.user() if visit else None
    if visit is None or user is None:
        raise Forbidden("you are not signed in, or not any more")
    return visit, user
