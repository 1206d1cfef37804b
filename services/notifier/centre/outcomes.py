"""What became of messages, as the topic of deliveries has it. The Reports are those that a site's log would get.

Only deliveries go there; what else the notifier reports about itself (a channel that fails) is for the log of this
service. Promises: no text of a message, no address. A Report told again has the same id.
"""

from typing import Final

from services.notifier.reports import BoxReport
from shared.domain.inputs import ReportKind
from shared.wire.deliveries import Delivery, Outcome
from shared.wire.inputs import TEXT_MAX

SENDER: Final = "notifier"
_OUTCOMES = {
    ReportKind.DELIVERY_SENT: Outcome.SENT,
    ReportKind.DELIVERY_FAILED: Outcome.FAILED,
    ReportKind.DELIVERY_RECEIPTED: Outcome.RECEIPTED,
}


def delivery_of(site: str, report: BoxReport, at_ms: int) -> Delivery | None:
    """The record for a Report about a message (services.notifier.post.detail_of); None for any other."""
    outcome = _OUTCOMES.get(report.kind)
    words = report.detail.split(" ", 3)
    if outcome is None or len(words) < 3 or not words[2].isdecimal():
        return None
    channel, _, person = report.part.partition("/")
    reason = words[3] if len(words) > 3 else ""
    return Delivery(
        id=words[0],
        site=site,
        thread=words[1],
        channel=channel,
        person=person,
        outcome=outcome,
        attempt=int(words[2]),
        repeat="repeat" in reason.split(": "),
        reason=reason[:TEXT_MAX],
        at_ms=at_ms,
        sender=SENDER,
    )
