"""Leases: what the site process demands of the outputs, believed for five seconds and not longer.

A lease names outputs and says on or off for each. It carries a number that must rise: a process that was stopped and
woke up again (a zombie) speaks with a number already seen, or with a stamp older than its time to live, and is refused
either way. Nothing here reads a clock; ``now_ms`` and ``sent_ms`` are the monotonic clock that all processes of one box
share, so a lease that waited in a socket is not worth more for it.

Promises: at ``end_ms`` every demand of the lease is gone; a refused lease changes nothing. Limits: a time to live above
LEASE_MS_MAX is cut to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shared.domain.ids import OutputId

LEASE_MS_MAX = 5_000
NEVER_MS = -(1 << 60)


class Verdict(StrEnum):
    """What became of an offered lease; each is a reason that the sender is told."""

    TAKEN = "taken"
    NOT_ABOVE = "not-above"
    """Its number is not above the last one seen: a repeat or a zombie."""
    LATE = "late"
    """It was over before it arrived."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One lease as it was sent. ``sent_ms`` below zero: not stamped, it counts from receipt."""

    number: int
    ttl_ms: int
    demands: Mapping[OutputId, bool]
    sent_ms: int = -1


@dataclass(frozen=True, slots=True)
class LeaseState:
    """The last lease taken, and until when it is believed. Begin with ``LeaseState()``."""

    number: int = 0
    end_ms: int = NEVER_MS
    demands: Mapping[OutputId, bool] = field(default_factory=dict)


def offer(state: LeaseState, lease: Lease, outputs: frozenset[OutputId], now_ms: int) -> tuple[LeaseState, Verdict]:
    """Take or refuse a lease. ``outputs`` are those that exist here: a demand on any other name is no opinion."""
    if lease.number <= state.number:
        return state, Verdict.NOT_ABOVE
    begin_ms = min(lease.sent_ms, now_ms) if lease.sent_ms >= 0 else now_ms
    end_ms = begin_ms + min(lease.ttl_ms, LEASE_MS_MAX)
    if end_ms <= now_ms:
        return state, Verdict.LATE
    demands = {output: on for output, on in lease.demands.items() if output in outputs}
    return LeaseState(lease.number, end_ms, demands), Verdict.TAKEN


def is_alive(state: LeaseState, now_ms: int) -> bool:
    return now_ms < state.end_ms
