"""The notifier as it runs beside the site: reads the event log, decides, keeps the ledger, hands over to the post.

    events --> pipeline --> ledger (cursor, picture, messages in one transaction) --> post --> channels
                              ^                                                        |
                              +---- what became of a message, and Reports of it <------+
                              +--> log: the Reports, each once

Promises: what is planned is committed before anything is sent; the site is never waited for and never made to wait. How
long a commit is waited for is the ledger's affair (services.notifier.on_disk, services.notifier.centre.ledger). Without
a ledger it begins at the log's head with one summary of what is open; a log that is younger than ten minutes and knows
of no delivery is read from its beginning. Sends nothing while no channel is configured. An alarm that no route leads
from leaves no trace here, so that a flood of warnings costs nothing where people want what is graver; when a reload or
a start brings a route for it, it is found among the open ones.
Limits: 200 events a turn, one look a second when nothing comes.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from services.notifier import lease, notices, pipeline
from services.notifier.ahead import NOTHING_AHEAD, Ahead
from services.notifier.feed import Feed, Gone, News, OpenAlarm
from services.notifier.ledger_port import Change, DeliveryLedger, Stand
from services.notifier.loans import Loans
from services.notifier.moments import Moment
from services.notifier.outbox import Outbox
from services.notifier.picture import Picture
from services.notifier.pipeline import LATE_MS
from services.notifier.ports import Channel
from services.notifier.post import Counter, Post
from services.notifier.reports import BoxReport
from services.notifier.restored import take_over
from services.notifier.routing import Setting, matches
from services.notifier.turn import Turn
from shared.domain.errors import AmpwardError
from shared.domain.events import About, Event
from shared.domain.inputs import ReportKind
from shared.domain.notify_plan import NotifyPlan
from shared.log.port import Cursor
from shared.log.steps import Step, no_step
from shared.runtime.clocks import Clock
from shared.runtime.logging import logger

BATCH = 200
YOUNG_BATCHES = 50
"""A log with more events is not young."""
LOOK_S = 1.0
CURSOR_MS = 10_000
"""A place that moved by nothing that is told is written so often."""
TIDY_MS = 3_600_000
AWAY_MS_MAX = 7 * 86_400_000
"""A longer time off counts as so long: timers go on from there."""
DRAIN_S = 3.0

MakeChannels = Callable[[NotifyPlan], Mapping[str, Channel]]


class Notifier:
    """One site's notifier. Implements services.notifier.post.Desk."""

    def __init__(
        self,
        feed: Feed,
        ledger: DeliveryLedger,
        clock: Clock,
        make_channels: MakeChannels,
        *,
        step: Step = no_step,
        sender: str = lease.SITE,
        counts: Counter | None = None,
        ahead: Ahead = NOTHING_AHEAD,
    ) -> None:
        """``sender`` is who sends here, as the notify lease names it; ``counts`` may be shared with others."""
        self._feed = feed
        self._clock = clock
        self._make_channels = make_channels
        self._step = step
        self._ledger = ledger
        self._picture = Picture()
        self._setting = feed.setting()
        self._wanted: dict[tuple[str, str, str], bool] = {}
        """Whether a route leads from a room's alarms of a rule and a severity."""
        self._is_unsure = True
        """Alarms may be open that no route led from when they were raised, and one does now."""
        self._channels: Mapping[str, Channel] = {}
        self._post = Post(self, step=step, counts=counts)
        self._sender = sender
        self._ahead = ahead
        self._loans = Loans(sender)
        self._stand = Stand()
        self._steady_from = (0, 0)
        self._written_ms = self._tidied_ms = 0
        self._trouble = ""
        self._lost: AmpwardError | None = None
        """Why the ledger may be written no more."""
        self._outbox = Outbox(feed, step=step)
        self._forgotten = 0
        """Reports up to this one are forgotten by the ledger."""
        self._log = logger(part="notifier")

    # What the post asks for

    @property
    def picture(self) -> Picture:
        return self._picture

    @property
    def post(self) -> Post:
        return self._post

    def setting(self) -> Setting:
        return self._setting

    def steady_ms(self) -> int:
        begun, monotonic = self._steady_from
        return begun + self._clock.monotonic_ms() - monotonic

    def wall_ms(self) -> int:
        return self._clock.wall_ms()

    async def commit(self, change: Change, reports: Sequence[BoxReport] = ()) -> None:
        """Into the ledger. Raises what keeps anything from being sent: then :meth:`run` ends with it too."""
        change.reports = given = self._outbox.number(reports)
        change.forgotten = self._forgotten = self._outbox.kept
        try:
            await self._ledger.commit(change)
        except AmpwardError as fault:
            self._lost = fault
            raise
        self._outbox.written(given)
        await self._tell_trouble()

    # Running

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop`` is set; what is under way then is waited for a short time."""
        try:
            await self._begin()
        except BaseException:
            await self._ledger.close()
            raise
        posting = asyncio.create_task(self._post.run(), name="notifier-post")
        reporting = asyncio.create_task(self._outbox.run(), name="notifier-reports")
        try:
            while not stop.is_set():
                for task in (posting, reporting):
                    if task.done():
                        task.result()
                if self._lost is not None:
                    raise self._lost
                more = await self.look()
                if not more:
                    await self._wait(stop)
            await self._post.drain(DRAIN_S)
        finally:
            posting.cancel()
            self._outbox.end()
            await asyncio.wait([reporting], timeout=DRAIN_S)
            reporting.cancel()
            await asyncio.gather(posting, reporting, return_exceptions=True)
            await self._end()

    async def _end(self) -> None:
        try:
            for channel in self._channels.values():
                await channel.close()
            if self._lost is None:
                stand = self._stand_now(self._stand.cursor, self._stand.durable)
                await self._ledger.commit(Change(stand, self._picture.take_changed(), forgotten=self._outbox.kept))
        finally:
            await self._ledger.close()

    async def _wait(self, stop: asyncio.Event) -> None:
        waits = {
            asyncio.create_task(self._feed.wait_for_events(self._stand.cursor, LOOK_S)),
            asyncio.create_task(stop.wait()),
        }
        try:
            await asyncio.wait(waits, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    # The beginning

    async def _begin(self) -> None:
        found = await self._ledger.open()
        try:
            self._picture = Picture.restore(found.records)
        except ValueError as fault:
            self._log.error("ledger_records_unreadable", fault=str(fault))
            found = replace(found, stand=None, records={}, set_aside="records that this program cannot read")
        await self._outbox.begin(found)
        away = max(0, min(self.wall_ms() - found.stand.wall_ms, AWAY_MS_MAX)) if found.stand else 0
        self._steady_from = ((found.stand.steady_ms if found.stand else 0) + away, self._clock.monotonic_ms())
        self._use(self._feed.setting())
        self._loans.begin(row for row in found.rows if row.state == "lent")
        self._post.put(row for row in found.rows if row.state != "lent")
        await self._tell_set_aside(found.set_aside)
        await self._tell_trouble()
        if self._picture.restored:
            await self._begin_restored()
        elif found.stand is None:
            await self._begin_without_ledger(was_lost=bool(found.set_aside))
        else:
            self._stand = found.stand

    async def _begin_without_ledger(self, *, was_lost: bool) -> None:
        """There is no place to go on from: the log's beginning when it is young and nobody was told yet, else its
        head."""
        if was_lost or not self._is_untold():
            await self._reconcile()

    def _is_untold(self) -> bool:
        """Whether the log has begun a short time ago and knows of no delivery."""
        cursor: Cursor | None = None
        for _ in range(YOUNG_BATCHES):
            news = self._feed.events_after(cursor, BATCH)
            if isinstance(news, Gone):
                return False
            if any(self._is_late(one) or one.event.type.startswith("ampward.delivery.") for one in news):
                return False
            if len(news) < BATCH:
                return True
            cursor = news[-1].cursor
        return False

    async def _begin_restored(self) -> None:
        """The ledger came with a backup: what it had planned is not ours to send, what is open is one summary."""
        cursor, alarms = await self._feed.head()
        self._picture.lease(self._feed.leased())
        turn = self._turn()
        restore = self._picture.restored
        take_over(turn, alarms)
        pipeline.due(turn)
        self._log.info("notifier_restored", restore=restore, cursor=str(cursor), alarms=len(alarms))
        await self._keep(turn, cursor, cursor)

    async def _reconcile(self) -> None:
        """Go on at the log's head: what opened meanwhile is told in a summary, and so is what is open no more."""
        cursor, alarms = await self._feed.head()
        self._picture.lease(self._feed.leased())
        turn = self._turn()
        known = set(self._picture.open)
        for alarm in alarms:
            pipeline.find_open(turn, alarm.event, alarm.hidden)
        for occurrence in known - {alarm.event.occurrence for alarm in alarms}:
            if self._picture.open[occurrence].ahead is None:
                pipeline.find_gone(turn, occurrence)
        pipeline.due(turn)
        self._log.info("notifier_at_head", cursor=str(cursor), alarms=len(alarms))
        await self._keep(turn, cursor, cursor)

    # One look

    async def look(self) -> bool:
        """Take what came, do what is due, commit, hand over; True when more is waiting."""
        setting = self._feed.setting()
        if setting is not self._setting:
            self._use(setting)
        cursor, durable = self._stand.cursor, self._stand.durable
        if cursor == durable:
            cursor = durable = self._feed.pass_over(cursor, self._filter())
        news = self._feed.events_after(cursor, BATCH)
        if isinstance(news, Gone):
            await self._go_back()
            return True
        more = len(news) == BATCH
        caught_up = not (more or self._feed.is_behind() or self._ahead.is_behind())
        read_seq = 0 if more else self._ahead.read_seq()
        unnoticed = await self._unnoticed(cursor) if self._is_unsure and not news else None
        # From here to the commit nothing is waited for: another commit would write this turn's picture without its
        # messages.
        turn = self._turn()
        self._take_ahead(turn, caught_up=caught_up)
        turn.leased = self._picture.misc.leased
        for one in news:
            if (holder := lease.holder(one.event)) is not None:
                self._loans.assign(turn)
                self._picture.lease(holder)
                turn.leased = holder
            if self._concerns(one.event):
                pipeline.take(turn, one.event, undurable=one.undurable, late=self._is_late(one))
            elif one.event.type in notices.TYPES:
                notices.take(turn, one.event, undurable=one.undurable, late=self._is_late(one))
            cursor = one.cursor
            durable = durable if one.undurable else one.cursor
        self._loans.assign(turn)
        turn.leased = self._leased_now()
        self._picture.pass_ahead(read_seq)
        if unnoticed is not None:
            self._is_unsure = False
            for alarm in unnoticed:
                if self._concerns(alarm.event):
                    pipeline.notice(turn, alarm.event, alarm.hidden)
        pipeline.due(turn, caught_up=caught_up)
        await self._keep(turn, cursor, durable)
        return more or (self._is_unsure and bool(news))

    def _take_ahead(self, turn: Turn, *, caught_up: bool) -> None:
        """What is told now and comes in its order later; who sends it is said with it."""
        early, known = self._ahead.events(), self._picture.open
        turn.is_ahead = not caught_up and (bool(early) or any(found.ahead is not None for found in known.values()))
        for one in early:
            turn.leased = one.leased or lease.SITE
            if self._concerns(one.event) and (one.leased is not None or one.event.occurrence in known):
                pipeline.take(turn, one.event, undurable=one.undurable, ahead=True)
            self._loans.assign(turn)

    def _concerns(self, event: Event) -> bool:
        """Whether anybody is ever told of it: of an alarm that is known, or that a route leads from at some hour."""
        if not event.type.startswith("ampward.alarm."):
            return False
        known = self._picture.open
        if event.occurrence in known or (known and event.type in pipeline.SHOWING):
            return True
        return self._is_wanted(event)

    def _filter(self) -> Callable[[About], bool]:
        """The same by less: False only for what concerns nobody."""
        known = {(found.event.room, found.event.rule) for found in self._picture.open.values()}

        def wants(about: About) -> bool:
            if not about.type.startswith("ampward.alarm."):
                return about.type in notices.TYPES or lease.is_about(about)
            is_known = (about.room, about.rule) in known or (bool(known) and about.type in pipeline.SHOWING)
            return is_known or self._is_wanted(about)

        return wants

    def _is_wanted(self, event: About | Event) -> bool:
        about = (event.room, event.rule, event.severity)
        wanted = self._wanted.get(about)
        if wanted is None:
            wanted = self._wanted[about] = any(matches(route, event) for route in self._setting.plan.routes)
        return wanted

    async def _unnoticed(self, cursor: Cursor | None) -> tuple[OpenAlarm, ...] | None:
        """Open alarms that may have been passed over under another setting; None when there is news already, which is
        read first: an alarm is noticed only when no event is to come that tells of it."""
        _, alarms = await self._feed.head()
        return None if self._feed.events_after(cursor, 1) else alarms

    async def _go_back(self) -> None:
        """The place is gone: events of an undurable time that a crash took, or another log."""
        stand = self._stand
        if stand.durable is not None and stand.durable != stand.cursor:
            self._stand = Stand(stand.durable, stand.durable, stand.steady_ms, stand.wall_ms)
            return
        self._log.warning("notifier_place_gone", cursor=str(stand.cursor))
        await self._reconcile()

    async def _keep(self, turn: Turn, cursor: Cursor | None, durable: Cursor | None) -> None:
        """Commit what the turn has made, then send."""
        now = turn.moment.steady_ms
        self._loans.assign(turn)
        back, done = self._loans.end(turn)
        moved = (cursor, durable) != (self._stand.cursor, self._stand.durable)
        self._stand = self._stand_now(cursor, durable)
        is_old = moved and now - self._written_ms >= CURSOR_MS
        is_old = is_old or (self._outbox.kept > self._forgotten and now - self._written_ms >= CURSOR_MS)
        if turn.planned or self._picture.changed or is_old or back or done:
            rows = [*back, *self._loans.ours(turn)]
            written = [*rows, *done, *self._loans.lend(turn)]
            change = Change(self._stand, self._picture.take_changed(), {row.message.id: row for row in written})
            self._written_ms = now
            if rows:
                self._step("before plan")
            await self.commit(change)
            if rows:
                self._step("after plan")
            self._post.put(rows)
        if now - self._tidied_ms >= TIDY_MS:
            self._tidied_ms = now
            await self._ledger.tidy(turn.moment.wall_ms)

    def _turn(self) -> Turn:
        moment = Moment(self.steady_ms(), self.wall_ms())
        return Turn(self._picture, self._setting, moment, sender=self._sender, leased=self._leased_now())

    def _leased_now(self) -> str:
        """Who tells what time alone brings: by the live lane when that knows more than what was read."""
        present = self._ahead.leased()
        return self._picture.misc.leased if present is None else present

    def _stand_now(self, cursor: Cursor | None, durable: Cursor | None) -> Stand:
        return Stand(cursor, durable, self.steady_ms(), self.wall_ms())

    def _is_late(self, news: News) -> bool:
        """By both clocks: a jump of the wall clock makes nothing late."""
        by_wall = self.wall_ms() - news.event.at_ms
        by_log = self._feed.tick_ms() - news.event.tick_ms
        return min(by_wall, by_log) > LATE_MS

    # What changes around it

    def _use(self, setting: Setting) -> None:
        before, self._setting = self._setting, setting
        self._picture.looked.clear()
        self._wanted.clear()
        self._is_unsure = True
        if self._channels and _channel_plans(before.plan) == _channel_plans(setting.plan):
            return
        old, self._channels = self._channels, self._make_channels(setting.plan)
        self._post.use(self._channels)
        for channel in old.values():
            closing = asyncio.create_task(channel.close(), name=f"close {channel.name}")
            closing.add_done_callback(lambda _: None)

    async def _tell_trouble(self) -> None:
        await self._tell_set_aside(self._ledger.take_set_aside())
        trouble = self._ledger.trouble
        is_new = bool(trouble) != bool(self._trouble)
        self._trouble = trouble
        if is_new:
            text = f"deliveries are kept in memory: {trouble}" if trouble else "deliveries are on disk again"
            self._log.warning("ledger_in_memory" if trouble else "ledger_on_disk", why=trouble)
            await self.commit(Change(), [BoxReport(ReportKind.LEDGER, "notifier", text, bool(trouble))])

    async def _tell_set_aside(self, where: str) -> None:
        if where:
            self._log.error("ledger_set_aside", where=where)
            text = f"the delivery ledger was set aside: {where}"
            await self.commit(Change(), [BoxReport(ReportKind.LEDGER, "notifier", text, pulse=True)])


def _channel_plans(plan: NotifyPlan) -> tuple[object, ...]:
    return plan.email, plan.webhook
