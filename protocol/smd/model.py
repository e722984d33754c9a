"""What all parts of the table have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

Factor = Annotated[float, Field(gt=0)]


def fault(what: str, remedy: str) -> PydanticCustomError:
    """The error a validator raises."""
    return PydanticCustomError("smd", "{what}; {remedy}", {"what": what, "remedy": remedy})


class Model(BaseModel):
    """Unknown keys are faults, and nothing changes after the check."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
