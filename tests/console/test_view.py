"""What browsers say they look at is bounded before it is acted on."""

from __future__ import annotations

import pytest

from console.components.trend import view_of

SAID = {"from": 1000, "until": 2000, "span": 60, "live": True, "columns": 800}


@pytest.mark.parametrize(("span", "taken"), [(60, 60.0), (0, 1.0), (1e12, 7 * 86400.0), (float("nan"), 1.0)])
def test_spans(span: float, taken: float) -> None:
    assert view_of(SAID | {"span": span}).span == taken


@pytest.mark.parametrize(("columns", "taken"), [(800, 800), (-1, 100), (1 << 40, 4000)])
def test_columns(columns: int, taken: int) -> None:
    assert view_of(SAID | {"columns": columns}).columns == taken


@pytest.mark.parametrize("said", [{"from": 3000}, {"from": -1}, {"until": float("inf")}, {"from": float("nan")}])
def test_what_is_no_view(said: dict[str, float]) -> None:
    with pytest.raises((ValueError, OverflowError)):
        view_of(SAID | said)
