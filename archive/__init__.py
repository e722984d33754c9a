"""What lies on disk, once: parts, finished files, reading, export.

`archive.open(path, start, end)` reads an archive (see `archive/reading.py`). It is looked up when used, so that
importing this package, or `archive.longrows`, never imports h5py.
"""

from __future__ import annotations

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    if name == "open":
        return importlib.import_module("archive.reading").open_archive
    raise AttributeError(f"module 'archive' has no attribute {name!r}")
