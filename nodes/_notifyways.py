"""The ways notifications go, each tried once: what can go wrong is an OSError that says what. For a worker thread."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import math
import os
import smtplib
import socket
import ssl
import stat
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nodes import _yaml
from nodes._conditions import RANKS
from nodes._faults import Lines
from nodes._notifysettings import Email, Notify, Syslog, Webhook
from protocol.clock import SECOND
from protocol.messages import Severity

PATIENCE = 10.0
"""Seconds that a receiver has for each step."""
FAREWELL = 1.0
"""Seconds that a syslog has to close its connection after the last message."""
LOCAL = "/dev/log"
LONGEST_LINE = 1000
LISTED = 50
"""Alarms that a mail lists; of more it says how many."""
SYSLOG = {Severity.NOTICE: 5, Severity.WARNING: 4, Severity.SERIOUS: 3, Severity.CRITICAL: 2}
"""Severity -> that of RFC 5424."""
ENTERPRISE = "syms@32473"
"""Structured data (32473 is the number for examples and documentation, RFC 5612)."""

Item = Mapping[str, Any]


class Failed(OSError):
    """It was not sent; says why."""


class Sender:
    """Sends by the ways of one station."""

    def __init__(self, station: str, secrets: Path | None, local: str = LOCAL) -> None:
        self._station, self._secrets, self._local = station, secrets, local

    def send(self, notify: Notify, items: Sequence[Item]) -> None:
        """Try once. Raises OSError, HTTPException, SMTPException."""
        way = notify.way
        if isinstance(way, Email):
            self._mail(way, items)
        elif isinstance(way, Webhook):
            self._post(way, items)
        else:
            self._log(way, items)

    def _secret(self, name: str) -> str:
        """An entry of the file of secrets. Raises Failed."""
        if self._secrets is None:
            raise Failed("`secrets` names no file; write one, as ../config/secrets.yaml")
        try:
            mode = self._secrets.stat()
            if stat.S_IMODE(mode.st_mode) & 0o077 or mode.st_uid not in (os.getuid(), 0):
                raise Failed(f"{self._secrets} is open to others; chmod 600 it")
            told = _yaml.parse(self._secrets.read_text(encoding="utf-8"), Lines(str(self._secrets), {}, []))
        except OSError as fault:
            raise Failed(f"{self._secrets}: {fault.strerror or fault}") from fault
        found = told.get(name) if isinstance(told, dict) else None
        if not isinstance(found, str) or not found:
            raise Failed(f"{self._secrets} has no entry {name!r}; add {name}: …")
        return found

    def _mail(self, way: Email, items: Sequence[Item]) -> None:
        with closing(_smtp(way)) as server:
            if way.user:
                server.login(way.user, self._secret(way.password))
            server.send_message(mail(way, self._station, items))
            server.quit()

    def _post(self, way: Webhook, items: Sequence[Item]) -> None:
        """Raises Failed for any answer but 2xx."""
        parts = urlsplit(way.url)
        body = json.dumps({"station": self._station, "alarms": [_plain(item) for item in items]}).encode()
        at = str(max(int(item["time"]) for item in items) // SECOND)
        signature = hmac.new(self._secret(way.secret).encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "User-Agent": "syms", "X-Syms-Time": at,
                   "X-Syms-Signature": f"sha256={signature}"}  # fmt: skip
        host = parts.hostname or ""
        connection = (
            http.client.HTTPSConnection(host, parts.port, timeout=PATIENCE, context=_context(way.authority))
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, parts.port, timeout=PATIENCE)
        )
        with closing(connection):
            connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
            answer = connection.getresponse()
            answer.read(LONGEST_LINE)
            if not 200 <= answer.status < 300:
                raise Failed(f"it answers {answer.status} {answer.reason}")

    def _log(self, way: Syslog, items: Sequence[Item]) -> None:
        frames = [syslog(way, self._station, item) for item in items]
        if way.to is None or way.by == "udp":
            with closing(self._datagrams(way)) as out:
                for frame in frames:
                    out.send(frame)
            return
        out = socket.create_connection((way.to.host, way.to.port), PATIENCE)
        with ExitStack() as stack:
            stack.callback(lambda: out.close())  # as it is then
            if way.by == "tls":
                out = _context(way.authority).wrap_socket(out, server_hostname=way.to.host)
            out.sendall(b"".join(b"%d %s" % (len(frame), frame) for frame in frames))
            _farewell(out)

    def _datagrams(self, way: Syslog) -> socket.socket:
        if way.to is None:
            out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            out.settimeout(PATIENCE)
            try:
                out.connect(self._local)
            except OSError as fault:
                out.close()
                raise Failed(f"{self._local}: {fault.strerror}; is there a syslog?") from fault
            return out
        family, kind, _, _, address = socket.getaddrinfo(way.to.host, way.to.port, type=socket.SOCK_DGRAM)[0]
        out = socket.socket(family, kind)
        out.settimeout(PATIENCE)
        out.connect(address)
        return out


def _context(authority: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=None if authority is None else str(authority))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _farewell(out: socket.socket) -> None:
    """All was sent: a receiver that takes it closes, or says nothing. Raises OSError if it is gone."""
    out.settimeout(FAREWELL)
    with suppress(TimeoutError, ssl.SSLError):
        if isinstance(out, ssl.SSLSocket):
            out.unwrap()
        else:
            out.shutdown(socket.SHUT_WR)
            out.recv(1)


def _smtp(way: Email) -> smtplib.SMTP:
    host, port = way.server.host, way.server.port
    if way.security == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=PATIENCE, context=_context(way.authority))
    server = smtplib.SMTP(host, port, timeout=PATIENCE)
    if way.security == "starttls":
        try:
            server.starttls(context=_context(way.authority))
        except BaseException:
            server.close()
            raise
    return server


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _clean(text: str) -> str:
    """One line without control characters: names come from devices."""
    return "".join(sign if sign.isprintable() else " " for sign in text)[:LONGEST_LINE]


def line(item: Item) -> str:
    """An alarm in one line."""
    when = item["cleared"] if item["told"] == "cleared" else item["raised"]
    return _clean(
        f"{item['severity']}: {item['subject']}: {item['kind']} {item['told']} {_moment(when)}: {item['text']}"
    )


def mail(way: Email, station: str, items: Sequence[Item]) -> EmailMessage:
    """A digest: its subject is of the gravest alarm, the newest of these."""
    gravest = max(items, key=lambda item: (RANKS[Severity(item["severity"])], item["time"]))
    more = f" (+{len(items) - 1})" if len(items) > 1 else ""
    message = EmailMessage()
    message["Subject"] = _clean(
        f"[{station}] {gravest['severity']} {gravest['told']}: {gravest['subject']}: {gravest['kind']}{more}"
    )
    message["From"], message["To"] = way.sender, ", ".join(way.recipients)
    message["Date"], message["Message-ID"] = formatdate(usegmt=True), make_msgid(domain=way.sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    order = sorted(items, key=lambda item: (-RANKS[Severity(item["severity"])], item["time"]))
    lines = [f"{line(item)}  [{item['id']}]" for item in order[:LISTED]]
    if len(order) > LISTED:
        lines.append(f"… and {len(order) - LISTED} more; `syms alarms list` shows all")
    message.set_content("\n".join([*lines, "", f"{station}, {_moment(max(item['time'] for item in items))}", ""]))
    return message


def _plain(item: Item) -> dict[str, Any]:
    """As JSON can say it."""
    left = ("node", "epoch", "number")
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in item.items() if name not in left}  # fmt: skip


def syslog(way: Syslog, station: str, item: Item) -> bytes:
    """One message of RFC 5424."""
    priority = way.facility * 8 + SYSLOG[Severity(item["severity"])]
    at = datetime.fromtimestamp(item["time"] // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    host = (
        "".join(sign if sign.isascii() and sign.isprintable() and sign != " " else "-" for sign in station)[:255] or "-"
    )
    named = ("id", "source", "kind", "subject", "severity", "state", "region")
    data = " ".join(f'{name}="{_escaped(str(item[name]))}"' for name in named)
    text = "\ufeff" + _clean(line(item))
    return f"<{priority}>1 {at} {host} syms - {item['told']} [{ENTERPRISE} {data}] {text}".encode()


def _escaped(value: str) -> str:
    """A parameter of structured data."""
    return "".join("\\" + sign if sign in '\\"]' else sign for sign in _clean(value))
