"""The aligner of a table, as the settings of a concentrator want it."""

from __future__ import annotations

from algorithms.alignment import Aligner
from algorithms.passthrough import PassThrough
from nodes._alignsettings import Settings
from protocol import clock
from protocol.messages import Table

DEPTHS = (64, 4096)
"""Least and most slots of an aligner's ring."""


def aligner_of(table: Table, settings: Settings) -> Aligner:
    """One that waits for rows, or passes them through."""
    if not settings.aligned:
        return PassThrough(table.channels, table.digitals)
    held = 2 * (settings.clock + settings.wait + (settings.absolute or 0))
    depth = min(max(held // clock.period(table.rate), DEPTHS[0]), DEPTHS[1])
    return Aligner(
        table.channels,
        table.digitals,
        lambda slot: clock.slot_time(slot, table.rate),
        settings.wait,
        settings.absolute,
        max(settings.silent, 3 * clock.period(table.rate)),
        depth,
        bool(settings.redundant),
    )
