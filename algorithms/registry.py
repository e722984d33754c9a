"""Algorithms by name: what a detector runs on a window.

A new algorithm is one file:

    # algorithms/mine.py, or any my_algorithm.py beside the pipeline file
    class Settings(registry.Settings):
        limit: Hertz = 0.02
        \"\"\"Largest deviation that is still quiet.\"\"\"

    @algorithm("mine", version=1)
    def judge(window: WindowData, settings: Settings) -> Judgement:
        \"\"\"Largest deviation from the median.\"\"\"

and one line of YAML: `algorithm: mine` (or `algorithm: ./my_algorithm.py`). The version goes up whenever the same
window could be judged otherwise than before: verdicts are kept by (algorithm, version, window).
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import pkgutil
import re
import sys
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticUndefined

from algorithms.documented import Documented
from algorithms.electrical import Network

UNITS: dict[str, dict[str, float]] = {
    "s": {"ms": 1e-3, "s": 1.0, "min": 60.0},
    "Hz": {"mHz": 1e-3, "Hz": 1.0},
}
_QUANTITY = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def _in(unit: str) -> Callable[[Any], float]:
    def parse(value: Any) -> float:
        match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
        if match is None or match[2] not in UNITS[unit]:
            known = ", ".join(UNITS[unit])
            raise ValueError(f'{value!r} is no quantity in {unit}; write it as "2 {unit}" ({known})')
        return float(match[1]) * UNITS[unit][match[2]]

    return parse


def _schema(unit: str) -> WithJsonSchema:
    pattern = rf"^\s*[+-]?\d+(\.\d+)?\s*({'|'.join(UNITS[unit])})\s*$"
    return WithJsonSchema({"type": "string", "pattern": pattern, "unit": unit})


Seconds = Annotated[float, BeforeValidator(_in("s")), _schema("s")]
"""Seconds, from "2 s" or "200 ms"."""
Hertz = Annotated[float, BeforeValidator(_in("Hz")), _schema("Hz")]
"""Hz, from "20 mHz" or "2 Hz"."""


class Settings(Documented):
    """Base of an algorithm's settings; the docstring under a field is its documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class WindowData:
    """What an algorithm is given; never NaN, but where it takes several devices."""

    device: NDArray[np.uint32]
    """[m]"""
    start: int
    """ns UTC of the first sample"""
    rate: float
    """samples per second"""
    quantities: list[str]
    """[q]"""
    values: NDArray[np.float32]
    """[m, q, n]"""
    filled: NDArray[np.uint8]
    """[m, n] 1 = interpolated: to be left out of the decision"""
    context: dict[str, Any] = field(default_factory=dict)
    """Of several devices: see `protocol.messages.Window.detail`"""
    network: Network | None = None
    """The grid's buses and lines, with the bus of each device [m]; None: not known"""
    response: float = math.nan
    """MW/Hz by which the grid answers a lost power; NaN = not known"""
    inertia: float = math.nan
    """MW·s that rotate with the grid; NaN = not known"""


@dataclass(frozen=True)
class Judgement:
    """What an algorithm answers."""

    suspicious: bool
    score: float
    """how far beyond the algorithm's limit (1.0 = at the limit); finite"""
    onset: int | None = None
    """sample where it begins; None if there is nothing"""
    detail: dict[str, Any] = field(default_factory=dict)
    """the algorithm's own figures, plain Python values, with units in their names"""


@dataclass(frozen=True)
class Algorithm:
    """A registered algorithm."""

    name: str
    version: int
    settings: type[Settings]
    judge: Callable[[WindowData, Any], Judgement]
    where: str
    """module or file"""
    together: bool = False
    """judges several devices and several quantities at once, with NaN where nothing was measured"""
    warm: Callable[[Any], None] | None = None
    """given the settings: loads and compiles what its first window would wait for"""
    of: tuple[str, ...] = ()
    """beginnings of the quantities it can judge (`angle`); none: any"""
    shortest: Callable[[Any], float] | None = None
    """given the settings: seconds of the shortest window it can judge; None: any"""

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (self.judge.__doc__ or "").strip().partition("\n")[0]

    def run(self, window: WindowData, settings: Settings) -> Judgement:
        """Judge a window; numpy's scalars and arrays in the answer become plain values.

        Raises ValueError if the window holds NaN, or the answer is none: another type, a score that is no number.
        """
        if not self.together and not np.isfinite(window.values).all():
            raise ValueError("the window holds values that are not finite: fill its gaps first")
        if self.of and not window.quantities[0].startswith(self.of):
            raise ValueError(f"{self.name} can't judge {window.quantities[0]}: it wants {' or '.join(self.of)}")
        answer = self.judge(window, settings)
        if not isinstance(answer, Judgement):
            raise ValueError(f"{self.name}: answered with {type(answer).__name__}; a Judgement is wanted")
        score = float(answer.score)
        if not math.isfinite(score):
            raise ValueError(f"{self.name}: score {score} is no number")
        onset = None if answer.onset is None else int(answer.onset)
        return Judgement(bool(answer.suspicious), score, onset, plain(answer.detail))


def plain(value: Any) -> Any:
    """A value as JSON has it, with numpy's scalars and arrays as Python's. Raises ValueError if it can't be."""
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"detail holds {type(value).__name__}: only numbers, texts, lists and dicts of them can be kept")


def unit_of(settings: type[Settings], name: str) -> str | None:
    """Unit of a setting, `s` or `Hz`; None if it is a plain number or word."""
    unit: str | None = settings.model_json_schema()["properties"][name].get("unit")
    return unit


def shown(settings: type[Settings], name: str) -> Any:
    """Default of a setting as one writes it (`200 ms`); None if it has none."""
    default, unit = settings.model_fields[name].get_default(), unit_of(settings, name)
    if unit is None or not isinstance(default, float):
        return None if default is PydanticUndefined else list(default) if isinstance(default, tuple) else default
    sizes = {word: size for word, size in UNITS[unit].items() if size <= abs(default)}
    known = sizes or {word: size for word, size in UNITS[unit].items() if size == min(UNITS[unit].values())}
    ways = [f"{default / size:g} {word}" for word, size in sorted(known.items(), key=lambda each: -each[1])]
    return min(ways, key=len)


class UnknownAlgorithmError(ValueError):
    """No such algorithm; says which there are."""


ROOMS = ("algorithms", "algorithms.firststage")
"""Packages whose modules may hold algorithms."""
_REGISTRY: dict[str, list[Algorithm]] = {}
"""Module -> the algorithms it registered."""


def algorithm(
    name: str,
    version: int,
    warm: Callable[[Any], None] | None = None,
    together: bool = False,
    of: tuple[str, ...] = (),
    shortest: Callable[[Any], float] | None = None,
) -> Callable[[Callable[[WindowData, Any], Judgement]], Any]:
    """Register `judge(window, settings)`; the type of its second argument is its settings model.

    A detector calls `warm(settings)` once before its first window. `together`: of windows of several devices. `of`:
    beginnings of the quantities that it can judge, if not any. `shortest(settings)`: seconds of a window at least.
    """

    def register(judge: Callable[[WindowData, Any], Judgement]) -> Callable[[WindowData, Any], Judgement]:
        settings = list(typing.get_type_hints(judge).values())[1]
        where = judge.__module__
        made = Algorithm(name, version, settings, judge, where, together, warm, of, shortest)
        _REGISTRY.setdefault(where, []).append(made)
        return judge

    return register


def find(name: str, beside: Path = Path()) -> Algorithm:
    """The algorithm with this name; or the one that `name`, a file (`*.py`, relative to `beside`), registers.

    Raises UnknownAlgorithmError.
    """
    if name.endswith(".py"):
        found = _from_file((beside / name).resolve())
        if twin := _own(found.name):
            raise UnknownAlgorithmError(f"{name} calls its algorithm {found.name!r}, as {twin.where} does")
        return found
    if own := _own(name):
        return own
    names = ", ".join(one.name for one in available())
    raise UnknownAlgorithmError(f"no algorithm is called {name!r}; there are {names}, or name a file as ./mine.py")


def available() -> list[Algorithm]:
    """All algorithms of the package, by name. Imports every module of its rooms."""
    for room in ROOMS:
        for module in pkgutil.iter_modules(importlib.import_module(room).__path__):
            importlib.import_module(f"{room}.{module.name}")
    return sorted(_registered(), key=lambda one: one.name)


def _registered() -> list[Algorithm]:
    return [one for where, made in _REGISTRY.items() if where.startswith("algorithms.") for one in made]


def _own(name: str) -> Algorithm | None:
    """The package's algorithm of this name. Most stand in a file of their name: a detector waits for no other's
    imports, of which scipy's filters take most of a second.
    """
    for room in ROOMS if name.isidentifier() else ():
        if importlib.util.find_spec(f"{room}.{name}"):
            importlib.import_module(f"{room}.{name}")
    for known in (_registered, available):
        if found := next((one for one in known() if one.name == name), None):
            return found
    return None


def _from_file(path: Path) -> Algorithm:
    made = _REGISTRY.get(_load(path), [])
    if len(made) != 1:
        raise UnknownAlgorithmError(f"{path} registers {len(made)} algorithms; one @algorithm(name, version) is wanted")
    return made[0]


def _load(path: Path) -> str:
    """Import a file once; returns its module's name."""
    name = "algorithm_file_" + re.sub(r"\W", "_", str(path))
    if name in sys.modules:
        return name
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UnknownAlgorithmError(f"{path}: no such file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UnknownAlgorithmError(f"{path} can't be loaded: {type(error).__name__}: {error}") from error
    return name
