"""The drawing of a pipeline: data go from left to right, nothing lies on anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.wiring import BOX, Drawing, Unit, Wiring, columns, draw

DEMO = Wiring(
    tuple(Unit(name, name) for name in ("front", "receivers", "archive", "align", "windows", "judge", "watch")),
    (
        ("front", "receivers", "connections"), ("receivers", "archive", "rows"), ("windows", "archive", "verdicts"),
        ("receivers", "align", "rows"), ("align", "windows", "slots"), ("windows", "judge", "windows"),
    ),
)  # fmt: skip
NAMES = "abcdefgh"


@st.composite
def wirings(draw_: st.DrawFn) -> Wiring:
    """Some nodes, each fed by some of those before it."""
    count = draw_(st.integers(1, len(NAMES)))
    ways = []
    for reader in range(1, count):
        sources = draw_(st.sets(st.integers(0, reader - 1), max_size=3))
        ways += [(NAMES[source], NAMES[reader], "rows") for source in sorted(sources)]
    return Wiring(tuple(Unit(name, "trigger") for name in NAMES[:count]), tuple(ways))


def test_each_stands_behind_all_that_feed_it() -> None:
    assert columns(DEMO) == {
        "front": 0, "receivers": 1, "align": 2, "windows": 3, "archive": 4, "judge": 4, "watch": 0
    }  # fmt: skip


def test_a_circle_is_drawn_too() -> None:
    ring = Wiring((Unit("a", "x"), Unit("b", "x")), (("a", "b", "rows"), ("b", "a", "rows")))
    drawing = draw(ring)
    assert drawing.boxes.keys() == {"a", "b"}
    assert len(drawing.ways) == 2


@given(wirings())
def test_boxes_lie_apart_inside_the_drawing(wiring: Wiring) -> None:
    drawing = draw(wiring)
    boxes = list(drawing.boxes.values())
    assert drawing.boxes.keys() == {each.name for each in wiring.units}
    for at, (x, y) in enumerate(boxes):
        assert 0 <= x <= drawing.width - BOX[0]
        assert 0 <= y <= drawing.height - BOX[1]
        for other_x, other_y in boxes[:at]:
            assert abs(x - other_x) >= BOX[0] or abs(y - other_y) >= BOX[1]


@given(wirings())
def test_ways_go_to_the_right_and_through_no_box(wiring: Wiring) -> None:
    drawing = draw(wiring)
    for way in drawing.ways:
        xs = [x for x, _ in way.points]
        assert xs == sorted(xs)
        assert way.points[0] == _beside(drawing, way.source, BOX[0])
        assert way.points[-1] == _beside(drawing, way.reader, 0.0)
        for x, y in way.points[1:-1]:
            assert not any(left < x < left + BOX[0] and top < y < top + BOX[1] for left, top in drawing.boxes.values())


def _beside(drawing: Drawing, name: str, right: float) -> tuple[float, float]:
    x, y = drawing.boxes[name]
    return x + right, y + BOX[1] / 2


def test_copies_and_what_stands_in_are_of_their_node() -> None:
    unit = Unit("prejudge", "detector", 2)
    assert [unit.has(name) for name in ("prejudge", "prejudge.3", "prejudges.1", "align")] == [True, True, False, False]


def test_it_is_read_as_the_command_tells_it() -> None:
    told = {"nodes": [{"name": "front", "kind": "balancer", "copies": 1}], "edges": []}
    assert Wiring.of(told).unit("front") == Unit("front", "balancer")
    with pytest.raises(KeyError):
        Wiring.of(told).unit("back")
