"""Names as devices send them."""

from __future__ import annotations

import pytest

from protocol.c37118.names import clean, counted, fixed, unique


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"Blue PMU        ", "Blue PMU"),
        (b"VA\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "VA"),
        (b"VA\0junk behind it", "VA"),
        (b"\0\0VA\x07\t\x1b", "VA"),
        (b"\0" * 16, ""),
        (b" " * 16, ""),
        ("变电站".encode(), "变电站"),
        ("变电站变电站".encode()[:16], "变电站变电"),
        ("Süd".encode("latin-1"), "Süd"),
        (b"\x1b[2J\x1b]0;owned\x07\r\n", "[2J]0;owned"),
        ("a\u202eb\u2028c\x9bd".encode(), "abcd"),
        (b"", ""),
    ],
)
def test_clean(raw: bytes, name: str) -> None:
    assert clean(raw) == name


def test_unique_names_are_stable_and_each_once() -> None:
    given = ["VA", "", "VA", "VA (2)", "VA", "phasor 2", ""]
    assert unique(given, "phasor") == ("VA", "phasor 2", "VA (2)", "VA (2) (2)", "VA (3)", "phasor 2 (2)", "phasor 7")


def test_many_equal_names_take_no_time() -> None:
    assert len(set(unique(["x"] * 65_535, "phasor"))) == 65_535


def test_written_names_are_cut_at_a_character() -> None:
    assert fixed("变电站变电站") == "变电站变电".encode() + b" "
    assert fixed("VA") == b"VA" + b" " * 14
    assert counted("é" * 200) == b"\xfe" + "é".encode() * 127
    assert counted("") == b"\0"
