"""What an output shall be: trip OR lease, and without a lease its own safe value.

    lease alive          -> on when the lease or anything local demands it
    lease ended, holding -> charger inhibit and buzzer stay as they were for HOLD_MS: a restart is no alarm
    lease ended          -> the output's safe value, or on when anything local demands it

Local demands (the trip, a failed fan's standby, an unexplained start) only ever add: no argument of :func:`wanted` but
``lease`` can turn an output off, and the lease only when nothing local demands. Pure: no clock, no I/O.
"""

from dataclasses import dataclass
from typing import assert_never

from services.actuator.leases import LeaseState, is_alive
from shared.domain.plan import OutputKind, OutputPlan

HOLD_MS = 300_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """The value to hold the output at, and who says so: ``lease``, ``hold``, ``safe`` and the local causes."""

    on: bool
    by: tuple[str, ...]


def hold_ms(kind: OutputKind) -> int:
    """How long an output stays as it was when its lease ends."""
    match kind:
        case OutputKind.CHARGER_INHIBIT | OutputKind.BUZZER:
            return HOLD_MS
        case OutputKind.FAN | OutputKind.OTHER:
            return 0
        case _:
            assert_never(kind)


def wanted(
    plan: OutputPlan, lease: LeaseState, local: tuple[str, ...], *, held_on: bool, held_from_ms: int, now_ms: int
) -> Wanted:
    """The value of one output now.

    ``local`` names every local cause that demands it; ``held_on`` is the last value asked of it under a lease (at
    start: the value its coil was found at) and ``held_from_ms`` the instant at which that lease ended (at start: the
    start).
    """
    if is_alive(lease, now_ms) and plan.id in lease.demands:
        base, by = lease.demands[plan.id], "lease"
    elif now_ms < held_from_ms + hold_ms(plan.kind):
        base, by = held_on, "hold"
    else:
        base, by = plan.safe_on, "safe"
    causes = ((by,) if base else ()) + local
    return Wanted(bool(causes), causes)
