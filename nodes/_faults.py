"""Faults in files that people write: where, what is wrong, and the remedy. All of a file's at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from algorithms.documented import documentation
from nodes._settings import show_like

Path = tuple[str | int, ...]
"""Way to a value in a YAML document: keys and 0-based positions."""
LONGEST = 60
"""Characters of a wrong value that a fault repeats."""


@dataclass(frozen=True, order=True)
class Fault:
    """One fault. `str()` is `file:line: what; remedy`."""

    file: str
    line: int
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}; {self.remedy}"

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


class Faulty(Exception):
    """A file has faults; `faults` are all that were found, in order of lines."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = sorted(set(faults))
        super().__init__("\n".join(map(str, self.faults)))


@dataclass
class Lines:
    """Where the values of a YAML document stand, and the faults found in it so far."""

    file: str
    at: dict[Path, int]
    faults: list[Fault]

    def line(self, path: Sequence[str | int]) -> int:
        """Line of a value, or of the nearest one around it."""
        steps = tuple(path)
        while steps not in self.at and steps:
            steps = steps[:-1]
        return self.at.get(steps, 1)

    def fault(self, path: Sequence[str | int], what: str, remedy: str) -> None:
        """Note one more fault."""
        self.faults.append(Fault(self.file, self.line(path), what, remedy))

    def settings(self, path: Path, model: type[BaseModel], error: ValidationError, whose: str) -> None:
        """Note every fault that a settings model found in the mapping at `path`."""
        for detail in error.errors(include_url=False):
            what, remedy = explain(detail, model, whose)
            self.fault((*path, *detail["loc"]), what, remedy)


def suggestion(word: str, known: Iterable[str]) -> str:
    """The remedy for an unknown word: the known one nearest to it, or all of them."""
    words = sorted(known)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(words) or 'none'}"


WANTED = {
    "int_parsing": "a whole number", "int_from_float": "a whole number", "int_type": "a whole number",
    "float_parsing": "a number", "float_type": "a number",
    "bool_parsing": "true or false", "bool_type": "true or false",
    "string_type": "text",
}  # fmt: skip
"""What pydantic wanted, for people who don't write programs."""


def explain(detail: ErrorDetails, model: type[BaseModel], whose: str) -> tuple[str, str]:
    """(what, remedy) of one fault that pydantic found in `whose` settings."""
    name = ".".join(str(step) for step in detail["loc"]) or whose
    kind, value = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        owner = _owner(model, detail["loc"])
        return f"{whose}: unknown setting {name!r}", suggestion(str(detail["loc"][-1]), _written(owner))
    if kind == "missing":
        owner = _owner(model, detail["loc"])
        last = str(detail["loc"][-1])
        return f"{whose}: setting {name!r} is missing", f"add {last}: … ({_help(owner, last)})"
    if kind == "syms":
        context = detail.get("ctx", {})
        return f"{whose}: {name}: {context['what']}" if detail["loc"] else f"{whose}: {context['what']}", context[
            "remedy"
        ]
    shown = repr(value) if len(repr(value)) <= LONGEST else repr(value)[:LONGEST] + "…"
    if kind == "string_type" and isinstance(value, int | float | bool):
        return f"{whose}: {name} is the {_yaml_word(value)} {value}, not text", f'put it in quotes: {name}: "{value}"'
    if kind == "model_type":
        return f"{whose}: {name} is {shown}", f"meant is: {_help(_owner(model, detail['loc']), str(detail['loc'][-1]))}"
    if kind == "float_parsing" and re.fullmatch(r"[+-]?\d+,\d+", str(value).strip()):
        return f"{whose}: {name} is {shown}", f"write {str(value).strip().replace(',', '.')}: a decimal point, no comma"
    if kind in WANTED:
        return f"{whose}: {name} is {shown}", f"it should be {WANTED[kind]}"
    message = _with_unit(detail).removeprefix("Value error, ").replace("Input should be", "it should be")
    return f"{whose}: {name} is {shown}", message[:1].lower() + message[1:]


def _with_unit(detail: ErrorDetails) -> str:
    """The message of a bound that was crossed, with the bound in the kind of unit that the value was written in."""
    message, value = detail["msg"], detail["input"]
    for bound in detail.get("ctx", {}).values():
        if isinstance(value, str) and isinstance(bound, int | float) and message.endswith(f" {bound}"):
            return message.removesuffix(str(bound)) + show_like(value, bound)
    return message


def _yaml_word(value: Any) -> str:
    return "truth value" if isinstance(value, bool) else "number"


def _written(model: type[BaseModel]) -> list[str]:
    """Setting names as a person writes them."""
    return [spec.alias or name for name, spec in model.model_fields.items()]


def _help(model: type[BaseModel], name: str) -> str:
    for field, text in documentation(model).items():
        if name in (field, model.model_fields[field].alias):
            return text.split("\n")[0].rstrip(".")
    return f"{name}: …"


def _owner(model: type[BaseModel], loc: Sequence[str | int]) -> type[BaseModel]:
    """The model, perhaps nested, whose setting the last step of `loc` is."""
    owner = model
    for step in loc[:-1]:
        for name, spec in owner.model_fields.items():
            if step in (name, spec.alias):
                owner = _model_in(spec.annotation) or owner
    return owner


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if found := _model_in(inner):
            return found
    return None
