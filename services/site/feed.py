"""What the MQTT publisher gets beside the views: the log's inputs, device states, its own positions.

Reads through one reader of its own; every call comes from the event loop's thread.
"""

from collections.abc import Callable, Sequence
from time import monotonic

from services.site.mqtt_publisher import DeviceItem
from services.site.service import Service
from shared.devices.plan import SitePlan
from shared.domain.units import NoData
from shared.log.port import InputRow, Reading

SILENT_PERIODS = 5
SILENT_S_MIN = 5.0
"""A device whose frames no longer come at all (guard is away) is told offline after so long."""


class SiteFeed:
    """Implements services.site.mqtt_publisher.Feed."""

    def __init__(self, service: Service, plan: Callable[[], SitePlan], reader: Callable[[], Reading | None]) -> None:
        self._service = service
        self._plan = plan
        self._reader = reader

    def devices(self) -> Sequence[DeviceItem]:
        heard, now = dict(self._service.counts.heard), monotonic()
        items = []
        for device in self._plan().decision.devices:
            last = heard.get(device.id)
            silent_s = max(SILENT_S_MIN, SILENT_PERIODS * device.every_ms / 1000)
            if last is None:
                reason, since = NoData.NEVER.label, 0
            elif now - last.at > silent_s:
                reason, since = NoData.STALE.label, last.since_at_ms
            else:
                reason, since = last.outcome.label, last.since_at_ms
            items.append(DeviceItem(device.id, device.rooms[0] if device.rooms else "", not reason, reason, since))
        return items

    def head_seq(self) -> int:
        return self._service.durable_seq

    async def inputs_after(self, site_seq: int, limit: int) -> Sequence[InputRow]:
        reader = self._reader()
        return list(reader.inputs(site_seq, limit)) if reader is not None else []

    def position(self, name: str) -> bytes | None:
        reader = self._reader()
        return reader.position(name) if reader is not None else None

    def keep_position(self, name: str, value: bytes) -> None:
        self._service.keep_position(name, value)
