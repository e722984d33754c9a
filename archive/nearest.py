"""Known names, told to somebody who asked for an unknown one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

SHOWN = 20
"""Names that a fault tells: a spectrum has hundreds, so has a large station."""


def known(word: str | None, names: Sequence[str]) -> str:
    """All names in their order; of many, those nearest to the word, and how many more there are."""
    if len(names) <= SHOWN:
        return ", ".join(names) or "none"
    near = difflib.get_close_matches(word, names, n=SHOWN, cutoff=0.0) if word else names[:SHOWN]
    return f"{', '.join(near)} and {len(names) - len(near)} more"
