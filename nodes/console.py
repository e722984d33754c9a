"""Console: the station on web pages.

Reads the concentrators' slots, what triggers say of events, and the Health of every process; hands it to a model
(`console/model.py`) that the pages ask, which a web server in a thread of its own serves (`console/app.py`). It
reads best effort: what it misses, the archive has.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import structlog
from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from console.ground import Ground, GroundError, background
from nodes import _onmap, _users
from nodes._certificates import TlsFault
from nodes._faults import Faulty
from nodes._machine import folders_of
from nodes._node import Action, Letter, Node, Place, StartError, Unwatch, Watch
from nodes._servertls import ServerTls
from nodes._settings import Address, Duration, FilePath, Size, fault
from nodes._settings import Settings as Base
from nodes._site import Site
from nodes._siteforms import NetworkText
from nodes._stream import Reader
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Alarm, AlarmAnswer, Configuration, Event, Flags, Health, Numbered, Snapshots

if TYPE_CHECKING:
    from console.access.who import Access

LOOK_EVERY = 500 * MILLISECOND
"""At the web server: one that ended unasked is a bug, and the process ends with it."""


class Settings(Base):
    """Console: where browsers find it, and what it keeps."""

    listen: Address = Address("127.0.0.1", 8080)
    """Where browsers find it; beyond this machine under TLS alone."""
    certificate: FilePath | None = None
    """Of this server, PEM; behind it those between it and its authority."""
    key: FilePath | None = None
    """Its secret key, PEM, without a passphrase; only its owner may read the file (mode 0600)."""
    keep: Duration = Field(default=120 * SECOND, gt=0)
    """Slots that are held for trends; what is older comes from the archive."""
    memory: Size = 128 << 20
    """Most that they take of each table."""
    archive: FilePath | None = None
    """Folder of the archive that pages show; none: that of this pipeline."""
    background: FilePath | None = None
    """GeoJSON (WGS 84) that lies under the map: borders, rivers, named places; none: devices and lines alone."""
    users: FilePath | None = None
    """File of the users; none: config/users.yaml beside the folder of the pipeline."""
    audit: FilePath | None = None
    """Folder of the audit log; none: data/audit beside the folder of the pipeline."""
    idle: Duration = 2 * 3600 * SECOND
    """After so long without a click a session ends; a page that is open alone doesn't keep it."""
    longest: Duration = 12 * 3600 * SECOND
    """After so long it ends anyway."""
    hosts: list[Annotated[str, Field(min_length=1, max_length=253)]] = Field(default_factory=list)
    """Names that browsers reach it by, besides IP addresses and localhost."""
    proxy: bool = False
    """A proxy before it speaks https to all browsers: cookies are for https alone."""
    proxies: list[NetworkText] = Field(default_factory=list)
    """Addresses or networks of proxies: they are believed whose request it is, and whether by https; others are not."""
    proxy_header: Literal["X-Forwarded-For", "Forwarded"] = "X-Forwarded-For"
    """Where they say it; with the first, X-Forwarded-Proto says how."""

    @field_validator("background")
    @classmethod
    def _drawable(cls, path: Path | None) -> Path | None:
        if path is not None:
            try:
                background(path)
            except OSError as trouble:
                raise fault(f"{path}: {trouble.strerror}", "name a file of GeoJSON, or leave background out") from None
            except GroundError as why:
                raise fault(f"{path}:{why.line}: {why.what}", why.remedy) from None
        return path

    @property
    def address(self) -> str:
        """Where its first page is."""
        return f"http{'s' * (self.key is not None or self.proxy)}://{self.listen}/"

    def users_file(self, pipeline: Path) -> Path:
        """The file of the users, of a console of this pipeline file."""
        return self.users or pipeline.parent.parent / "config" / "users.yaml"

    def audit_folder(self, pipeline: Path) -> Path:
        """That of its audit log."""
        return self.audit or pipeline.parent.parent / "data" / "audit"

    @model_validator(mode="after")
    def _secured(self) -> Settings:
        if (self.certificate is None) != (self.key is None):
            raise fault("a certificate and its key go together", "give both, or neither")
        if self.certificate is None and not _is_loopback(self.listen.host):
            raise not_secured(self.listen)
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def not_secured(listen: Address) -> PydanticCustomError:
    """Passwords do not go over a network in the clear."""
    what = f"{listen} can be reached from other machines, and there is no TLS"
    return fault(what, f"add certificate: and key:, or listen: 127.0.0.1:{listen.port}")


class Console(Node):
    """See the module."""

    TAGS = (Configuration.TAG, Snapshots.TAG, Event.TAG, Flags.TAG, Alarm.TAG, AlarmAnswer.TAG)  # type: ignore[attr-defined]
    NICE = 10

    def __init__(self, settings: Settings, place: Place) -> None:
        from console.board import Board
        from console.model import Station

        self.settings, self.place = settings, place
        self.log = structlog.get_logger().bind(node=place.name)
        self.reader = Reader(place.name, configurations=True)
        self.station = Station(
            str(place.site.get("station", "")), Board(list(place.watched)), settings.keep, settings.memory
        )
        self._web: Any = None
        self._look_at = 0
        self._access: Access | None = None
        self._tls: ServerTls | None = None

    def start(self, now: Now) -> Iterator[Action]:
        """Open the port and serve. Raises StartError."""
        os.environ.setdefault("NICEGUI_STORAGE_PATH", f"{self.place.run}/nicegui")  # else in the working folder
        from console.app import Console as Shared
        from console.app import application
        from console.server import WebServer, clock

        self._tls = self._made_tls()
        listening = _listen(self.settings.listen)
        pipeline, ground = Path(self.place.pipeline), self._ground()
        journal = self.place.journal.parent if self.place.journal else None
        station, place = self.station, self.place
        shared = Shared(station, place.site, pipeline, place.run, clock, self._archive(), ground, journal)
        access = self._made_access()
        self._web = WebServer(application(shared, access), listening, self._tls.context if self._tls else None)
        self._web.start()
        at = self.settings.address
        self.log.info("serves", at=at)
        self._access = access
        if not access.book.has_administrator:
            self.log.warning(
                "nobody may sign in yet: make the link for the first administrator",
                how=f"syms users first --url {at} --users {access.book.path}",
            )
        yield Watch(self.station.alarms.fd)

    def _made_tls(self) -> ServerTls | None:
        """Raises StartError."""
        if self.settings.certificate is None or self.settings.key is None:
            return None
        try:
            return ServerTls(self.settings.certificate, self.settings.key)
        except TlsFault as fault:
            raise StartError(str(fault)) from fault

    def _made_access(self) -> Access:
        """Raises StartError."""
        from console.access.audit import Audit
        from console.access.book import Book
        from console.access.forwarded import Proxies
        from console.access.kept import Kept
        from console.access.users import AccessFault
        from console.access.who import Access, Policy
        from console.server import clock

        pipeline, s = Path(self.place.pipeline), self.settings
        tls = s.key is not None or s.proxy
        hosts = frozenset(name.lower() for name in (*s.hosts, s.listen.host))
        proxies = Proxies(tuple(s.proxies), s.proxy_header)
        policy = Policy(tls=tls, proxies=proxies, hosts=hosts, idle=s.idle, absolute=s.longest)
        if s.proxy and not s.proxies:
            self.log.warning("all browsers share the address of the proxy", how="add proxies: [ADDRESS of it]")
        try:
            book = Book(s.users_file(pipeline), _users.load)
            kept = Kept(Path(self.place.run, f"{self.place.name}.sessions"))
            return Access(book, Audit(s.audit_folder(pipeline)), policy, clock, kept=kept)
        except (AccessFault, Faulty, OSError) as fault:
            raise StartError(str(fault)) from fault

    def _ground(self) -> Ground:
        """What the map shows beside devices: a table that can't be read any more is left out, and said."""
        under = background(self.settings.background) if self.settings.background else Ground()
        try:
            return _onmap.ground(Site.model_validate({"station": "", **self.place.site}), under)
        except Faulty as faulty:
            self.log.warning("map without the network", why=str(faulty.faults[0]))
            return under

    def _archive(self) -> Path | None:
        return self.settings.archive or next(iter(folders_of(self.place)), None)

    def receive(self, message: Any, now: Now) -> Iterator[Action]:
        """Words of those it reads, and Health."""
        if isinstance(message, Health):
            self.station.take(message, now.monotonic / SECOND)
            return
        if isinstance(message, AlarmAnswer):
            self.station.alarms.hear(message)
            return
        words, actions = self.reader.receive(message, now)
        yield from actions
        for word in words:
            self._take(word, now)

    def _take(self, word: Numbered, now: Now) -> None:
        self.station.take(word, now.monotonic / SECOND)

    def ready(self, fd: int, now: Now) -> Iterator[Action]:
        """Somebody does something about an alarm."""
        return self._ask(now)

    def _ask(self, now: Now) -> Iterator[Action]:
        """What is asked of those who keep alarms."""
        keepers = self.place.sources.get("alarms", [])
        if keepers:
            yield from (Letter(keepers[0], action) for action in self.station.alarms.due(self.place.name, now))

    def wake_at(self) -> int | None:
        wait = self.reader.wake_at()
        return self._look_at if wait is None else min(wait, self._look_at)

    def wake(self, now: Now) -> Iterator[Action]:
        """Fetch what was missed; look whether the web server is there."""
        yield from self.reader.wake(now)
        if now.monotonic >= self._look_at:
            self._look_at = now.monotonic + LOOK_EVERY
            yield from self._ask(now)
            if self._web is not None and not self._web.alive:
                raise RuntimeError("the web server has ended") from self._web.fault

    def stop(self, now: Now) -> Iterator[Action]:
        """Browsers are hung up on."""
        if self._web is not None:
            self._web.stop()
        if self._access is not None:
            self._access.keep(last=True)
        yield Unwatch(self.station.alarms.fd)

    def health(self, now: Now) -> dict[str, Any]:
        """For a Health message."""
        alarms = [] if self._access is None else list(self._access.book.alarms)
        alarms += self._tls.alarms(now) if self._tls else []
        counters = {"messages_lost": self.reader.lost, "messages_fetched": self.reader.fetched}
        return {"counters": counters, "alarms": alarms}


def _listen(at: Address) -> socket.socket:
    """Raises StartError."""
    family = socket.AF_INET6 if ":" in at.host else socket.AF_INET
    try:
        where = socket.getaddrinfo(at.host, at.port, family if ":" in at.host else 0, socket.SOCK_STREAM)[0]
        opened = socket.socket(where[0], where[1])
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(where[4])
        opened.listen(128)
    except OSError as trouble:
        raise StartError(f"{at}: {trouble.strerror or trouble}") from trouble
    return opened
