"""Processes that come up: who runs, who is still on its way, who fails, and for how long it is worth to wait."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

PATIENCE = 60.0
"""Seconds in which none gets any further, after which nobody waits for them: on a busy machine they take their time."""
GRACE = 4.0
"""Seconds that something which does not start is given to recover, before it is told."""
FAILING = ("BACKOFF", "FATAL")
COMING = ("STARTING", "RUNNING")
LIVES = 3
"""Process ids of one process (0 while it is down) after which it counts as failing: on a slow machine supervisord
takes one that lives long enough to fail for one that started well."""


class Coming:
    """See the module. Times are monotonic seconds."""

    def __init__(self, processes: Sequence[str], now: float, patience: float = PATIENCE) -> None:
        self.spoken: set[str] = set()
        self.states: dict[str, dict[str, Any]] = {}
        """What supervisord says of each; none while it is still being wired."""
        self._processes, self._patience = processes, patience
        self._lives: dict[str, set[int]] = {}
        self._far, self._moved, self._failed = 0, now, 0.0
        """How far they got, when they got there, and when one was seen to fail (0: none was)."""

    def look(self, states: dict[str, dict[str, Any]], begun: Collection[str], now: float) -> None:
        """Take in what supervisord says, and who has `begun` (holds its lock: it has loaded all that it needs)."""
        self.states = states
        for name, info in states.items():
            self._lives.setdefault(name, set()).add(info["pid"])
        far = len(self.up) + len(self.spoken) + len(set(begun) & set(self._processes))
        if far > self._far:
            self._far, self._moved = far, now
        if not self._failed and any(map(self._fails, states)):
            self._failed = now

    def _fails(self, name: str) -> bool:
        return self.states[name]["state"] in FAILING or len(self._lives[name]) > LIVES

    @property
    def up(self) -> list[str]:
        """Those at work, and those whose work is over; one that failed has exited too, until it is started again."""
        return [name for name in self._processes if name in self.states and self._is_up(name, self.states[name])]

    def _is_up(self, name: str, info: dict[str, Any]) -> bool:
        over = info["state"] == "EXITED" and not info["exitstatus"]
        return over or (info["state"] == "RUNNING" and name in self.spoken)

    def in_vain(self, now: float) -> bool:
        """Whether to wait any longer is: one fails again and again, or none gets any further."""
        return now > self._moved + self._patience or bool(self._failed and now > self._failed + GRACE)

    def told(self, reason: Callable[[str], str], file: object) -> str:
        """Why not all run: `reason` tells it of one that does not start. `file`: the pipeline's."""
        left = [name for name in self._processes if name not in self.up]
        coming = [name for name in left if self._is_coming(name)]
        failed = [f"  {name}: {reason(name)}" for name in left if name not in coming]
        lines = ["not every process runs:" if failed else "not every process runs yet:"]
        if coming:
            lines.append(f"  still starting: {', '.join(coming)}; see syms status {file}")
        lines += failed
        lines.append(f"supervisord keeps {'trying' if failed else 'them'}; syms down {file} ends it")
        return "\n".join(lines)

    def _is_coming(self, name: str) -> bool:
        return name in self.states and self.states[name]["state"] in COMING and not self._fails(name)
