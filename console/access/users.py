"""What a user is: a role, the regions that he may see, a password, tokens of his scripts; how that is written down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

NAME = re.compile(r"\w[\w.@-]{0,63}")
"""What a user, or a token, may be called; letters of any script."""
SHA256, ARGON2 = re.compile(r"[0-9a-f]{64}"), re.compile(r"\$argon2id\$[\x21-\x7e]+")
HEADING = (
    "# Who may use the console: `syms users` writes this file, and comments in it are not kept. A running console\n"
    "# takes a change up within a second. Passwords and tokens stand here as hashes; nobody else may read it (0600).\n"
)


class AccessFault(Exception):
    """What can't be done with users or their passwords, and the remedy."""

    def __init__(self, text: str, key: str = "") -> None:
        """`key`: of the same in the texts of the pages for signing in."""
        self.key = key
        super().__init__(text)


class Role(StrEnum):
    """From the one that may least to the one that may most; each may what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ENGINEER = "engineer"
    ADMINISTRATOR = "administrator"

    @property
    def rank(self) -> int:
        """0: may least."""
        return list(Role).index(self)


def _hash(form: re.Pattern[str], what: str, verb: str) -> AfterValidator:
    """The fault does not repeat what stands there: it may be the secret itself."""

    def check(text: str) -> str:
        if not form.fullmatch(text):
            context = {"what": f"is no {what}", "remedy": f"syms users {verb} writes it"}
            raise PydanticCustomError("syms", "{what}; {remedy}", context)
        return text

    return AfterValidator(check)


Language = Literal["en", "zh"]
"""Of the console's pages."""


class Token(BaseModel):
    """What a script shows in the place of a password."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hash: Annotated[str, _hash(SHA256, "SHA-256 of a token", "token")]
    """SHA-256 of the token: 64 hexadecimal digits, as `syms users token` writes them."""
    expires: AwareDatetime
    """When it ends, as 2027-01-01T00:00:00Z."""


class Entry(BaseModel):
    """A user as the file has him."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Role
    """viewer, operator, engineer or administrator."""
    password: Annotated[str, _hash(ARGON2, "argon2id hash", "passwd")] | None = None
    """argon2id hash, as `syms users passwd` writes it; without one he can't sign in (scripts have tokens)."""
    regions: list[str] | None = Field(None, min_length=1)
    """Regions of the site that he may see, at least one; all if this is left out."""
    disabled: bool = False
    """Whether he is kept out."""
    language: Language | None = None
    """Language of his pages; that of his browser if this is left out."""
    tokens: dict[str, Token] = {}
    """Name of a token -> token."""


class User(Entry):
    """A user and his name."""

    name: str

    @property
    def administers(self) -> bool:
        """Whether he can sign in as an administrator."""
        return self.role is Role.ADMINISTRATOR and not self.disabled and self.password is not None

    @property
    def seen(self) -> str:
        """The regions that he may see, for people."""
        return "all" if self.regions is None else ", ".join(self.regions)

    def with_(self, **changes: Any) -> User:
        """The same user, but for some settings."""
        return self.model_copy(update=changes)


Users = Mapping[str, User]
"""By name."""


class _Dumper(yaml.SafeDumper):
    """Quotes what some reader of YAML might take for a number or a time."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if text[:1] in "0123456789+-." else None)


_Dumper.add_representer(str, _text)


def written(users: Users) -> str:
    """The text of the file."""
    entries = {
        name: user.model_dump(mode="json", exclude={"name"}, exclude_defaults=True)
        for name, user in sorted(users.items())
    }
    return HEADING + yaml.dump({"users": entries}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
