"""What the console and its reports say: one catalogue per language, `en.yaml` and `zh.yaml`, with the same keys; what
reports say is in files beside them, `report.en.yaml` and `report.zh.yaml`.

A text may have fields, as `{count} devices`; who asks for it gives them.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import yaml

LANGUAGES = {"en": "English", "zh": "中文"}
"""Name of the catalogue -> what its speakers call it."""
DEFAULT = "en"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""In Python alone the four files take a third of a second."""


@cache
def catalogue(language: str) -> dict[str, str]:
    """Key -> text of one language; keys of nested sections are joined with dots, as `now.map`."""
    files = (resources.files(__package__).joinpath(name) for name in (f"{language}.yaml", f"report.{language}.yaml"))
    sections = (yaml.load(each.read_text(encoding="utf-8"), LOADER) for each in files)
    return {key: text for each in sections for key, text in _flat(each, "")}


def _flat(section: dict[str, Any], above: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in section.items():
        key = f"{above}{name}"
        found += _flat(value, f"{key}.") if isinstance(value, dict) else [(key, str(value))]
    return found


def speaks(wanted: str) -> str:
    """The catalogue for what a browser accepts (`zh-CN,zh;q=0.9,en;q=0.5`) or a user has chosen (`zh`)."""
    ranked = []
    for place, each in enumerate(wanted.split(",")):
        name, _, quality = each.strip().partition(";q=")
        try:
            ranked.append((-float(quality or 1), place, name[:2].lower()))
        except ValueError:
            continue
    return next((name for _, _, name in sorted(ranked) if name in LANGUAGES), DEFAULT)


class Texts:
    """The catalogue of one reader."""

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else DEFAULT
        self._texts = catalogue(self.language)

    def __call__(self, key: str, **fields: object) -> str:
        """A text with its fields filled in. Raises KeyError for a key that no catalogue has."""
        return self._texts[key].format(**fields) if fields else self._texts[key]

    def of(self, section: str, name: str) -> str:
        """The text of one of a set of names that grows elsewhere (kinds of events, states); the name itself if none is
        there."""
        return self._texts.get(f"{section}.{name}", name)

    def said(self, sentence: str) -> str:
        """What algorithms, nodes and the log say in English, in this language; as it stands where it is not known."""
        from console.texts.sentences import translated

        return sentence if self.language == DEFAULT else translated(self.language, sentence)
