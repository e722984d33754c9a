"""Which data pipe is whose."""

from __future__ import annotations

from protocol.gbt26865 import Pairing
from tests.protocol.gbt26865 import byhand

V2_DATA = byhand.data(2, byhand.integers())


def v3(identity: bytes) -> bytes:
    return byhand.data(3, byhand.integers(), identity=identity)


def test_v3_is_paired_by_identity_among_those_of_its_address() -> None:
    pairs = Pairing()
    pairs.management("a", "10.0.0.1", b"0GX00GP1")
    pairs.management("b", "10.0.0.1", b"0GX00GP2")
    pairs.management("c", "10.0.0.3", b"0GX00GP2")
    assert pairs.data("x", "10.0.0.1", v3(b"0GX00GP2")) == "b"
    assert pairs.data("stranger", "10.9.9.9", v3(b"0GX00GP2")) is None
    assert pairs.data("y", "10.0.0.1", v3(b"0GX00GP1")) == "a"
    assert pairs.data("z", "10.0.0.1", v3(b"nobody ..")) is None


def test_v2_is_paired_by_address() -> None:
    pairs = Pairing()
    pairs.management("a", "10.0.0.1")
    pairs.management("b", "10.0.0.2", b"0GX00GP2")
    assert pairs.data("x", "10.0.0.2", V2_DATA) == "b"
    assert pairs.data("y", "10.0.0.1", V2_DATA) == "a"
    assert pairs.data("again", "10.0.0.1", V2_DATA) == "a", "it dialled anew"


def test_of_two_v2_behind_one_address_it_is_not_guessed() -> None:
    pairs = Pairing()
    pairs.management("a", "10.0.0.1")
    pairs.management("b", "10.0.0.1")
    assert pairs.data("x", "10.0.0.1", V2_DATA) is None
    pairs.closed("b")
    assert pairs.data("x", "10.0.0.1", V2_DATA) == "a"


def test_v2_data_are_not_of_a_v3_substation() -> None:
    pairs = Pairing()
    pairs.management("a", "10.0.0.1", b"0GX00GP1", version=3)
    assert pairs.data("x", "10.0.0.1", V2_DATA) is None
    pairs.management("b", "10.0.0.1", b"0GX00GP2", version=2)
    assert pairs.data("x", "10.0.0.1", V2_DATA) == "b"


def test_who_has_its_pipe_already_is_not_in_the_way_of_another() -> None:
    pairs = Pairing()
    pairs.belongs("x", "a")
    pairs.management("a", "10.0.0.1")
    pairs.management("b", "10.0.0.1")
    assert pairs.data("y", "10.0.0.1", V2_DATA) == "b"
    pairs.closed("y")
    assert pairs.data("z", "10.0.0.1", V2_DATA) == "b"
    pairs.closed("a")
    pairs.management("a", "10.0.0.1")
    assert pairs.data("w", "10.0.0.1", V2_DATA) == "a", "its data pipe went with it"


def test_a_data_pipe_may_come_first() -> None:
    pairs = Pairing()
    assert pairs.data("x", "10.0.0.1", V2_DATA) is None
    assert pairs.data("y", "10.0.0.3", v3(b"0GX00GP3")) is None
    pairs.management("a", "10.0.0.1")
    pairs.management("c", "10.0.0.3")
    assert pairs.data("x", "10.0.0.1", V2_DATA) == "a"
    assert pairs.data("y", "10.0.0.3", v3(b"0GX00GP3")) is None, "the identity is not known yet"
    pairs.management("c", "10.0.0.3", b"0GX00GP3")
    assert pairs.data("y", "10.0.0.3", v3(b"0GX00GP3")) == "c"


def test_a_closed_pipe_is_forgotten() -> None:
    pairs = Pairing()
    pairs.management("a", "10.0.0.1")
    pairs.management("b", "10.0.0.1")
    pairs.management("c", "10.0.0.2")
    assert pairs.data("x", "10.0.0.2", V2_DATA) == "c"
    pairs.closed("x")
    pairs.closed("c")
    assert pairs.data("y", "10.0.0.2", V2_DATA) is None
