"""Events: lists of them, how many there were, what devices measured around one, modes of that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from nicegui import ui

from console.components import LIBRARY
from console.modes import Modes
from console.texts import Texts
from protocol.clock import MILLISECOND

COLUMNS = ("when", "kind", "sure", "mhz", "mw", "place", "devices", "state")
ALARMS = ("since", "severity", "state", "subject", "text", "count", "comment")
REPLAY = ("play", "hold", "speed", "onset", "closer", "wider", "whole", "none", "loading", "failed", "bad", "others")
MS_PER_DAY = 86_400_000


class EventRows(ui.element, component="eventrows.js", esm=LIBRARY):
    """A page of events, one line each."""

    def __init__(self, text: Texts, local: bool) -> None:
        super().__init__()
        self._props |= {"columns": [(name, text(f"events.{name}")) for name in COLUMNS], "local": local}

    def set_rows(self, rows: Sequence[dict[str, Any]], hint: str) -> None:
        """What eventrows.js says; `hint` where there are none."""
        self.run_method("set_rows", rows, hint)


class Days(ui.element, component="days.js", esm=LIBRARY):
    """How many events there were on each day."""

    def __init__(self, hint: str, on_pick: Callable[[int], Any]) -> None:
        """`on_pick` gets days since 1970."""
        super().__init__()
        self._props["hint"] = hint
        self.on("pick", lambda event: on_pick(int(event.args)))

    def tell(self, days: Sequence[tuple[int, int]], first: int | None, last: int | None) -> None:
        """(day since 1970, how many), in order; which ones are chosen."""
        self.run_method("tell", days, first, last)


class ClipTraces(ui.element, component="clip.js", esm=LIBRARY):
    """What all devices measured around an event, which goes by as fast as one wants; a map goes with it."""

    def __init__(self, text: Texts, local: bool, map_: ui.element, on_pick: Callable[[int], Any]) -> None:
        """`on_pick` gets the number of a device that is clicked."""
        super().__init__()
        self._props["texts"] = {name: text(f"replay.{name}") for name in REPLAY} | {
            "panes": [text(f"replay.{name}") for name in ("frequency", "voltage", "angle")]
        }
        self._props |= {"local": local, "map": map_.id}
        self.on("pick", lambda event: on_pick(int(event.args)))

    def load(self, url: str) -> None:
        """Fetch what `console.eventrecord.packed` made."""
        self.run_method("load", url)

    def pick(self, device: int | None) -> None:
        """Bring a device to the front."""
        self.run_method("pick", device)


class ModesPlot(ui.element, component="modes.js", esm=LIBRARY):
    """Intrinsic mode functions, one below the other."""

    def __init__(self, text: Texts) -> None:
        super().__init__()
        self._props["texts"] = {"residue": text("modes.residue"), "onset": text("replay.onset")}

    def tell(self, modes: Modes | None, onset: int) -> None:
        """These, with the onset of the event [ns UTC]; None: none yet."""
        if modes is None:
            self.run_method("tell", None)
            return
        period = [float(each) if np.isfinite(each) else None for each in modes.period]
        values = np.round(modes.values, 3).astype(np.float32)
        self.run_method("tell", list(values), period, (modes.start - onset) / MILLISECOND, modes.step / MILLISECOND)


class AlarmRows(ui.element, component="alarmrows.js", esm=LIBRARY):
    """Alarms, one line each, that can be chosen."""

    def __init__(self, text: Texts, local: bool, on_choose: Callable[[list[str]], Any]) -> None:
        """`on_choose` gets the ids of those that are chosen."""
        super().__init__()
        self._props |= {"columns": [(name, text(f"alarms.{name}")) for name in ALARMS], "local": local}
        self.on("choose", lambda event: on_choose([str(each) for each in event.args]))

    def set_rows(self, rows: Sequence[dict[str, Any]], hint: str) -> None:
        """What alarmrows.js says; `hint` where there are none."""
        self.run_method("set_rows", rows, hint)

    def choose(self, all_: bool) -> None:
        """All of them, or none."""
        self.run_method("choose", all_)
