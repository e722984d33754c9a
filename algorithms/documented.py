"""What settings say of themselves: the docstring under a field is its documentation.

pydantic does the same (`use_attribute_docstrings`), but reads the source of every class when it is made: a tenth of a
second at the start of each process, for words that only editors and people who made a mistake want. Here they are read
when somebody asks for them.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler


class Documented(BaseModel):
    """A model whose JSON schema has the docstrings."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """With a description of each field that has one."""
        schema = handler(core)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for field, text in documentation(cls).items():
            name = cls.model_fields[field].alias or field
            if name in properties:
                properties[name].setdefault("description", text)
        return schema


def documentation(model: type[BaseModel]) -> dict[str, str]:
    """Field -> what is said of it, by the class or by one that it inherits from."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        found |= _under_fields(cls) if cls.__module__ not in ("builtins", "pydantic.main") else {}
    fields = model.model_fields
    return {field: text for field in fields if (text := fields[field].description or found.get(field))}


@cache
def _under_fields(cls: type) -> dict[str, str]:
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):  # made without a file
        return {}
    made = ast.parse(textwrap.dedent(source)).body[0]
    assert isinstance(made, ast.ClassDef)
    found = {}
    for field, below in pairwise(made.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = inspect.cleandoc(text)
    return found
