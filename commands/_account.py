"""What became of the frames: the summary that `syms demo` and `syms try` end with.

A DATA frame is a row of each of its stations; frames are counted by the rows of their first station.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from archive.events import list_events
from console.board import Board
from protocol.messages import STATIONS_PER_SPECTRUM

FRAMES = {
    "sent": ("", "sent"),
    "received": ("receiver", "received"),
    "archived": ("archiver", "archived"),
    "late": ("concentrator", "late"),
    "duplicate": ("archiver", "duplicate"),
    "corrupt": ("archiver", "corrupt"),
    "refused": ("archiver", "refused"),
    "aside": ("archiver", "aside"),
    "lost": ("archiver", "lost"),
    "pending": ("archiver", "pending"),
}
"""Name in the summary -> (kind of node, its column); `sent` is what the devices count, whichever kind plays them."""
WINDOWS = ("windows", "ok", "incomplete", "failed", "dead", "suspicious")
"""Counters of triggers: windows that fell due, and how they ended; suspicious ones are a share of ok."""


def frames(board: Board) -> dict[str, int]:
    """The counts so far; frames of links that nobody could identify are in `received` and `refused` too."""
    counts = {name: _frames(board, kind, column) for name, (kind, column) in FRAMES.items() if kind}
    unknown = {name: int(board.total("receiver", f"unknown_{name}")) for name in ("corrupt", "refused", "lost")}
    for name, count in unknown.items():
        counts[name] += count
    counts["received"] += sum(unknown.values())
    return {"sent": sent(board), **counts}


def sent(board: Board) -> int:
    """DATA frames, of spectra too, that simulated devices or a replayed capture have sent."""
    simulated = sum(board.total("simulator", name) for name in ("sent", "sent_harmonics", "sent_interharmonics"))
    return int(simulated + board.total("replayer", "sent"))


def _frames(board: Board, kind: str, column: str) -> int:
    total = 0.0
    for voice in board.voices.values():
        health = voice.last
        if health.kind == kind and column in health.columns:
            first = health.devices % STATIONS_PER_SPECTRUM == 0  # of each link, and of each spectrum of it
            total += np.nansum(health.counts[first, health.columns.index(column)])
    return int(total)


def drained(board: Board) -> bool:
    """Whether all that was sent has come to its place, and nothing waits to be judged."""
    now = frames(board)
    waiting = sum(sum(voice.last.queues.values()) for voice in board.voices.values() if voice.last.kind == "trigger")
    return now["sent"] == now["received"] and now["pending"] == 0 and accounted(now) and not waiting


def accounted(counts: dict[str, int]) -> bool:
    """The law of the books: received = archived + aside + duplicate + corrupt + refused + lost + pending."""
    shares = ("archived", "aside", "duplicate", "corrupt", "refused", "lost", "pending")
    return counts["received"] == sum(counts[name] for name in shares)


def windows(board: Board) -> dict[str, int]:
    """What became of the windows of single devices; those that event triggers cut are in their events."""
    voices = [voice.last for voice in board.voices.values() if voice.last.kind == "trigger"]
    counters = [each.counters for each in voices if "answered" not in each.counters]
    return {name: int(sum(each.get(name, 0) for each in counters)) for name in WINDOWS}


def summary(board: Board, archive: Path, files: list[Path]) -> dict[str, Any]:
    """For `--json`: frames, windows, events, files."""
    events = [asdict(event) for event in list_events(archive)]
    return {
        "frames": frames(board),
        "windows": windows(board),
        "events": events,
        "archive": str(archive),
        "files": [str(path) for path in files],
    }
