"""What a site measures beside its frames and alarms: how long messages take, how its uplink stands."""

from collections.abc import Mapping
from datetime import UTC, datetime

from shared.devices.plan import UplinkPlan
from shared.runtime import metrics
from shared.runtime.metrics import Ages, Sample
from shared.runtime.uplink_stand import UplinkStand


def measured(uplink: UplinkPlan, stand: UplinkStand | None, ages: Mapping[str, Ages]) -> tuple[Sample, ...]:
    """Of the uplink only for a site that has one; an uplink that says nothing is not connected."""
    found = [Sample(metrics.DELIVERY_AGE, each, (channel,)) for channel, each in sorted(ages.items())]
    if not uplink.kafka:
        return tuple(found)
    found.append(Sample(metrics.UPLINK_CONNECTED, int(stand is not None and stand.connected_at_ms > 0)))
    if stand is not None:
        found += [
            Sample(metrics.UPLINK_EPOCH, stand.epoch),
            Sample(metrics.UPLINK_ACKNOWLEDGED, stand.acknowledged),
            Sample(metrics.UPLINK_BACKLOG, stand.backlog),
            Sample(metrics.UPLINK_BACKLOG_BYTES, stand.backlog_bytes),
            Sample(metrics.UPLINK_BACKLOG_AGE, stand.backlog_ms / 1000),
        ]
    return tuple(found)


def uplink_notes(uplink: UplinkPlan, stand: UplinkStand | None) -> tuple[str, ...]:
    """The same for people, on one line; nothing for a site that has no uplink.

    >>> uplink_notes(UplinkPlan(kafka="k:9092"), UplinkStand(0, 7, 30))
    ('uplink: NOT CONNECTED; epoch 7, the fleet has the log up to 30; to go up: nothing',)
    """
    if not uplink.kafka:
        return ()
    if stand is None:
        return ("uplink: NOT RUNNING: its process tells nothing",)
    since = datetime.fromtimestamp(stand.connected_at_ms / 1000, UTC).isoformat(timespec="seconds")
    link = f"connected since {since.replace('+00:00', 'Z')}" if stand.connected_at_ms else "NOT CONNECTED"
    waits = "nothing"
    if stand.backlog:
        size = -(-stand.backlog_bytes // 1024)
        waits = f"{stand.backlog} inputs, {size} KiB, the oldest {stand.backlog_ms / 1000:.1f} s old"
    return (
        f"uplink: {link}; epoch {stand.epoch}, the fleet has the log up to {stand.acknowledged}; to go up: {waits}",
    )
