"""CFGCNT of an output stream: how often its configuration changed, kept over restarts.

The standard wants a count that goes up with each change. It stands with a checksum of what was told last in a small
file of the process's journal folder: a publisher that is started anew and tells the same has the same count.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path

from archive.disk import Disk, make_folder
from protocol.c37118 import ConfigurationFrame, encode_configuration

FORMAT = 1
FILE = "configuration.json"


class Changes:
    """Of one stream."""

    def __init__(self, folder: Path | None) -> None:
        """None: nothing is kept."""
        self._path = folder / FILE if folder else None
        self._count = self._content = 0
        self.trouble = ""
        """What a person should look at."""
        if self._path and self._path.exists():
            self._read(self._path)

    def _read(self, path: Path) -> None:
        try:
            kept = json.loads(path.read_text())
            if kept["format"] > FORMAT:
                raise ValueError(f"format {kept['format']}, this release knows up to {FORMAT}")
            self._count, self._content = int(kept["count"]), int(kept["content"])
        except (ValueError, KeyError, TypeError, OSError) as fault:
            self.trouble = f"{path}: not a count of changes ({fault}): CFGCNT begins anew; remove it"

    def counted(self, cfg: ConfigurationFrame) -> ConfigurationFrame:
        """The configuration with its count in every station."""
        plain = replace(cfg, stations=tuple(replace(each, changes=0) for each in cfg.stations))
        content = zlib.crc32(b"".join(encode_configuration(plain, 2) + encode_configuration(plain, 3)))
        if content != self._content or not self._count:
            self._count, self._content = self._count + 1, content
            self._keep()
        return replace(cfg, stations=tuple(replace(each, changes=self._count & 0xFFFF) for each in cfg.stations))

    def _keep(self) -> None:
        if self._path is None:
            return
        fresh = self._path.with_suffix(".new")
        try:
            make_folder(self._path.parent)
            fresh.write_text(json.dumps({"format": FORMAT, "count": self._count, "content": self._content}))
            Disk().replace(fresh, self._path)
            self.trouble = ""
        except OSError as fault:
            self.trouble = f"{self._path}: {fault.strerror}: CFGCNT goes back with the next restart; make room there"
