"""What the Health messages of a pipeline say together: nodes with rates, devices with all their counters."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from protocol.messages import Health, split_device

SILENT_AFTER = 3.5
"""Seconds without Health after which a process counts as silent (it speaks each second)."""
LARGEST = ("connected", "score", "_ms", "bad_now")
"""Per-device columns of which the largest counts where several processes of a kind know a device; others add up."""
PLAYERS = ("simulator", "replayer")
"""Kinds that play devices."""
SITE_NAMES = ("balancer", "receiver")
"""Kinds that call a device as the site file does; the others know what the station calls itself."""


@dataclass
class Voice:
    """One process, as far as it was heard."""

    last: Health
    heard: float
    """Monotonic seconds."""
    rates: dict[str, float] = field(default_factory=dict)
    """Counter -> increase per second between the last two words."""
    cpu: float = math.nan
    """Share of a core between the last two words."""


class Board:
    """Collects Health; time is an argument."""

    def __init__(self, processes: list[str]) -> None:
        self.processes = processes
        self.voices: dict[str, Voice] = {}
        self.restarts: dict[str, int] = {}
        """Process -> how often it began anew while we listened."""
        self.ended: frozenset[str] = frozenset()
        """Processes whose work is over: they say nothing any more."""

    def hear(self, health: Health, now: float) -> None:
        """Take in one message; `now` is monotonic seconds."""
        before = self.voices.get(health.node)
        voice = Voice(health, now)
        if before and before.last.pid != health.pid:
            self.restarts[health.node] = self.restarts.get(health.node, 0) + 1
        if before and before.last.pid == health.pid and health.time > before.last.time:
            span = (health.time - before.last.time) / 1e9
            voice.cpu = (health.cpu - before.last.cpu) / span
            voice.rates = {
                name: (value - before.last.counters[name]) / span
                for name, value in health.counters.items()
                if name in before.last.counters
            }
        self.voices[health.node] = voice

    def silent(self, now: float) -> list[str]:
        """Processes that should speak and do not."""
        return [name for name in self.processes if name not in self.ended and not self.speaks(name, now)]

    def speaks(self, name: str, now: float) -> bool:
        voice = self.voices.get(name)
        return voice is not None and now - voice.heard <= SILENT_AFTER

    def last(self) -> list[tuple[str, Health]]:
        """The last word of each process that was heard, the balancer's first: what devices are by is its word."""
        said = [(name, voice.last) for name, voice in self.voices.items()]
        return sorted(said, key=lambda each: each[1].kind != "balancer")

    def nodes(self, now: float) -> dict[str, dict[str, Any]]:
        """Process -> what it said of itself, in the order of the pipeline."""
        return {name: self._node(name, now) for name in self.processes}

    def _node(self, name: str, now: float) -> dict[str, Any]:
        voice, ended = self.voices.get(name), {"ended": True} if name in self.ended else {}
        if voice is None:
            return {"speaks": False, **ended}
        last = voice.last
        return {
            "speaks": self.speaks(name, now),
            **ended,
            "kind": last.kind,
            "pid": last.pid,
            "uptime_s": last.uptime,
            "cpu": voice.cpu,
            "memory_bytes": last.memory,
            "counters": last.counters,
            "rates": voice.rates,
            "queues": last.queues,
            **({"site": last.site, "site_since": last.site_since} if last.site else {}),
        }

    def alarms(self, now: float) -> list[str]:
        """What a person should look at, with the name of the process that says it."""
        said = [f"{name}: {alarm}" for name, voice in self.voices.items() for alarm in voice.last.alarms]
        return [f"{name}: silent" for name in self.silent(now)] + said

    def total(self, kind: str, counter: str) -> float:
        """A counter summed over the processes of a kind; 0 if none of them has it."""
        voices = [voice.last for voice in self.voices.values() if voice.last.kind == kind]
        return sum(health.counters.get(counter, 0.0) for health in voices)

    def devices(self) -> list[dict[str, Any]]:
        """One entry per device, with the columns of all kinds; a name that two kinds use gets the kind in front.

        What plays devices (a simulator) is no witness: it numbers them by itself.
        """
        voices = [voice.last for voice in self.voices.values() if voice.last.kind not in PLAYERS]
        owners: dict[str, set[str]] = {}
        for health in voices:
            for column in health.columns:
                owners.setdefault(column, set()).add(health.kind)
        rows: dict[int, dict[str, Any]] = {}
        for health in voices:
            names = [name if len(owners[name]) == 1 else f"{health.kind}_{name}" for name in health.columns]
            said = "site_name" if health.kind in SITE_NAMES else "name"
            for device, label, counts in zip(health.devices.tolist(), health.labels, health.counts, strict=True):
                row = rows.setdefault(device, _blank(device))
                row[said] = row[said] or label
                _merge(row["counts"], dict(zip(names, counts.tolist(), strict=True)))
        return [rows[device] for device in sorted(rows)]

    def summary(self, now: float) -> dict[str, Any]:
        """All of it, for `--json`."""
        return {"nodes": self.nodes(now), "devices": self.devices(), "alarms": self.alarms(now)}


def _blank(device: int) -> dict[str, Any]:
    link, station = split_device(device)
    return {"device": device, "link": link, "station": station, "site_name": "", "name": "", "counts": {}}


def _merge(counts: dict[str, float], more: dict[str, float]) -> None:
    """Counts of one device from one more process: they add up, measures (`_ms`, `connected`) take the largest."""
    for name, value in more.items():
        held = counts.get(name, math.nan)
        if math.isnan(held) or math.isnan(value):
            counts[name] = value if math.isnan(held) else held
        elif name.endswith(LARGEST):
            counts[name] = max(held, value)
        else:
            counts[name] = held + value
