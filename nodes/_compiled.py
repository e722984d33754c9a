"""Where the compiled loops (numba) are kept, so that no process fails, or waits at every start, for want of a place.

numba keeps them beside their source, else in the cache folder of the user, and raises where neither can be written.
Then the runtime folder of the station will do: compiled once by the first process after each boot.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

SET_BY_HAND = "NUMBA_CACHE_DIR"


def places() -> list[Path]:
    """Where numba keeps compiled code, in this order."""
    by_hand = os.environ.get(SET_BY_HAND)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    return [*([Path(by_hand)] if by_hand else []), Path(__file__).parent / "__pycache__", cache / "numba"]


def kept() -> bool:
    """Whether compiled code outlives the process as things are."""
    return any(_writable(place) for place in places())


def keep(run: Path) -> bool:
    """See to a place before numba is imported: if there is none, in the runtime folder. Returns whether that was so."""
    if kept():
        return False
    os.environ[SET_BY_HAND] = str(run / "compiled")
    return True


def _writable(folder: Path) -> bool:
    """As numba tries it: the access bits don't tell of a disk that is mounted to be read only."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True
