"""The pipeline as its file says, looked up anew when that has changed; one for all readers."""

from __future__ import annotations

import asyncio

from console.verbs import VerbError, Verbs
from console.wiring import Wiring

AGAIN = 15.0
"""Seconds after which a file with faults is looked at again, though it is as it was."""


class Blueprint:
    """See the module."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs
        self._stamp = -1
        self._looked = 0.0
        self._task: asyncio.Task[None] | None = None
        self.wiring = Wiring()
        """As it was when the file was without faults last."""
        self.fault = ""
        """What is wrong with the file now."""

    @property
    def looking(self) -> bool:
        """Whether a changed file is being taken up."""
        return self._task is not None and not self._task.done()

    def look(self, now: float) -> None:
        """Take a changed file up, which takes a second or more; `now` is monotonic seconds."""
        if self.looking:
            return
        try:
            stamp = self._verbs.pipeline.stat().st_mtime_ns
        except OSError as fault:
            self.fault = str(fault)
            return
        if stamp != self._stamp or (self.fault and now > self._looked + AGAIN):
            self._stamp, self._looked = stamp, now
            self._task = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        try:
            self.wiring, self.fault = Wiring.of(await self._verbs.ask(*self._verbs.draw())), ""
        except VerbError as fault:
            self.fault = str(fault)
