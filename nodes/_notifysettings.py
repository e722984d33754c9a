"""Who is told of alarms, and how: by e-mail, webhook or syslog."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from nodes._settings import Address, Duration, FilePath, Settings, fault
from protocol.clock import SECOND
from protocol.messages import Severity

Change = Literal["raised", "escalated", "cleared"]
SECRET = "name of an entry in the file that `secrets` names"


def _is_mail(value: str) -> str:
    name, _, host = value.rpartition("@")
    if not name or not host or any(sign.isspace() or sign in "<>,;" for sign in value):
        raise fault(f"{value!r} is no mail address", 'write it as "duty@grid.example"')
    return value


def _is_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("https", "http") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or any(sign.isspace() for sign in value):
        raise fault(f"{value!r} is no address of a webhook", 'write it as "https://hooks.example/alarms"')
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise fault(f"{value!r} would send alarms in the clear", "write https://, or an address of this machine")
    if parts.username or parts.password:
        raise fault(f"{parts.hostname}: a password does not belong here", "leave it out; `secret` signs what is sent")
    return value


MailAddress = Annotated[str, AfterValidator(_is_mail)]
Url = Annotated[str, AfterValidator(_is_url), WithJsonSchema({"type": "string", "format": "uri"})]


class Email(Settings):
    """One mail for all alarms of `every`."""

    server: Address
    """Mail server, as mail.example:587."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """starttls (usually port 587), tls from the start (port 465), or none."""
    authority: FilePath | None = None
    """Certificates that the server's must come from (PEM); none: those of this machine."""
    sender: MailAddress
    """From whom."""
    recipients: Annotated[list[MailAddress], Field(min_length=1)]
    """To whom."""
    user: str = ""
    """Log in as; none: without a login."""
    password: str = ""
    """Name of the password in the file that `secrets` names."""
    every: Duration = 60 * SECOND
    """No more than one mail in so long."""

    @model_validator(mode="after")
    def _login(self) -> Email:
        if bool(self.user) != bool(self.password):
            raise fault("a login is user and password", f"write both; password is the {SECRET}")
        if self.user and self.security == "none":
            raise fault("a password would be sent in the clear", "write security: starttls or tls")
        return self


class Webhook(Settings):
    """POST of JSON, signed."""

    url: Url
    """Where to; https, or http on this machine."""
    secret: str
    """Name of the key in the file that `secrets` names: `X-Syms-Signature: sha256=…` is the HMAC of time and body."""
    authority: FilePath | None = None
    """Certificates that the server's must come from (PEM); none: those of this machine."""
    every: Duration = SECOND
    """No more than one request in so long."""


class Syslog(Settings):
    """RFC 5424, a message for each alarm."""

    to: Address | None = None
    """Where to, as logs.example:6514; none: this machine's own, by /dev/log."""
    by: Literal["udp", "tcp", "tls"] = "udp"
    """udp (RFC 5426), tcp (RFC 6587, octet counting), tls (RFC 5425)."""
    authority: FilePath | None = None
    """Certificates that the server's must come from (PEM); none: those of this machine."""
    facility: Annotated[int, Field(ge=0, le=23)] = 16
    """16 = local0."""
    every: Duration = SECOND
    """What comes within so long goes together."""


class Notify(Settings):
    """One way, and what goes it."""

    email: Email | None = None
    """By e-mail."""
    webhook: Webhook | None = None
    """By webhook."""
    syslog: Syslog | None = None
    """By syslog."""
    severity: Severity = Severity.WARNING
    """Alarms that are at least so grave."""
    regions: Annotated[list[str], Field(min_length=1, default_factory=lambda: ["*"])]
    """Alarms of these regions; `*` and `?` as in file names."""
    kinds: Annotated[list[str], Field(min_length=1, default_factory=lambda: ["*"])]
    """Names of limits, kinds of events and bad data; `*` and `?` as in file names."""
    sources: Annotated[list[Literal["limit", "event", "flag", "health", "notify"]], Field(min_length=1)] | None = None
    """limit, event, flag, health, notify; none: all."""
    changes: Annotated[list[Change], Field(min_length=1, default_factory=lambda: ["raised", "escalated", "cleared"])]
    """What is told of an alarm: raised, escalated, cleared."""
    queue: Annotated[int, Field(ge=10, le=100_000)] = 1000
    """So many wait for a receiver that is away; of more the oldest are given up, and counted."""

    @property
    def way(self) -> Email | Webhook | Syslog:
        """The one that it is."""
        way = self.email or self.webhook or self.syslog
        assert way is not None
        return way

    @property
    def name(self) -> str:
        """What it is called, in alarms and in the journal."""
        if self.email:
            return f"email {', '.join(self.email.recipients)}"
        if self.webhook:
            parts = urlsplit(self.webhook.url)
            return f"webhook {parts.hostname}{parts.path}"
        return f"syslog {self.syslog.to or 'of this machine'}" if self.syslog else ""

    @model_validator(mode="after")
    def _one_way(self) -> Notify:
        if sum(each is not None for each in (self.email, self.webhook, self.syslog)) != 1:
            raise fault("it is not one way", "write email: {…}, webhook: {…} or syslog: {…}; each an entry of its own")
        return self
