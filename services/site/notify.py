"""The running site as the notifier sees it, and the notifier's life beside the MQTT publisher.

Everything read here is a value that the writer's thread has left. Nothing of the notifier is loaded before somebody is
to be told; when it ends by a fault it is begun anew: what it had planned stands in its ledger. Its Reports are in one
transaction with how far they go, under the position ``notifier``: the ledger's id and a number. Limit: a log that
cannot be read at a start says nothing of that, and a Report that a crash left in the ledger may come a second time.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from services.gateway.views import AlarmItem, CursorGone, Views
from services.notifier.feed import Gone, News, OpenAlarm
from services.notifier.reports import BoxReport, Reported
from services.notifier.routing import Setting
from services.processor.opening import NOTIFIER_POSITION
from services.site.guard_link import GuardState
from services.site.service import Service
from shared.devices.plan import SitePlan
from shared.domain.events import About, Event, EventType
from shared.domain.ids import SITE_ROOM
from shared.domain.inputs import Report, ReportKind
from shared.domain.plan import AlarmPlan
from shared.log.port import Cursor
from shared.runtime.clocks import Clock
from shared.runtime.logging import logger
from shared.runtime.notify_lease import Held, held
from shared.runtime.tracing import OFF, Spans
from shared.wire.inputs import report

if TYPE_CHECKING:
    from services.notifier.outside import Beating
    from services.notifier.post import Counter
    from services.notifier.service import Notifier
    from shared.runtime.metrics import Ages

AGAIN_S = 5.0
SHOWN_WAIT_S = 5.0
SHOWN_LOOK_S = 0.05
SILENT_S = 10.0
"""Writer and guard give a sign each second; after so long without one the site is not well."""
LOOK_S = 1.0
LEASE_LOOK_S = 0.25
LEASE_PART = "notify"
STANDING = "BCEF"
"""Process states in which an alarm is open for people who were never told of it."""

NO_EVENT = Event(
    type=EventType.ALARM_RAISED, id="", site="", room="", room_no=0, log_id="", site_seq=0, ordinal=0, tick_ms=0,
    at_ms=0, version="", subject="", occurrence="", rule="", severity="", state="", value="", unit="", limit="",
    quality="", reason="", actor="", until_ms=0,
)  # fmt: skip
"""An event of which nothing is known yet but that an alarm stands."""


class SiteNews:
    """Implements services.notifier.feed.Feed."""

    def __init__(
        self,
        service: Service,
        views: Views,
        plan: Callable[[], SitePlan],
        guard: Callable[[], GuardState],
        *,
        position: Callable[[str], bytes | None],
    ) -> None:
        """``position`` reads what the log has for good."""
        self._service = service
        self._views = views
        self._plan = plan
        self._guard = guard
        self._position = position
        self._known: tuple[SitePlan, Setting] | None = None
        self._leased = ""
        self._taken = ("", 0)
        """The last place that was handed to the writer."""

    def setting(self) -> Setting:
        plan = self._plan()
        if self._known is None or self._known[0] is not plan:
            self._known = (plan, setting_of(plan))
        return self._known[1]

    def events_after(self, cursor: Cursor | None, limit: int) -> tuple[News, ...] | Gone:
        found = self._views.events_after(cursor, limit)
        if isinstance(found, CursorGone):
            return Gone()
        return tuple(News(item.cursor, item.event, "undurable" in item.extra) for item in found)

    def pass_over(self, cursor: Cursor | None, wanted: Callable[[About], bool]) -> Cursor | None:
        return self._views.pass_over(cursor, wanted)

    async def wait_for_events(self, cursor: Cursor | None, timeout_s: float) -> bool:
        return await self._views.wait_for_events(cursor, timeout_s)

    def leased(self) -> str:
        """As the log was told last."""
        return self._leased

    @property
    def has_uplink(self) -> bool:
        return bool(self._plan().uplink.kafka)

    async def tell_lease(self, held: Held | None) -> None:
        """Who tells people from here on."""
        self._leased = held.holder if held is not None else ""
        detail = f"{held.holder} {held.epoch}" if held is not None else "the lease has ended"
        await self.tell(BoxReport(ReportKind.NOTIFY_LEASE, LEASE_PART, detail, on=held is not None))

    def is_behind(self) -> bool:
        """The log is read faster than it grows."""
        return False

    async def head(self) -> tuple[Cursor | None, tuple[OpenAlarm, ...]]:
        """What is shown may be a moment older than the last event: it is waited for."""
        cursor = self._views.head()
        end = monotonic() + SHOWN_WAIT_S
        while cursor is not None and self._service.shown.head_seq < cursor.site_seq and monotonic() < end:
            await asyncio.sleep(SHOWN_LOOK_S)
        shown = self._service.shown
        site = self._plan().decision.site
        return cursor, tuple(
            open_alarm(item, site, shown.tick_ms) for item in shown.alarms if item.occurrence and item.state in STANDING
        )

    def tick_ms(self) -> int:
        return self._service.shown.tick_ms

    def alive(self) -> bool:
        guard, now = self._guard(), monotonic()
        is_heard = guard.connected and now - guard.heard_at < SILENT_S
        return is_heard and now - self._service.counts.alive_at < SILENT_S

    async def report(self, ledger: str, number: int, reports: Sequence[BoxReport]) -> None:
        """In a thread: a writer that is stuck in the disk does not hold up who asks, but for what follows."""
        bodies, place = [self._body(one) for one in reports], json.dumps([ledger, number]).encode()
        self._taken = (ledger, number)
        done = await asyncio.to_thread(self._service.record, bodies, NOTIFIER_POSITION, place)
        await asyncio.shield(asyncio.wrap_future(done))

    async def reported(self, ledger: str) -> Reported:
        stored = self._position(NOTIFIER_POSITION)
        known, number = json.loads(stored) if stored else ("", 0)
        kept = number if known == ledger else 0
        return Reported(max(kept, self._taken[1] if self._taken[0] == ledger else 0), kept)

    async def tell(self, said: BoxReport) -> None:
        await asyncio.to_thread(self._service.report, said.kind, said.part, said.detail, on=said.on, pulse=said.pulse)

    def _body(self, said: BoxReport) -> Report:
        subject = f"{self._plan().decision.site}/{SITE_ROOM}/{said.part}"
        return report(said.kind, subject, on=said.on, pulse=said.pulse, detail=said.detail)


def stamp(ms: int) -> str:
    """RFC 3339."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def setting_of(plan: SitePlan) -> Setting:
    """What the notifier decides by."""
    return Setting(
        plan=plan.notify,
        zone=ZoneInfo(plan.time_zone),
        site=plan.decision.site,
        name=plan.name,
        language=plan.language,
        rooms={room.id: room.name for room in plan.decision.rooms if room.name},
    )


def open_alarm(item: AlarmItem, site: str, tick_ms: int) -> OpenAlarm:
    """An alarm that stands, as the event that would have told of it; its id is the occurrence's."""
    event = NO_EVENT._replace(
        id=item.occurrence,
        site=site,
        room=item.id.split("/")[1],
        tick_ms=tick_ms,
        at_ms=item.since_at_ms,
        subject=item.id,
        occurrence=item.occurrence,
        rule=item.rule,
        severity=item.severity,
        state=item.state,
        value=item.value,
        unit=item.unit,
    )
    hidden = "" if item.override == "none" or item.severity == "critical" else item.override
    return OpenAlarm(event, hidden)


def as_raised(site: str, room: str, alarm: AlarmPlan, at_ms: int) -> Event:
    """An alarm of the plan as if it were raised now."""
    return NO_EVENT._replace(
        site=site, room=room, at_ms=at_ms, subject=alarm.id, rule=alarm.rule, severity=alarm.severity.label, state="B"
    )


class Telling:
    """The notifier and the heartbeat for as long as the site shows itself."""

    def __init__(self, feed: SiteNews, folder: Path, clock: Clock, spans: Spans = OFF) -> None:
        self._feed = feed
        self._spans = spans
        self._folder = folder
        self._clock = clock
        self._counts: Counter | None = None
        self._notifier: Notifier | None = None
        self._beating: Beating | None = None

    def notes(self) -> tuple[str, ...]:
        """The last outcome of each channel since the start, and of the heartbeat, a line each."""
        last = self._counts.last if self._counts is not None else {}
        lines = []
        for name in self._feed.setting().plan.channels:
            said = last.get(name)
            what = "nothing sent since the start" if said is None else f"{said.state} {stamp(said.at_ms)} {said.person}"
            lines.append(f"messages by {name}: {what}{': ' if said and said.why else ''}{said.why if said else ''}")
        if (beating := self._beating) is not None:
            since = f" since {stamp(beating.since_ms)}" if beating.since_ms else ""
            state = f"NOT ARRIVING{since}: {beating.why}" if beating.why else f"arrives{since}"
            lines.append(f"heartbeat: {state}")
        return tuple(lines)

    def _heard(self, beating: "Beating | None") -> None:
        self._beating = beating

    def attempts(self) -> Mapping[tuple[str, str], int]:
        """By channel and result; empty before somebody is to be told."""
        return dict(self._counts.attempts) if self._counts is not None else {}

    def ages(self) -> "Mapping[str, Ages]":
        """By channel, how long messages took from the frame."""
        return dict(self._counts.ages) if self._counts is not None else {}

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop``."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._again(self._notify, stop), name="notifier")
            group.create_task(self._again(self._beat, stop), name="heartbeat")
            group.create_task(self._again(self._lease, stop), name="notify lease")

    async def _again(self, part: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await part(stop)
            except Exception as fault:
                logger(part="notifier").error("notifier_failed", fault=repr(fault))
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S):
                    await stop.wait()

    async def _notify(self, stop: asyncio.Event) -> None:
        while not self._feed.setting().plan.routes:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await stop.wait()
            if stop.is_set():
                return
        from services.notifier.on_disk import LedgerOnDisk
        from services.notifier.outside import make_channels
        from services.notifier.post import Counter
        from services.notifier.service import Notifier

        feed, clock = self._feed, self._clock
        notifier = Notifier(
            feed,
            LedgerOnDisk(self._folder),
            clock,
            lambda _: make_channels(feed.setting(), clock),
            counts=Counter(spans=self._spans),
        )
        self._counts, self._notifier = notifier.post.counts, notifier
        await notifier.run(stop)

    async def _lease(self, stop: asyncio.Event) -> None:
        """Have the log say who tells people: the centre while it holds the lease, else the site. What the notifier has
        read in the log counts, so that a lease of before a crash ends as well."""
        told: str | None = None
        while not stop.is_set():
            now = held(self._folder, self._clock)
            holder = now.holder if now is not None else ""
            known = self._notifier.picture.misc.leased if self._notifier is not None else told or ""
            pause_s = LEASE_LOOK_S
            if holder != known or (told is None and self._feed.has_uplink):
                told = holder
                await self._feed.tell_lease(now)
                pause_s = LOOK_S
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await stop.wait()

    async def _beat(self, stop: asyncio.Event) -> None:
        from services.notifier.outside import beat

        await beat(self._feed, self._clock, stop, self._heard)
