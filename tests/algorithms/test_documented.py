from __future__ import annotations

from pydantic import BaseModel, Field

from algorithms.documented import Documented, documentation


class Plain(Documented):
    """Not of a field."""

    limit: float = 1.0
    """What is
    too much."""
    silent: int = 0
    other: int = Field(0, alias="from", description="Said otherwise.")
    "Not this."

    def method(self) -> None:
        inner: int = 0  # noqa: F841
        """Of no field."""


class Heir(Plain):
    more: str = ""
    """Its own."""


def test_docstrings_under_fields() -> None:
    assert documentation(Plain) == {"limit": "What is\ntoo much.", "other": "Said otherwise."}


def test_an_heir_has_those_of_whom_it_inherits_from() -> None:
    assert documentation(Heir) == documentation(Plain) | {"more": "Its own."}


def test_they_stand_in_the_schema_by_the_name_that_people_write() -> None:
    found = Heir.model_json_schema()["properties"]
    assert {name: field["description"] for name, field in found.items() if "description" in field} == {
        "limit": "What is\ntoo much.",
        "from": "Said otherwise.",
        "more": "Its own.",
    }


def test_it_is_what_pydantic_reads_itself() -> None:
    class Same(BaseModel, use_attribute_docstrings=True):
        first: int = 0
        """One."""
        second: int = 0

    assert documentation(Same) == {"first": "One."}
    assert Same.model_fields["first"].description == "One."


def test_a_model_without_a_source_says_nothing() -> None:
    space: dict[str, object] = {"Documented": Documented, "__name__": "nowhere"}
    exec('class Made(Documented):\n    x: int = 0\n    """Unseen."""', space)
    made = space["Made"]
    assert isinstance(made, type)
    assert issubclass(made, Documented)
    assert documentation(made) == {}
