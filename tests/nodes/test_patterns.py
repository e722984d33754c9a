from __future__ import annotations

import pytest

from nodes._patterns import chosen, matches


@pytest.mark.parametrize(
    ("name", "pattern", "fits"),
    [
        ("VA", "V*", True),
        ("VA", "V?", True),
        ("VA", "v*", False),
        ("BUS[1]", "BUS[1]", True),
        ("BUS1", "BUS[1]", False),
        ("", "*", True),
        ("VAB", "V?", False),
    ],
)
def test_patterns_are_those_of_file_names_without_brackets(name: str, pattern: str, fits: bool):
    assert matches([name], [pattern]) == fits


def test_the_first_pattern_that_fits_one_of_the_names_counts():
    table = {"A*": 1, "Hub": 2, "*": 3}
    assert chosen(table, "Hub", "Azur") == 1
    assert chosen(table, "Hub", "Blue") == 2
    assert chosen(table, "Farm") == 3
    assert chosen({"A*": 1}, "Farm") is None
