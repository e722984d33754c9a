"""The one-time link to a station's pages, for whoever starts it first."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from commands import _auditlog
from console.access.book import Book
from console.access.first import FirstLink
from console.access.users import AccessFault
from nodes import _users
from nodes._node import StartError
from nodes._pipeline import Pipeline


def make(book: Book, audit: Path) -> str:
    """The token of a new link, which the audit log has. Raises AccessFault."""
    token = FirstLink(book).make(time.time_ns())
    _auditlog.write(audit, "first administrator", "done", "one-time link")
    return token


def pages(pipeline: Pipeline) -> Iterator[tuple[str, bool]]:
    """Where the pages of the consoles of this host are; with a one-time link for the first administrator (True) where
    there is none yet. Raises Faulty, StartError.
    """
    for node in pipeline.nodes.values():
        if node.kind != "console" or node.host != pipeline.here or node.settings is None:
            continue
        from nodes.console import Settings

        assert isinstance(node.settings, Settings)
        book = Book(node.settings.users_file(pipeline.path), _users.load)
        address = node.settings.address
        if book.has_administrator:
            yield address, False
        else:
            try:
                token = make(book, node.settings.audit_folder(pipeline.path))
            except AccessFault as fault:
                raise StartError(str(fault)) from fault
            yield f"{address}first/{token}", True
