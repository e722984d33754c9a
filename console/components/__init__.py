"""What NiceGUI has not: elements of our own, in Python and in JavaScript. `lib/` is what several of them share.

They render what they are told by methods that take arrays, need no `eval`, and fetch nothing from elsewhere. `lib/`
has uPlot (MIT licence, see LICENSE.uplot).
"""

from pathlib import Path

LIBRARY = {"syms-lib": str(Path(__file__).parent / "lib")}
"""For `esm=` of an element: its JavaScript imports from `syms-lib`."""
LOOK = Path(__file__).parent / "look"
LOOKS = "/look"
"""Where browsers find what is in that folder (NiceGUI's `add_css` makes scripts of it, which our content policy
refuses)."""
STYLES = ("uplot.css", "style.css")
