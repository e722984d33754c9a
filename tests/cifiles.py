"""Programs of `.ci/` as modules: they are no package."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]
PLACE = str(ROOT / ".ci")


def load(name: str) -> ModuleType:
    """`.ci/<name>.py`, which finds its neighbours as when it is run."""
    if PLACE not in sys.path:
        sys.path.append(PLACE)
    return importlib.import_module(name)
