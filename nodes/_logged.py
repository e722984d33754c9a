"""What a process has in hand when it logs a line: the message, as fields of the line.

Only a line that is written costs anything; a message that passes costs one assignment.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from protocol.messages import Numbered, Verdict, Window

DEVICES = 8
"""Numbers of devices in a line, at most."""


class InHand:
    """The message that the process's node is being told; None between two."""

    message: Any = None


def fields(message: Any) -> dict[str, Any]:
    """Where a message stands in its stream (`writer`, `epoch`, `number`), and the window that it is, or judges."""
    found: dict[str, Any] = {}
    if isinstance(message, Numbered) and message.node:
        found = {"writer": message.node, "epoch": message.epoch, "number": message.number}
    if isinstance(message, Window | Verdict):
        devices = message.device.tolist()
        found |= {"trigger": message.trigger, "lease": message.lease, "attempt": message.attempt}
        found["device"] = devices[0] if len(devices) == 1 else devices[:DEVICES]
    return found


def add(logger: Any, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog: what the line says itself goes before."""
    for name, value in fields(InHand.message).items():
        line.setdefault(name, value)
    return line
