"""Certificate files of this station: whether they can be used, and until when."""

from __future__ import annotations

import os
import re
import ssl
import stat
from datetime import UTC, datetime
from pathlib import Path

from protocol.clock import SECOND

DAY = 24 * 3600 * SECOND
WARN_BEFORE = 30 * DAY
MAX_FILE = 4 << 20
"""Bytes of a file of certificates that is read."""
_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_VERSION, _UTC_TIME = 0xA0, 0x17


class TlsFault(Exception):
    """What is wrong with a certificate, key or list of authorities, and the remedy."""


def check_key(path: Path) -> None:
    """Raises TlsFault if others may read a secret key, or if there is none."""
    try:
        info = os.stat(path)
    except OSError as fault:
        raise TlsFault(f"{path}: {fault.strerror}; correct `key`, or make one (docs/connect-a-device.md)") from fault
    if stat.S_IMODE(info.st_mode) & 0o077 or info.st_uid not in (os.getuid(), 0):
        raise TlsFault(f"{path}: others may read this key, or it is not ours; chmod 600 it, or make a new one")


def ends(path: Path) -> list[int]:
    """When each certificate in a PEM file ends, UTC ns. Raises TlsFault."""
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_FILE)
    except OSError as fault:
        raise TlsFault(f"{path}: {fault.strerror}; correct its path in `tls`") from fault
    try:
        found = [_end(ssl.PEM_cert_to_DER_cert(block.decode())) for block in _BLOCK.findall(text)]
    except (ValueError, IndexError) as fault:
        raise TlsFault(f"{path}: a certificate in it is damaged; write it anew, as PEM") from fault
    if not found:
        raise TlsFault(f"{path}: no certificate in it; write one, as PEM (-----BEGIN CERTIFICATE-----)")
    return found


def _item(der: bytes, at: int) -> tuple[int, int, int]:
    """(tag, begin, end) of the value at a place of DER."""
    tag, size, at = der[at], der[at + 1], at + 2
    if size & 0x80:
        more = size & 0x7F
        size, at = int.from_bytes(der[at : at + more], "big"), at + more
    return tag, at, at + size


def _end(der: bytes) -> int:
    """`notAfter` of a certificate: the second time of the fifth field (the version may be left out)."""
    at = _item(der, _item(der, 0)[1])[1]
    tag, _, end = _item(der, at)
    at = end if tag == _VERSION else at
    for _ in ("serial number", "signature", "issuer"):
        at = _item(der, at)[2]
    begins = _item(der, at)[1]
    tag, at, end = _item(der, _item(der, begins)[2])
    form = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return int(datetime.strptime(der[at:end].decode(), form).replace(tzinfo=UTC).timestamp()) * SECOND


def alarm(what: str, path: Path, utc: int) -> str:
    """That a file is unusable, or one of its certificates ends soon or has ended; "": all is well."""
    try:
        end = min(ends(path))
    except TlsFault as fault:
        return f"TLS: {fault}"
    day = f"{datetime.fromtimestamp(end // SECOND, UTC):%Y-%m-%d}"
    if end <= utc:
        return f"TLS: {what} ended on {day} ({path}): no link comes about; write a new one there"
    if end <= utc + WARN_BEFORE:
        return f"TLS: {what} ends on {day} ({path}); write a new one there in time"
    return ""
