"""What a site measures beside its frames and alarms: how long messages take, how its uplink stands."""

from collections.abc import Mapping

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
