"""What the site files that an archive keeps say of devices: one is of the whole folder, one of each finished hour."""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from archive import folder, layout
from archive.folder import ArchiveError
from archive.sources import open_finished


class SiteText(NamedTuple):
    """What a site file says, as far as an archive needs it; nothing of a text that is none."""

    station: str
    """Name of the master station; "" if it is not known."""
    links: dict[int, str]
    """Number of each link -> its name."""


def site_text(text: str) -> SiteText:
    """Of a site file's text."""
    try:
        told = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        told = None
    if not isinstance(told, dict):
        return SiteText("", {})
    devices: list[Any] = told.get("devices") or []
    links = {each["number"]: str(each.get("name", "")) for each in devices
             if isinstance(each, dict) and isinstance(each.get("number"), int)}  # fmt: skip
    return SiteText(str(told.get("station", "")), links)


class SiteTexts:
    """Hour by hour; most hours have the same text."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read: dict[str, SiteText] = {}
        self._hours: dict[int, SiteText] = {}

    def of_hour(self, hour: int) -> SiteText:
        """What was in force when an hour was finished; of one that is not, what is in force now."""
        if hour not in self._hours:
            self._hours[hour] = self._parsed(self._text(hour))
        return self._hours[hour]

    def _text(self, hour: int) -> str:
        for path in (layout.finished_path(self._root, hour), layout.overview_path(self._root, hour)):
            with suppress(OSError, KeyError, ArchiveError), closing(open_finished(path)) as file:
                return str(file["site"].asstr()[()])
        return folder.site_text(self._root)

    def _parsed(self, text: str) -> SiteText:
        if text not in self._read:
            self._read[text] = site_text(text)
        return self._read[text]
