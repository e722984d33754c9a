"""Of which format the files of a pipeline are, without changing any, and up to which one this release reads them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgpack

from archive import folder, layout, opening, segments
from archive.opening import JournalError
from nodes import _eventjournal, _mark, _registry, _state, _windowjournal
from nodes._pipeline import Pipeline


class Format(NamedTuple):
    """Of one file or folder."""

    path: Path
    what: str
    found: int
    known: int
    """The newest one that this release reads."""

    @property
    def readable(self) -> bool:
        return self.found <= self.known


NOTES: dict[str, tuple[Callable[[Any], Any], int]] = {
    "receiver": (lambda note: note["head"], _state.FORMAT),
    "trigger": (lambda note: note[1], _windowjournal.FORMAT),
    "concentrator": (lambda note: note[0], _mark.FORMAT),
}
"""Kind -> where the first note of a state says its format, and the newest one that we read."""


def formats(pipeline: Pipeline) -> Iterator[Format]:
    """What there is of archives, journals and registries on this host. Raises ArchiveError, JournalError,
    RegistryError of what is damaged."""
    for process, node in pipeline.local.items():
        settings: Any = node.settings
        if node.kind == "archiver" and (settings.path / "archive.json").exists():
            yield Format(settings.path, "archive", folder.written(settings.path), layout.FORMAT)
        if node.kind == "balancer" and settings.registry.exists():
            yield Format(settings.registry, "registry", _registry_format(settings.registry), _registry.FORMAT)
        yield from _journal(pipeline.journal / process, node.kind, settings)


def _registry_format(path: Path) -> int:
    try:
        return int(json.loads(path.read_text())["format"])
    except (ValueError, KeyError, TypeError) as fault:
        raise _registry.RegistryError(f"{path}: not a device registry ({fault})") from fault


def _journal(place: Path, kind: str, settings: Any) -> Iterator[Format]:
    found = opening.newest(place)
    if found is None:
        return
    yield Format(place, "journal", found.format, segments.FORMAT)
    if found.notes and kind in NOTES:
        known = _eventjournal.FORMAT if kind == "trigger" and settings.on == "suspicion" else NOTES[kind][1]
        try:
            told = NOTES[kind][0](msgpack.unpackb(found.notes[0], strict_map_key=False))
        except (ValueError, LookupError, TypeError, msgpack.UnpackException) as fault:
            raise JournalError(f"{place}: its state is not one of ours ({fault})") from fault
        yield Format(place, "journal's notes", int(told), known)
