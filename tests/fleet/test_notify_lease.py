"""The notify lease down to a real site: an order on Kafka, the uplink's process, a Report in the site's log."""

import time
from pathlib import Path

from shared.domain.inputs import Report, ReportKind
from shared.wire.inputs import decode_input
from shared.wire.orders import NotifyLease
from tests.e2e.foreign import wait_for
from tests.fleet.joined import SITE, Fleet, joined, recorded
from tests.testkit.fleet import KafkaBroker


def lease(number: int, for_ms: int) -> NotifyLease:
    return NotifyLease(
        id=f"lease{number}", site=SITE, sent_at_ms=int(time.time() * 1000), ttl_ms=60_000, holder="notifier", epoch=1,
        number=number, for_ms=for_ms,
    )  # fmt: skip


def reports(log: list[bytes]) -> list[tuple[bool, str]]:
    """(on, detail) of each Report of the lease."""
    bodies = (decode_input(data).body for data in log)
    return [(body.on, body.detail) for body in bodies
            if isinstance(body, Report) and body.kind == ReportKind.NOTIFY_LEASE]  # fmt: skip


def test_a_site_records_who_tells_people(tmp_path: Path, kafka: KafkaBroker) -> None:
    """The centre for as long as it renews the lease, then itself again: one Report at each change, and none for a
    holder that was told off by a higher number."""
    fleet = Fleet(kafka.bootstrap)
    fleet.make()
    with joined(tmp_path, fleet) as (_, site):
        fleet.order(lease(1, 6_000))
        fleet.order(lease(2, 8_000))
        fleet.order(lease(1, 60_000))
        wait_for("the lease in the log", lambda: (True, "notifier 1") in reports(recorded(site)))
        wait_for("its end", lambda: reports(recorded(site))[-1][0] is False, seconds=60)
        assert [on for on, _ in reports(recorded(site))][-2:] == [True, False]
        assert [detail for on, detail in reports(recorded(site)) if on] == ["notifier 1"]
