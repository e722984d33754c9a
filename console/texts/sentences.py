"""Sentences that algorithms, nodes and the gate say in English, in another language.

They are kept as they were said; what a reader gets is made of the catalogues: the English one has how they are said,
with fields, the other one what they mean. What nobody knows there stays as it is.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from string import Formatter

from console.texts import DEFAULT, catalogue

SAID = "said."
"""Section of the sentences; the more particular stand first."""
FIELDS = {"said": ".+", "fault": ".+?", "regions": ".+?"}
"""What is in a field of this name, where that is not a part of a sentence without a comma."""
CLOSED = ("quantity", "side")
"""Fields with one of the names of their section."""
PART = "[^,;]+?"
SECTIONS = {"least": "role", "quantity": "limited", "side": "beyond"}
"""Field -> section of the names that may stand in it, where that is called otherwise."""
JOINTS = (("; ", "；"), (", ", "，"))
"""Between parts that are sentences of their own."""


@lru_cache(4096)
def translated(language: str, sentence: str) -> str:
    """As it stands where it is not known."""
    texts = catalogue(language)
    for key, pattern in _patterns():
        if match := pattern.fullmatch(sentence):
            fields = {name: _field(language, name, value) for name, value in match.groupdict().items()}
            return texts[key].format(**fields)
    for joint, theirs in JOINTS:
        if joint in sentence:
            return theirs.join(translated(language, part) for part in sentence.split(joint))
    return texts.get(f"kind.{_name(sentence)}", sentence)


def _field(language: str, name: str, value: str) -> str:
    if name == "said":
        return translated(language, value)
    texts, section = catalogue(language), SECTIONS.get(name, name)
    if f"{section}.{_name(value)}" in texts or name == "fault":
        return "、".join(texts.get(f"{section}.{_name(each)}", each) for each in value.split(", "))
    return value


def _name(words: str) -> str:
    """Names of kinds are told with spaces."""
    return words.replace(" ", "_")


def _names(field: str) -> str:
    section = f"{SECTIONS.get(field, field)}."
    keys = (key.removeprefix(section) for key in catalogue(DEFAULT) if key.startswith(section))
    return "|".join(re.escape(key.replace("_", " ")) for key in keys)


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """(key, what the sentence looks like), in the order of the catalogue."""
    return [(key, _pattern(text)) for key, text in catalogue(DEFAULT).items() if key.startswith(SAID)]


def _pattern(text: str) -> re.Pattern[str]:
    parts = []
    for before, name, _, _ in Formatter().parse(text):
        what = _names(name) if name in CLOSED else FIELDS.get(name or "", PART)
        parts.append(re.escape(before) + (f"(?P<{name}>{what})" if name else ""))
    return re.compile("".join(parts))
