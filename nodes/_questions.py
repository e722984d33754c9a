"""What a receiver asks its balancers about its links: who they are, and for their data pipes."""

from __future__ import annotations

from typing import Any

from nodes._handover import Balancers
from nodes._link import Link
from nodes._linkbook import LinkBook
from protocol import gbt26865


class Questions:
    """See the module."""

    def __init__(self, balancers: Balancers, book: LinkBook) -> None:
        self._balancers, self._book = balancers, book

    def ask(self, link: Link, stream: int) -> None:
        """Who is this? Until that is known, it is not told to send."""
        self._book.touch(link)
        link.asked, link.muted = stream, True
        self._balancers.say(link.balancer, "identify", **_question(link, stream))

    def confirm(self, link: Link) -> None:
        """Is it still who it was? Meanwhile all goes on."""
        self._balancers.say(link.balancer, "identify", **_question(link, link.asked))

    def ask_again(self, link: Link) -> None:
        """The balancer, or we, may have died before its answer came."""
        if link.waits_for_answer:
            self.ask(link, link.asked)

    def want_data_again(self, link: Link) -> None:
        """The balancer may have died before it had dialled the data pipe."""
        if isinstance(link.master, gbt26865.Master) and link.master.wants_pipe:
            self._balancers.say(link.balancer, "open", connection=link.connection)


def _question(link: Link, stream: int) -> dict[str, Any]:
    """Fields of an `identify` note."""
    key: dict[str, Any] = {"connection": link.connection, "address": link.address, "stream": stream}
    return key | ({"certificate": link.certificate} if link.certificate else {})
