"""Names in a concentrator's settings that nobody answers to (most often they are misspelt), or not for long."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from nodes._patterns import matches
from nodes._treatsettings import Treating
from protocol.messages import Configuration
from protocol.threephase import sets_of

Names = Callable[[Configuration], Sequence[str]]
"""What a device is called: its link as the settings mean it, as the site file has it now, then other names."""


def vain(settings: Treating, known: Sequence[Configuration], names: Names, site: Collection[str]) -> list[str]:
    """A sentence for each, once somebody is known; `known` as the devices say it themselves, `site`: links of the site
    file when we began."""
    if not known:
        return []
    return [
        *_links(settings, known, names, site), *_corrections(settings, known, names), *_channels(settings, known),
        *_sets(settings, known, names),
    ]  # fmt: skip


def _links(settings: Treating, known: Sequence[Configuration], names: Names, site: Collection[str]) -> Iterator[str]:
    """Of `redundant` and `fill`; and names that the site file has no more: they count until we end."""
    called = {link: now for link, now, *_ in map(names, known)}
    wanted = {link: where[0] for where, link in settings.links}
    for link, setting in wanted.items():
        if link not in called and link not in site:
            yield f"{setting}: no device of the site file is called {link!r}"
    patterns = [*wanted, *settings.correct, *settings.sets]
    for link, now in called.items():
        if link != now and matches([link], patterns) and not matches([now], patterns):
            yield f"{link!r} is called {now!r} in the site file now: call it so in this concentrator's settings, too"


def _of(table: Mapping[str, object], pattern: str, known: Sequence[Configuration], names: Names
        ) -> list[Configuration]:  # fmt: skip
    """The devices for which this pattern counts: those that no earlier one fits."""
    earlier = list(table)[: list(table).index(pattern)]
    return [each for each in known if matches(names(each), [pattern]) and not matches(names(each), earlier)]


def _corrections(settings: Treating, known: Sequence[Configuration], names: Names) -> Iterator[str]:
    for pattern, channels in settings.correct.items():
        devices = _of(settings.correct, pattern, known, names)
        if not devices:
            yield f"correct: no device answers to {pattern!r}; see `syms status` for their names"
        told = {name for each in devices for name in each.phasor_channels}
        for channel in channels if devices else ():
            if not matches(told, [channel]):
                yield f"correct: {pattern}: no phasor answers to {channel!r}; there are {_list(told)}"


def _channels(settings: Treating, known: Sequence[Configuration]) -> Iterator[str]:
    told = {name for each in known for name in (*each.phasor_channels, *each.analogs)}
    for pattern in settings.validation.channels:
        if not matches(told, [pattern]):
            yield f"validate: no channel answers to {pattern!r}; there are {_list(told)}"


def _sets(settings: Treating, known: Sequence[Configuration], names: Names) -> Iterator[str]:
    for pattern, sets in settings.sets.items():
        devices = _of(settings.sets, pattern, known, names)
        if not devices:
            yield f"sets: no device answers to {pattern!r}; see `syms status` for their names"
        for name, phasors in sets.items() if devices else ():
            if not any(sets_of(each, {name: phasors}) for each in devices):
                yield f"sets: {pattern}: no device has {', '.join(phasors)}, all of one unit, for {name!r}"


def _list(names: set[str]) -> str:
    """Some of them."""
    ordered = sorted(names)
    return ", ".join(ordered[:8]) + (" …" if len(ordered) > 8 else "") if ordered else "none"
