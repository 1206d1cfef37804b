"""The gateway's port over a fleet: everything that its sites tell by Kafka, as one interface.

What a site shows of itself (points, alarms, outputs) is what it last told by the live lane; services.gateway.centre
.picture says for how long that is believed. The centre decides nothing here and switches nothing.
"""

from collections.abc import Callable
from importlib.metadata import version

from services.gateway.centre.follower import Follower
from services.gateway.centre.older import Older
from services.gateway.centre.orders import Orders
from services.gateway.centre.picture import Picture
from services.gateway.centre.stands import Stand, StandText
from services.gateway.centre.stock import Stock
from services.gateway.views import (
    AlarmItem,
    Check,
    CommandAnswer,
    CursorGone,
    EventItem,
    IdReused,
    OutputItem,
    PointItem,
    Readiness,
    SiteItem,
    SiteStatus,
    Upkeep,
)
from shared.domain.events import About
from shared.domain.inputs import Command
from shared.runtime.metrics import MetricValues

BEHIND_MAX = 10_000
"""Records: some seconds of a busy fleet. Who starts begins to answer when it has what was there."""
FLEET = "_fleet"
"""The pseudo-site of the fleet itself."""


class FleetViews:
    """Implements services.gateway.views.GatewayViews. ``wall_ms`` is this machine's clock."""

    def __init__(
        self,
        follower: Follower,
        older: Older,
        picture: Picture,
        orders: Orders,
        texts: StandText,
        wall_ms: Callable[[], int],
        stock: Stock,
    ) -> None:
        self._follower = follower
        self._older = older
        self._picture = picture
        self._orders = orders
        self._texts = texts
        self._wall_ms = wall_ms
        self._stock = stock

    def sites(self) -> frozenset[str]:
        return self._picture.sites()

    def site_items(self) -> tuple[SiteItem, ...]:
        return self._picture.site_items()

    def alarms(self) -> tuple[tuple[AlarmItem, ...], int]:
        return self._picture.alarms(self._orders.pending()), self._wall_ms()

    def points(self) -> tuple[PointItem, ...]:
        return self._picture.points()

    def outputs(self) -> tuple[OutputItem, ...]:
        return self._picture.outputs(self._orders.pending())

    def status(self) -> SiteStatus:
        every = self._picture.site_items()
        items = [item for item in every if item.id != FLEET]
        silent = [item.id for item in items if item.is_silent]
        is_alone = any(item.is_silent for item in every if item.id == FLEET)
        told = f"{len(items)} sites, {len(silent)} silent{': ' if silent else ''}{', '.join(silent[:20])}"
        return SiteStatus(
            site=FLEET,
            name="Fleet",
            version=version("ampward"),
            decision="",
            log_id="",
            head_seq=self._follower.tail.number,
            undurable=False,
            demo=False,
            notes=(told, "nothing is heard of the fleet's supervision") if is_alone else (told,),
        )

    def readiness(self) -> Readiness:
        """Whether this replica has what Kafka has; a silent site is an alarm and no reason to take it out."""
        why, behind = self._follower.trouble(), sum(self._follower.standing.behind.values())
        late = f"{behind} records of Kafka are not read yet" if behind > BEHIND_MAX else ""
        checks = {"kafka": Check(not why, why), "caught_up": Check(not late, late)}
        return Readiness(ready=not why and not late, armed=False, checks=checks)

    def metrics(self) -> MetricValues:
        active: dict[str, int] = {}
        for item in self._picture.alarms({}):
            if item.state in ("B", "C", "E", "F"):
                active[item.severity] = active.get(item.severity, 0) + 1
        return MetricValues(alarms_active=active, log_head_sequence=self._follower.tail.number)

    def head(self) -> Stand:
        return self._follower.tail.head()

    def cursor_text(self, cursor: Stand) -> str:
        return self._texts.encode(cursor)

    def read_cursor(self, text: str) -> Stand | None:
        return self._texts.decode(text)

    async def read_events(self, cursor: Stand | None, limit: int) -> tuple[EventItem, ...] | CursorGone:
        tail = self._follower.tail
        stand = cursor or tail.beginning()
        while True:
            here = tail.enter(stand)
            if here is not None:
                return tail.after(here, limit)
            found = await self._older.read(stand, tail.begin_blocks, limit)
            if not isinstance(found, Stand):
                return found
            stand = found

    def pass_over(self, cursor: Stand | None, wanted: Callable[[About], bool]) -> Stand | None:
        return None if cursor is None else self._follower.tail.pass_over(cursor, wanted)

    async def wait_for_events(self, cursor: Stand | None, timeout_s: float) -> bool:
        tail = self._follower.tail
        return await tail.wait(cursor or tail.beginning(), timeout_s)

    async def submit(self, command: Command) -> CommandAnswer | IdReused:
        return await self._orders.submit(command)

    def command_state(self, command_id: str) -> CommandAnswer | None:
        return self._orders.state(command_id)

    async def upkeep(self) -> Upkeep | None:
        return await self._stock.upkeep()
