"""Who may do what: the roles, as a table.

    viewer     reads everything of its sites
    operator   and acknowledges, resets, silences, shelves, unshelves, asks for a test; at the centre holds outputs on
    engineer   does everything

The machine token of the data folder is an engineer. Reading is every GET of the interface.
"""

from enum import StrEnum

from shared.domain.inputs import What


class Role(StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    ENGINEER = "engineer"


OPERATOR_MAY = frozenset({What.ACK, What.RESET, What.SILENCE, What.SHELVE, What.UNSHELVE, What.TEST, What.HOLD_ON})

ROLES_ALLOWED = ", ".join(Role)


def allowed(role: Role) -> tuple[str, ...]:
    """The acts of a role, in the order of the core's list."""
    match role:
        case Role.VIEWER:
            return ()
        case Role.OPERATOR:
            return tuple(act.value for act in What if act in OPERATOR_MAY)
        case Role.ENGINEER:
            return tuple(act.value for act in What)


def needed(what: What) -> Role:
    """The least role that may do this."""
    return Role.OPERATOR if what in OPERATOR_MAY else Role.ENGINEER
