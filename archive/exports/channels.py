"""What of a station's rows is wanted: its channels by their names, whatever shape its table has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from archive import layout
from archive.exports.wishes import QUANTITIES, Quantity
from archive.folder import ArchiveError
from archive.groups import channel_units
from archive.nearest import known
from archive.picking import told_apart
from protocol.messages import Configuration, Table


class Channel(NamedTuple):
    """One column of what is exported of a station."""

    quantity: str
    name: str
    """"" for those that a station has one of."""
    unit: str
    """Empty for words and bytes."""
    field: str
    """Of a row: values, digital, status, quality."""
    at: int
    """Which one of that field's values."""

    @property
    def title(self) -> str:
        """As `VA magnitude [V]`, `frequency [Hz]`, `word 1`, `status`."""
        words = [self.name] if self.quantity in ("analog", "digital") else [self.name, self.quantity]
        return " ".join(filter(None, [*words, self.unit and f"[{self.unit}]"]))


def channels(each: Configuration, wanted: Sequence[Quantity] | None, components: bool = True) -> list[Channel]:
    """What a station has of it, in the order of its row, then status, quality and words.

    `components`: whether the name of a spectrum's phasor stands for all its components.
    """
    have = [channel for quantity in QUANTITIES for channel in _of(each, quantity)]
    if wanted is not None:
        have = [channel for channel in have if any(_is_wanted(each, channel, one, components) for one in wanted)]
    fields = ("values", "status", "quality", "digital")
    return sorted(have, key=lambda channel: (fields.index(channel.field), channel.at))


def _of(each: Configuration, quantity: str) -> list[Channel]:
    """All channels of one quantity."""
    table = Table(*each.table)
    if quantity in ("status", "quality"):
        return [Channel(quantity, "", "", quantity, 0)]
    if quantity == "digital":
        return [Channel(quantity, f"word {word + 1}", "", "digital", word) for word in range(table.digitals)]
    names = {"magnitude": each.phasor_channels, "angle": each.phasor_channels, "analog": each.analogs}.get(
        quantity, [""]
    )
    places = [layout.channel_of(table, quantity, index) for index in range(len(names))]
    units = channel_units(each)
    return [Channel(quantity, name, units[at], "values", at)
            for name, at in zip(told_apart(names), places, strict=True)]  # fmt: skip


def _is_wanted(each: Configuration, channel: Channel, wanted: Quantity, components: bool) -> bool:
    if channel.quantity != wanted.kind:
        return False
    if wanted.name is None or wanted.name == channel.name:
        return True
    of_spectrum = components and each.components and channel.quantity in ("magnitude", "angle")
    return bool(of_spectrum) and wanted.name in each.phasors and channel.name.startswith(f"{wanted.name} ")


def check(held: Sequence[Configuration], wanted: Sequence[Quantity] | None) -> None:
    """Raises ArchiveError if no station has one of these."""
    for quantity in wanted or ():
        if not any(channels(each, [quantity]) for each in held):
            names = list(dict.fromkeys(channel.name for each in held for channel in _of(each, quantity.kind)))
            what = quantity.kind if quantity.name is None else f"{quantity.kind} of {quantity.name!r}"
            raise ArchiveError(f"no station has {what}; channels of it: {known(quantity.name, names)}")
