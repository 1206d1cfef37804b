"""Reports, what the world did that cannot be derived: they feed report rows, outputs and the record of it all."""

from shared.domain import alarms, dues, outputs, rows
from shared.domain.conditions import FALSE, TRUE
from shared.domain.events import EventType
from shared.domain.inputs import Report, ReportKind
from shared.domain.settle import settle
from shared.domain.turn import Turn

QUIET = frozenset({ReportKind.WRITE, ReportKind.READ_BACK})
"""Their effect is told by the output's own events; a write is recorded only when it did not succeed."""
ID_CHARACTERS = 32
WRITTEN = frozenset({"", "ok"})
"""Details of a write that succeeded."""

DELIVERIES = {
    ReportKind.DELIVERY_SENT: EventType.DELIVERY_SENT,
    ReportKind.DELIVERY_FAILED: EventType.DELIVERY_FAILED,
    ReportKind.DELIVERY_RECEIPTED: EventType.DELIVERY_RECEIPTED,
}
"""What became of a message to a person; nobody is told of these events."""


def take(turn: Turn, report: Report) -> None:
    """Take one Report."""
    if report.kind in DELIVERIES:
        _deliver(turn, report)
        return
    state = turn.state
    bound = state.index.report_rows.get((report.kind, report.subject), ())
    is_pulse = report.on and report.pulse
    for row in bound:
        if is_pulse:
            if state.columns.cond[row] == TRUE:
                alarms.happen_again(turn, state.index.rows[row].alarm)
            rows.strike(turn, row)
        else:
            rows.observe(turn, row, TRUE if report.on else FALSE)
    if is_pulse:
        settle(turn)
        for row in bound:
            rows.observe(turn, row, FALSE)
    o = next((o for o, plan in enumerate(state.plan.outputs) if plan.id == report.subject), None)
    if report.kind == ReportKind.GUARD_STARTED:
        outputs.expect_renewal(turn)
    elif o is not None and report.kind == ReportKind.LOCAL_TRIP:
        outputs.local_trip(turn, o, on=report.on, cause=report.detail)
    elif o is not None and report.kind == ReportKind.READ_BACK:
        state.outputs[o].read_back = int(report.on)
    elif o is not None and report.kind == ReportKind.ARMED and report.on:
        dues.commissioned(turn, o, report.detail)
    elif o is not None and report.kind == ReportKind.OUTPUT_CONTESTED and report.on:
        turn.emit(EventType.OUTPUT_CONTESTED, report.subject, state="on", reason=report.detail)
    is_quiet = report.kind in QUIET and (report.kind != ReportKind.WRITE or report.detail in WRITTEN)
    if not bound and not is_quiet:
        turn.emit(
            EventType.REPORT_RECORDED,
            report.subject,
            rule=report.kind,
            state="on" if report.on else "off",
            reason=report.detail,
        )


def _deliver(turn: Turn, report: Report) -> None:
    """The detail is "message thread attempt words"; another form is kept as it is."""
    message, _, rest = report.detail.partition(" ")
    thread, _, rest = rest.partition(" ")
    attempt, _, words = rest.partition(" ")
    is_known = attempt.isdigit() and len(message) == len(thread) == ID_CHARACTERS
    said = f"message {message}, attempt {attempt}{': ' if words else ''}{words}"
    turn.emit(
        DELIVERIES[ReportKind(report.kind)],
        report.subject,
        thread if is_known else "",
        reason=said if is_known else report.detail,
        actor=report.subject.rpartition("/")[2],
    )
