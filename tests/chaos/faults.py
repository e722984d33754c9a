"""What is done to a station: a plan from a seed, and the doing of it."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

APART = 5.0
"""Seconds between a balancer's and a receiver's fault: when both are away, nobody holds what TCP acknowledged."""
SAME = 6.0
"""Seconds between two kills of one process, so that it is back before."""
PATIENCE = 20.0
"""Seconds that a fault waits for others to be back."""
HOLDERS = {"balancer", "receiver"}


@dataclass(frozen=True)
class Fault:
    """SIGKILL of some processes, or SIGSTOP for `stopped` seconds."""

    at: float
    """Seconds after the start of the chaos."""
    victims: tuple[str, ...]
    stopped: float = 0.0

    def __str__(self) -> str:
        what = f"stop {self.stopped:.1f} s" if self.stopped else "kill"
        return f"{self.at:7.2f} s  {what:10}  {', '.join(self.victims)}"


@dataclass
class Done:
    """A fault as it was done."""

    fault: Fault
    utc: int
    """ns"""
    victims: list[str] = field(default_factory=list)


def plan(seed: int, seconds: float, kinds: dict[str, str], pace: float = 2.5) -> list[Fault]:
    """Faults for so many seconds, one each `pace` s on average, every kind as often. `kinds`: process name -> kind.

    The same seed, the same plan.
    """
    dice = random.Random(seed)
    names, each = sorted(kinds), sorted(set(kinds.values()))
    last: dict[str, float] = {}
    """Process -> when it was left alone at last."""
    faults: list[Fault] = []
    at = 2.0
    while (at := at + dice.uniform(0.2, 2 * pace)) < seconds:
        stopped = round(dice.uniform(1.0, 3.0), 2) if dice.random() < 0.25 else 0.0
        chosen = dice.choice(each)
        first = dice.choice([name for name in names if kinds[name] == chosen])
        at = max(at, _earliest(first, last, kinds))
        victims = [first]
        for other in dice.sample(names, dice.choice((0, 0, 0, 1, 2))):
            together = kinds[other] in HOLDERS and any(kinds[name] in HOLDERS - {kinds[other]} for name in victims)
            if other not in victims and not together and at >= _earliest(other, last, kinds):
                victims.append(other)
        last.update(dict.fromkeys(victims, at + stopped))
        faults.append(Fault(round(at, 2), tuple(victims), stopped))
    return [fault for fault in faults if fault.at < seconds]


def _earliest(name: str, last: dict[str, float], kinds: dict[str, str]) -> float:
    """When a process may be hit next."""
    found = last.get(name, -SAME) + SAME
    if kinds[name] in HOLDERS:
        rival = HOLDERS - {kinds[name]}
        found = max([found, *(when + APART for other, when in last.items() if kinds[other] in rival)])
    return found


def perform(
    faults: list[Fault],
    pids: Callable[[], dict[str, int]],
    tell: Callable[[str], None],
    holders_back: Callable[[Fault], bool] = lambda fault: True,
) -> Iterator[Done]:
    """Do them at their times; yields each when it was done. A stopped process goes on later, also if we fail.

    `holders_back`: whether those who must be there in this fault (a balancer's receivers, a receiver's balancer) have
    come back of an earlier one; on a busy machine that may take longer than planned, and the fault waits for it.
    """
    start = time.monotonic()
    waking: list[tuple[float, int]] = []
    try:
        for fault in faults:
            _wait_until(start + fault.at, waking)
            patience = time.monotonic() + PATIENCE
            while not holders_back(fault) and time.monotonic() < patience:
                _wait_until(time.monotonic() + 0.1, waking)
            done = Done(fault, time.time_ns())
            running = pids()
            for name in fault.victims:
                with suppress(KeyError, ProcessLookupError):
                    os.kill(running[name], signal.SIGSTOP if fault.stopped else signal.SIGKILL)
                    done.victims.append(name)
                    if fault.stopped:
                        waking.append((time.monotonic() + fault.stopped, running[name]))
            tell(f"{fault}" + ("" if len(done.victims) == len(fault.victims) else f"   (only {done.victims} ran)"))
            yield done
        _wait_until(max((at for at, _ in waking), default=0.0), waking)
    finally:
        for _, pid in waking:
            _continue(pid)


def _wait_until(moment: float, waking: list[tuple[float, int]]) -> None:
    while True:
        now = time.monotonic()
        for each in [each for each in waking if each[0] <= now]:
            waking.remove(each)
            _continue(each[1])
        if now >= moment:
            return
        time.sleep(min([moment - now, *(at - now for at, _ in waking)]))


def _continue(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
