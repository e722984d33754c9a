from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from console.geometry import schematic


def test_nobody_has_no_place() -> None:
    assert schematic([]).places == []


@given(st.lists(st.sampled_from(["", "north", "south", "east"]), max_size=200))
def test_every_device_has_a_place_of_its_own_in_its_region(regions: list[str]) -> None:
    drawn = schematic(regions)
    assert len(set(drawn.places)) == len(regions)
    boxes = {name: (x, y, x + width, y + height) for x, y, width, height, name in drawn.boxes}
    assert boxes.keys() == set(regions)
    for (x, y), region in zip(drawn.places, regions, strict=True):
        left, top, right, bottom = boxes[region]
        assert left < x < right
        assert top < y < bottom
    apart = list(boxes.values())
    for k, one in enumerate(apart):
        for other in apart[k + 1 :]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_five_hundred_make_no_tower() -> None:
    drawn = schematic(["north"] * 300 + ["south"] * 200)
    width = max(x + w for x, _, w, _, _ in drawn.boxes)
    height = max(y + h for _, y, _, h, _ in drawn.boxes)
    assert 1 < width / height < 4
