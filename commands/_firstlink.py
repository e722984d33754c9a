"""The one-time link to a station's pages, for whoever starts it first."""

from __future__ import annotations

import time
from collections.abc import Iterator

from console.access.book import Book
from console.access.first import FirstLink
from nodes import _users
from nodes._pipeline import Pipeline


def pages(pipeline: Pipeline) -> Iterator[tuple[str, bool]]:
    """Where the pages of the consoles of this host are; with a one-time link for the first administrator (True) where
    there is none yet. Raises Faulty, AccessFault.
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
            yield f"{address}first/{FirstLink(book).make(time.time_ns())}", True
