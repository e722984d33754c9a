"""One quantity of a station, picked out of the fields of its rows."""

from __future__ import annotations

from typing import NamedTuple

from archive import layout
from archive.folder import ArchiveError
from protocol.messages import Configuration, Table


class Pick(NamedTuple):
    """One quantity among the fields of rows."""

    field: str
    at: int | None = None
    """Channel of `values`, word of `digital`; None for the fields that have one value a row."""


def picked(configuration: Configuration, quantity: str, name: str | None) -> Pick:
    """Where a quantity of a station stands. Raises ArchiveError if it has none of that name."""
    table = Table(*configuration.table)
    if quantity in ("status", "quality"):
        return Pick(quantity)
    names = {
        "frequency": [""], "rocof": [""], "magnitude": configuration.phasor_channels,
        "angle": configuration.phasor_channels,
        "analog": configuration.analogs, "digital": [f"word {word + 1}" for word in range(table.digitals)],
    }.get(quantity)  # fmt: skip
    if names is None:
        raise ArchiveError(
            f"no quantity {quantity!r}: frequency, rocof, magnitude, angle, analog, digital, status, quality"
        )
    names = _told_apart(names)
    wanted = name if name is not None else names[0] if len(names) == 1 else None
    if wanted not in names:
        raise ArchiveError(f"{configuration.name}: name one of its {quantity} channels: {', '.join(names) or 'none'}")
    index = names.index(wanted)
    if quantity == "digital":
        return Pick("digital", index)
    return Pick("values", layout.channel_of(table, quantity, index))


def _told_apart(names: list[str]) -> list[str]:
    """Channels of one name get numbers from the second on."""
    before = [names[:at].count(name) for at, name in enumerate(names)]
    return [f"{name} ({count + 1})" if count else name for name, count in zip(names, before, strict=True)]
