"""YAML with the line of every value and without its traps."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes import _yaml
from nodes._faults import Lines


def parsed(text: str) -> tuple[Any, list[str], Lines]:
    lines = Lines("f", {}, [])
    data = _yaml.parse(text, lines)
    return data, [str(fault) for fault in lines.faults], lines


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("on", "on"),
        ("No", "No"),
        ("12:30", "12:30"),
        ("007", "007"),
        ("1_000", "1_000"),
        ("2026-01-01", "2026-01-01"),
        (".inf", ".inf"),
        ("0x1F", 31),
        ("-5", -5),
        ("1e3", 1000.0),
        ("1e999", "1e999"),
        ("12.10", 12.1),
        ("true", True),
        ("Null", None),
        ("~", None),
        ("9" * 30, float("9" * 30)),
        ("'12'", "12"),
        ('"true"', "true"),
    ],
)
def test_scalars_mean_what_they_look_like(word: str, value: Any) -> None:
    data, faults, _ = parsed(f"a: {word}\n")
    assert data == {"a": value}
    assert type(data["a"]) is type(value)
    assert faults == []


def test_every_value_has_its_line() -> None:
    _, _, lines = parsed("a: 1\nb:\n  - x\n  - c: 2\n    d: [1,\n 2]\n")
    assert [lines.line(path) for path in (("a",), ("b",), ("b", 0), ("b", 1, "d"), ("b", 1, "d", 1))] == [1, 2, 3, 5, 6]
    assert lines.line(("b", 1, "nothing", "there")) == 4


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3: 'a' stands twice (first in line 1); keep one of them"),
        ("a: &x 1\nb: *x\n", "f:2: *x is an alias; write the value out"),
        ("a: 1\n---\nb: 1\n", "f:2: a second document begins here; one file holds one document"),
        ("[1]: 2\n", "f:1: a key is not a word; write keys as plain words"),
    ],
)
def test_traps_are_faults(text: str, fault: str) -> None:
    assert fault in parsed(text)[1]


@pytest.mark.parametrize("text", ["a: [", "[" * 5000, "{a: " * 5000, "\ta: b", "a: \x00", "a: b: c"])
def test_what_is_no_yaml_is_one_fault(text: str) -> None:
    data, faults, _ = parsed(text)
    assert data is None
    assert len(faults) == 1
    assert "not YAML" in faults[0]


def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9")
    (tmp_path / "large.yaml").write_bytes(b"#" * (_yaml.MAX_SIZE + 1))
    for name, what in (("none.yaml", "No such file"), ("latin.yaml", "UTF-8"), ("large.yaml", "larger than")):
        data, lines, _ = _yaml.read(tmp_path / name)
        assert data is None
        assert what in str(lines.faults[0])


def test_a_billion_laughs_are_refused_at_once() -> None:
    names = "abcdefghij"
    lines = ["a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"{to}: &{to} [{', '.join(['*' + of] * 10)}]" for of, to in itertools.pairwise(names)]
    began = time.process_time()
    _, faults, _ = parsed("\n".join(lines))
    assert time.process_time() - began < 0.5
    assert len(faults) == 90
    assert "f:2: *a is an alias; write the value out" in faults


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: &a 1\nb: [" + "*a," * 2_000_000 + "]", "more than 100 faults"),
        ("a: 1\n" * 1_000_000, "more than 100 faults"),
        ("[" + "1," * 3_000_000 + "]", "more than 500000 values"),
        ("{" + "a: {" * 1_500_000, "nested deeper than 32"),
    ],
    ids=["aliases", "keys that stand twice", "values", "depth"],
)
def test_a_large_file_of_nonsense_is_given_up_soon(text: str, why: str) -> None:
    data, faults, _ = parsed(text)
    assert data is None
    assert why in faults[-1]
    assert len(faults) <= _yaml.MAX_FAULTS + 2


@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    data, faults, _ = parsed(text)
    assert data is None or not any("not YAML" in fault for fault in faults)
