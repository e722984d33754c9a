"""Units stand in the value, are checked, and are shown again as people write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from nodes import _settings
from nodes._settings import Address, Duration, FilePath, Frequency, Names, Offset, Rate, Share, Size

GOOD: list[tuple[Any, Any, Any]] = [
    (Duration, "180 s", 180 * 10**9),
    (Duration, "2 min", 120 * 10**9),
    (Duration, "0.5ms", 500_000),
    (Offset, "-20 s", -20 * 10**9),
    (Offset, "+30 s", 30 * 10**9),
    (Size, "4 GiB", 4 << 30),
    (Size, "1.5 kB", 1500),
    (Frequency, "20 mHz", 0.02),
    (Frequency, "-200 mHz", -0.2),
    (Share, "90 %", 0.9),
    (Rate, "50/s", 50),
    (Rate, "every 5 s", -5),
    (Address, "0.0.0.0:4712", Address("0.0.0.0", 4712)),
    (Address, "[::1]:4712", Address("::1", 4712)),
    (Address, "pmu-7.example:4712", Address("pmu-7.example", 4712)),
    (Names, "front", ["front"]),
    (Names, ["a", "b"], ["a", "b"]),
]

BAD: list[tuple[Any, Any, str]] = [
    (Duration, 180, "has no unit"),
    (Duration, True, "not a number with a unit"),
    (Duration, "180", "has no unit"),
    (Duration, "180 sec", "unknown unit 'sec'"),
    (Duration, "-20 s", "greater than or equal to 0"),
    (Duration, "0.1 ns", "can't be counted in ns"),
    (Duration, "9999999999 d", "can't be counted in ns"),
    (Duration, "١٢ s", "has no unit"),
    (Size, "4 G", "unknown unit 'G'"),
    (Size, "0.5 B", "can't be counted in bytes"),
    (Share, "110 %", "less than or equal to 1"),
    (Share, 0.9, "has no unit"),
    (Rate, 50, "is not a rate"),
    (Rate, "0/s", "not a rate that C37.118 can say"),
    (Rate, "40000/s", "not a rate that C37.118 can say"),
    (Address, 4712, "is not HOST:PORT"),
    (Address, "::1:4712", "is not HOST:PORT"),
    (Address, "1.2.3:4712", "is not HOST:PORT"),
    (Address, "1.2.3.4:70000", "is not HOST:PORT"),
    (Address, "1.2.3.4:٣", "is not HOST:PORT"),
    (Names, [], "names no node"),
    (Names, ["a", "a"], "names a node twice"),
    (FilePath, 2026, "is not a path"),
    (FilePath, "", "is not a path"),
]


@pytest.mark.parametrize(("kind", "written", "meant"), GOOD)
def test_reads_what_people_write(kind: Any, written: Any, meant: Any) -> None:
    assert TypeAdapter(kind).validate_python(written) == meant


@pytest.mark.parametrize(("kind", "written", "what"), BAD)
def test_refuses_with_a_reason(kind: Any, written: Any, what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        TypeAdapter(kind).validate_python(written)


@given(st.integers(0, 2**62))
def test_a_duration_shown_reads_back(value: int) -> None:
    assert TypeAdapter(Duration).validate_python(_settings.show_time(value)) == value


@given(st.integers(0, 2**62))
def test_a_size_shown_reads_back(value: int) -> None:
    assert TypeAdapter(Size).validate_python(_settings.show_size(value)) == value


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (_settings.show_time(0), "0 s"),
        (_settings.show_time(120 * 10**9), "120 s"),
        (_settings.show_time(7200 * 10**9), "2 h"),
        (_settings.show_time(1500), "1500 ns"),
        (_settings.show_size(4 << 30), "4 GiB"),
        (_settings.show_share(0.9), "90 %"),
        (_settings.show_frequency(0.0005), "0.5 mHz"),
        (_settings.show_rate(-5), "every 5 s"),
        (_settings.show_like("20 ms", 1e9), "1 s"),
        (_settings.show_like("5", 3), "3"),
    ],
)
def test_shows_the_natural_unit(shown: str, text: str) -> None:
    assert shown == text


class Example(_settings.Settings):
    """An example."""

    path: FilePath
    """Where."""
    wait: Duration = 100_000_000
    """How long."""


def test_a_path_is_relative_to_its_file() -> None:
    context = {"base": Path("/etc/syms")}
    assert Example.model_validate({"path": "../data"}, context=context).path == Path("/etc/syms/../data")
    assert Example.model_validate({"path": "/data"}, context=context).path == Path("/data")


def test_unknown_settings_are_faults_and_nothing_changes_later() -> None:
    example = Example.model_validate({"path": "x"})
    with pytest.raises(ValidationError, match="Extra inputs"):
        Example.model_validate({"path": "x", "wiat": "1 s"})
    with pytest.raises(ValidationError, match="frozen"):
        example.wait = 5  # type: ignore[misc]


def test_documentation_and_units_reach_the_schema() -> None:
    wait = Example.model_json_schema(mode="serialization")["properties"]["wait"]
    assert (wait["description"], wait["default"]) == ("How long.", "100 ms")
