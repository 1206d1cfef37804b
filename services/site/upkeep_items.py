"""What is built in and what is due in the rooms: for HTTP while the site runs, and for commands on its log."""

from collections.abc import Mapping

from services.gateway.views import DueItem, PartItem, Upkeep
from shared.domain.state import RoomState
from shared.domain.upkeep_plan import DueKind
from shared.domain.upkeep_views import DueView, PartView, dues, parts


def upkeep(states: Mapping[str, RoomState], log_at_ms: int, now_ms: int) -> Upkeep:
    """``log_at_ms`` is the wall clock's stamp of the newest record: times to come count from there."""
    rooms = [state for room, state in states.items() if not room.startswith("_")]
    due = [_due(view, log_at_ms, now_ms) for state in rooms for view in dues(state)]
    due.sort(key=lambda item: (item.due_at_ms, item.subject))
    known = {(item.kind, item.subject): item for item in due}
    return Upkeep(
        parts=tuple(
            _part(view, *_of_part(state, view.id, known), log_at_ms) for state in rooms for view in parts(state)
        ),
        dues=tuple(due),
    )


def _of_part(
    state: RoomState, part: str, known: Mapping[tuple[str, str], DueItem]
) -> tuple[list[DueItem], list[DueItem]]:
    """Its calibration, and the proof tests of the outputs that it holds."""
    plan = state.plan
    held = [output.id for output in plan.outputs if f"{plan.site}/{plan.id}/{output.device}" == part]
    wanted = ([(DueKind.CALIBRATION, part)], [(DueKind.PROOF_TEST, output) for output in held])
    calibrations, tests = ([known[key] for key in keys if key in known] for keys in wanted)
    return calibrations, tests


def _part(view: PartView, calibrations: list[DueItem], tests: list[DueItem], log_at_ms: int) -> PartItem:
    return PartItem(
        part=view.id,
        kind=view.kind,
        type=view.type,
        serial=view.serial,
        made=view.made,
        installed=view.installed,
        position=view.position,
        replaced_at_ms=view.replaced_at_ms,
        replaced_by=view.replaced_by,
        reason=view.reason,
        times=view.times,
        baseline_mohm=view.baseline,
        baseline_at_ms=view.baseline_at_ms,
        measuring=view.measuring,
        site_file_serial=view.planned_serial,
        calibrated_at_ms=min((item.done_at_ms for item in calibrations), default=0),
        tested_at_ms=min((item.done_at_ms for item in tests), default=0),
        due_at_ms=min((item.due_at_ms for item in (*calibrations, *tests)), default=0),
        as_of_ms=log_at_ms,
    )


def _due(view: DueView, log_at_ms: int, now_ms: int) -> DueItem:
    due_at_ms = log_at_ms + view.left_ms
    return DueItem(
        kind=view.kind,
        subject=view.subject,
        alarm=view.alarm,
        due_at_ms=due_at_ms,
        left_ms=due_at_ms - now_ms,
        done_at_ms=view.done_at_ms,
        by=view.by,
        every_ms=view.every_ms,
        as_of_ms=log_at_ms,
    )
