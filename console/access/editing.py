"""What an administrator asks for a user: checked, then written among the others."""

from __future__ import annotations

from dataclasses import dataclass

from console.access.users import NAME, AccessFault, Role, User


@dataclass(frozen=True)
class Wish:
    """How a user is to be."""

    name: str
    role: Role
    regions: tuple[str, ...] = ()
    """None: all."""
    disabled: bool = False
    password: str | None = None
    """Hash of a new one; None: it stays as it is."""

    def told(self) -> str:
        """For the audit log."""
        words = [f"{self.role}, regions {', '.join(self.regions) or 'all'}"]
        words += ["disabled"] * self.disabled + ["new password"] * (self.password is not None)
        return ", ".join(words)


def add(users: dict[str, User], wish: Wish) -> None:
    """One more. Raises AccessFault."""
    if not NAME.fullmatch(wish.name):
        raise AccessFault("a name has letters, digits and . _ @ -, at most 64 of them", "bad_name")
    if any(wish.name.casefold() == other.casefold() for other in users):
        raise AccessFault(f"{wish.name} is there already", "name_taken")
    if wish.password is None:
        raise AccessFault("a new user needs a password", "no_password")
    users[wish.name] = _with(User(name=wish.name, role=wish.role), wish)


def change(users: dict[str, User], wish: Wish) -> None:
    """One who is there. Raises AccessFault."""
    users[wish.name] = _with(_of(users, wish.name), wish)


def remove(users: dict[str, User], name: str) -> None:
    """Raises AccessFault."""
    _of(users, name)
    del users[name]


def _of(users: dict[str, User], name: str) -> User:
    if name not in users:
        raise AccessFault(f"{name} was removed meanwhile", "gone_meanwhile")
    return users[name]


def _with(user: User, wish: Wish) -> User:
    password = user.password if wish.password is None else wish.password
    return user.with_(
        role=wish.role, regions=list(wish.regions) or None, disabled=wish.disabled, password=password
    )  # fmt: skip
