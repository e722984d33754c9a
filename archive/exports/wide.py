"""A table as CSV and Parquet have it: a row for each instant, the columns of all its tracks beside each other."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from numpy.typing import NDArray

from archive.exports.blocks import Block, Part
from archive.exports.channels import Channel
from archive.exports.plan import Sheet, Track
from archive.picking import told_apart


class Column(NamedTuple):
    """One column."""

    title: str
    """As `Blue PMU: VA magnitude [V]`."""
    track: int
    field: str
    at: int
    """Among those of the field that the track exports."""
    unit: str = ""


def columns(sheet: Sheet) -> list[Column]:
    """All columns of a table. A track whose rows have other times than their slots has them in one of its own."""
    found = [column for number, track in enumerate(sheet.tracks) for column in _of(number, track)]
    titles = told_apart([column.title for column in found])
    return [column._replace(title=title) for column, title in zip(found, titles, strict=True)]


def _of(number: int, track: Track) -> list[Column]:
    found = [] if track.on_grid else [Column(f"{track.label}: offset [ns]", number, "offset", 0, "ns")]
    for channel, at in columns_of(track):
        found.append(Column(f"{track.label}: {channel.title}", number, channel.field, at, channel.unit))
    return found


def columns_of(track: Track) -> list[tuple[Channel, int]]:
    """A track's channels, each with its place among those of its field in a `Part`."""
    count = Counter[str]()
    found = []
    for channel in track.channels:
        found.append((channel, count[channel.field]))
        count[channel.field] += 1
    return found


def cells(column: Column, block: Block) -> tuple[NDArray[Any], NDArray[Any]]:
    """([n] values of a column, [n] whether there is a row)."""
    part = block.parts[column.track]
    return of_part(column.field, column.at, part), part.present


def of_part(field: str, at: int, part: Part) -> NDArray[Any]:
    """[n] values of one channel."""
    found: NDArray[Any] = getattr(part, field)
    return found[:, at] if field in ("values", "digital") else found
