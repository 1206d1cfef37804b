"""Proof of effect: does the air move when the fan is asked for? And which fan takes over when it does not. Pure.

    off --wanted on--> waiting --coil on and air moving--> proven --coil off or no air--> failed
                       waiting --run-up over-------------> failed --coil on and air moving--> proven
    any --wanted off--> off

guard itself alarms nothing here (the core does, from frames): it only switches the standby fan, at once, with or
without a site process. A standby stays on until the fan before it is no longer wanted, so that a fan that comes and
goes does not make both chatter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.domain.ids import OutputId
from shared.domain.plan import NONE, OutputKind, OutputPlan

NEVER_MS = -(1 << 60)


class Proof(StrEnum):
    OFF = "off"
    WAITING = "waiting"
    PROVEN = "proven"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ProofState:
    """Begin with ``ProofState()``."""

    proof: Proof = Proof.OFF
    since_ms: int = NEVER_MS
    """Since when the output is wanted on."""
    has_failed: bool = False
    """It failed since it was wanted: the standby stays."""


def prove(
    plan: OutputPlan, state: ProofState, *, wanted: bool, coil: bool | None, airflow: bool | None, now_ms: int
) -> ProofState:
    """``coil`` and ``airflow``: None when not known; without an airflow contact the coil is all the proof there is."""
    if not wanted:
        return ProofState()
    since_ms = now_ms if state.since_ms == NEVER_MS else state.since_ms
    moves = coil is True and (plan.airflow == NONE or airflow is True)
    if moves:
        proof = Proof.PROVEN
    elif now_ms - since_ms >= plan.run_up_ms:
        proof = Proof.FAILED
    else:
        proof = Proof.WAITING
    return ProofState(proof, since_ms, state.has_failed or proof is Proof.FAILED)


def standby_demands(fans: Sequence[OutputPlan], states: Mapping[OutputId, ProofState]) -> frozenset[OutputId]:
    """The standby fans that must run: the n-th of them when n fans before it in the table have failed."""
    demanded: set[OutputId] = set()
    failed = standbys = 0
    for fan in fans:
        if fan.kind is not OutputKind.FAN:
            continue
        if fan.standby:
            standbys += 1
            if failed >= standbys:
                demanded.add(fan.id)
        failed += states[fan.id].has_failed
    return frozenset(demanded)
