"""Which streams are of one device: named by the settings, or found by what their configurations say."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Literal

from nodes._telling import Telling
from protocol.messages import Configuration, device_number, split_device


def _alike(one: Configuration, other: Configuration) -> bool:
    """Whether rows of both may stand in one column."""
    names = ("table", "phasors", "phasor_units", "analogs", "digitals", "components")
    return all(getattr(one, name) == getattr(other, name) for name in names)


class Groups:
    """Each group is told as one device: that of its first link, or of the lowest number."""

    def __init__(self, setting: Mapping[str, list[str]] | Literal["automatic"], numbers: Mapping[str, int]) -> None:
        """`numbers` of links by the site file."""
        self._automatic = setting == "automatic"
        named = {} if setting == "automatic" else setting
        self._links = {link: (group, rank) for group, links in named.items() for rank, link in enumerate(links)}
        self._first = {group: links[0] for group, links in named.items()}
        self._numbers = dict(numbers)
        self._tellings: dict[int, Telling] = {}
        self._keys: dict[int, Hashable] = {}
        self._found: dict[Hashable, set[int]] = {}
        """Key -> devices that have it."""
        self.target: dict[int, int] = {}
        """Member -> the device that its rows are told as."""
        self.members: dict[int, list[int]] = {}
        """Device that is told -> its streams, the preferred one first."""
        self._told: dict[int, Configuration] = {}
        self._odd: dict[int, str] = {}

    def note(self, telling: Telling) -> None:
        """What a device's rows mean now."""
        device, before = telling.known.device, self._keys.get(telling.known.device)
        self._tellings[device] = telling
        self._numbers.setdefault(telling.link, split_device(device)[0])
        self._keys[device] = key = self._key(telling)
        self._found.get(before, set()).discard(device)
        self._found.setdefault(key, set()).add(device)
        self._forget({device})
        for changed in {before, key} - {None}:
            self._rebuild(sorted(self._found[changed], key=self._rank))

    def _key(self, telling: Telling) -> Hashable:
        """The same for streams of one device; None: it stands alone."""
        known, (_, station) = telling.known, split_device(telling.known.device)
        if not self._automatic:
            return (self._links[telling.link][0], station) if telling.link in self._links else None
        identity = known.detail.get("global_id", "")
        if identity.strip("0"):
            return identity, known.table
        return known.name, known.station, known.table, tuple(known.phasors), tuple(known.analogs)

    def name_of(self, link: str) -> str:
        """Of the group that a link is of; "" if of none that has a name."""
        return self._links.get(link, ("", 0))[0]

    def _forget(self, devices: Iterable[int]) -> None:
        """They are of no group any more, and it is to be made anew."""
        for device in devices:
            self._odd.pop(device, None)
            if device in self.target:
                target = self.target.pop(device)
                self.members.pop(target, None)
                self._told.pop(target, None)

    def _rebuild(self, found: list[int]) -> None:
        self._forget(found)
        if self._automatic and len({split_device(device)[0] for device in found}) < max(2, len(found)):
            return
        if found:
            self._make(found)

    def _make(self, found: list[int]) -> None:
        first, called = self._tellings[found[0]].known, self._tellings[found[0]].link
        alike = [device for device in found if _alike(self._tellings[device].known, first)]
        name, target = first.link, found[0]
        if not self._automatic:
            name, _ = self._links[called]
            link = self._numbers.get(self._first[name])
            target = target if link is None else device_number(link, split_device(target)[1])
        self.members[target] = alike
        self.target.update(dict.fromkeys(alike, target))
        self._told[target] = replace(first, device=target, link=name)
        for device in set(found) - set(alike):
            self._odd[device] = f"{self._tellings[device].known.link} has other channels than {first.link}"

    def _rank(self, device: int) -> tuple[int, int]:
        link = self._tellings[device].link
        return (0 if self._automatic else self._links[link][1]), device

    def told(self, device: int) -> Configuration:
        """The configuration that the rows of a device are told under."""
        target = self.target.get(device, device)
        return self._told[target] if device in self.target else self._tellings[device].known

    @property
    def alarms(self) -> Iterator[str]:
        """Streams that can't be merged."""
        for _, what in sorted(self._odd.items()):
            yield f"redundant: {what}: they are told apart; give both devices the same configuration"
