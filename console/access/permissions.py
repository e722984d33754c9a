"""Who may do what: one table, and nothing else decides."""

from __future__ import annotations

from typing import NamedTuple

from console.access.users import Role, User


class Permission(NamedTuple):
    """What an action needs."""

    least: Role
    whole: bool
    """Whether it concerns the whole station, so that who is bound to some regions may not do it."""
    what: str


ACTIONS = {
    "view": Permission(Role.VIEWER, False, "see pages, data and alarms of one's regions"),
    "processes": Permission(Role.VIEWER, True, "see the processes of the station: counters, alarms, `/metrics`"),
    "password": Permission(Role.VIEWER, False, "change one's own password"),
    "export": Permission(
        Role.OPERATOR, False, "take data and events home as files: exports, tables of trends, `format=csv` of the API"
    ),
    "acknowledge": Permission(Role.OPERATOR, False, "acknowledge an alarm"),
    "comment": Permission(Role.OPERATOR, False, "comment an alarm or event"),
    "shelve": Permission(Role.OPERATOR, False, "put an alarm aside for a while, and back"),
    "logs": Permission(Role.OPERATOR, True, "read the logs of processes"),
    "limits": Permission(Role.ENGINEER, False, "change limits that raise alarms"),
    "study": Permission(Role.ENGINEER, True, "have algorithms go over the archive"),
    "restart": Permission(Role.ENGINEER, True, "start, stop, restart processes"),
    "scale": Permission(Role.ENGINEER, True, "change how many processes a node has"),
    "swap": Permission(Role.ENGINEER, True, "have another algorithm judge"),
    "protect": Permission(Role.ENGINEER, True, "keep a span of the archive from being removed"),
    "config": Permission(Role.ADMINISTRATOR, True, "take up an edited pipeline or site file"),
    "backup": Permission(Role.ADMINISTRATOR, True, "back up, verify, remove old files"),
    "users": Permission(Role.ADMINISTRATOR, True, "add, change and remove users and tokens"),
    "audit": Permission(Role.ADMINISTRATOR, True, "read the audit log"),
}
"""Action -> what it needs."""


class Forbidden(Exception):
    """Somebody may not do what he asked for; the text may be shown to him."""


def may(user: User, action: str, region: str | None = None) -> bool:
    """Whether a user may do something to what is in a region.

    None: in any region at all (whether a page has the button). A device that is in no region is in "", which only who
    sees all regions sees. KeyError for an action that the table doesn't have.
    """
    permission = ACTIONS[action]
    if user.disabled or user.role.rank < permission.least.rank:
        return False
    return user.regions is None or (not permission.whole and (region is None or region in user.regions))


def demand(user: User, action: str, region: str | None = None) -> None:
    """Raises Forbidden."""
    if may(user, action, region):
        return
    least = ACTIONS[action].least
    if user.role.rank < least.rank:
        raise Forbidden(f"{user.name} is {user.role}; {action} needs {least}")
    raise Forbidden(f"{user.name} sees {', '.join(user.regions or [])} only; {action} is not for {region or 'that'}")
