"""Persons' commands on their way down: to ampward.commands.v1, and what the site answered.

    submit -> ampward.commands.v1 -> uplink -> the site's own door -> its log decides
                                                     answer <- ampward.live.v1 <-|

Any replica knows every command of the last ORDERS_BACK (services.gateway.centre.follower), because each reads them
back: the same id again is sent once and gets the same answer, another content under it is refused. A command that the
site has not answered within its time to live is expired: the site drops it by its own clock, whose offset it knows.
Refuses a subject of a site that is not registered, as the site would. Limits: KEPT_MAX commands.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from services.gateway.views import CommandAnswer, CommandState, IdReused, RoomRefusal
from shared.domain.ids import site_of
from shared.domain.inputs import Command, Refusal, What
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Place, RecordRefused, Unconfirmed
from shared.wire import cloud
from shared.wire.live import LiveAnswer
from shared.wire.orders import CommandOrder, command_order, encode_order
from shared.wire.registrations import Registration

TTL_MS: Final = 600_000
WAIT_S: Final = 5.0
KEPT_MAX: Final = 10_000
NOT_TAKEN: Final = "not-taken"


@dataclass(slots=True)
class _Known:
    command: Command
    site: str
    until_ms: int
    answer: CommandAnswer
    is_sure: bool
    """Whether its answer would be known here: not when it was sent before this replica looked."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)


class Orders:
    """``topic`` is the orders' topic by its full name; ``find`` gives a site's registration."""

    def __init__(
        self, producer: Producer, topic: str, find: Callable[[str], Registration | None], wall_ms: Callable[[], int]
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._find = find
        self._wall_ms = wall_ms
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._early: OrderedDict[tuple[str, str], LiveAnswer] = OrderedDict()
        """Answers, by site and id, that came here before their order."""

    async def submit(self, command: Command) -> CommandAnswer | IdReused:
        """Sends it, and waits at most WAIT_S for the site's answer."""
        site = site_of(command.subject)
        registration = self._find(site)
        if registration is None:
            text = f"there is no site {site[:40]!r} in this fleet"
            return CommandAnswer(command.id, CommandState.REJECTED, Refusal.UNKNOWN_SUBJECT, text)
        known = self._known.get(command.id)
        if known is None:
            order = command_order(command, site=site, sent_at_ms=self._wall_ms(), ttl_ms=TTL_MS)
            known = self._keep(order, is_sure=True)
            try:
                await self._send(order, registration)
            except (RecordRefused, Unconfirmed):
                if self._known.get(command.id) is known:
                    del self._known[command.id]
                text = "Kafka does not take it at present"
                return CommandAnswer(command.id, CommandState.REJECTED, NOT_TAKEN, text, site=site)
        elif known.command != command:
            return IdReused(command.id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                await known.answered.wait()
        return self._now(known) or known.answer

    async def _send(self, order: CommandOrder, registration: Registration) -> None:
        headers = cloud.headers(cloud.ORDER, site=order.site, id=order.id, at_ms=order.sent_at_ms)
        place = Place(self._topic, registration.partition)
        await self._producer.send(place, order.site.encode(), encode_order(order), headers)

    def note(self, order: CommandOrder, *, is_sure: bool) -> None:
        """An order that stands in the topic, by whichever replica."""
        if order.id not in self._known:
            self._keep(order, is_sure=is_sure)

    def _keep(self, order: CommandOrder, *, is_sure: bool) -> _Known:
        pending = CommandAnswer(order.id, CommandState.PENDING, site=order.site)
        known = _Known(order.command(), order.site, order.sent_at_ms + order.ttl_ms, pending, is_sure)
        self._known[order.id] = known
        while len(self._known) > KEPT_MAX:
            self._known.popitem(last=False)
        early = self._early.pop((order.site, order.id), None)
        if early is not None:
            self.take_answer(order.site, early)
        return known

    def take_answer(self, site: str, answer: LiveAnswer) -> None:
        """What a site says of a command; of another site's it changes nothing."""
        known = self._known.get(answer.id)
        if known is None or known.site != site:
            self._early[site, answer.id] = answer
            while len(self._early) > KEPT_MAX:
                self._early.popitem(last=False)
            return
        refusals = tuple(RoomRefusal(one.room, one.reason, one.text) for one in answer.refusals)
        known.answer = CommandAnswer(
            answer.id,
            CommandState.ACCEPTED if answer.accepted else CommandState.REJECTED,
            answer.reason,
            answer.text,
            answer.occurrence,
            answer.severity,
            refusals,
            site,
        )
        known.answered.set()

    def state(self, command_id: str) -> CommandAnswer | None:
        """What became of a command; None when it is not known here."""
        known = self._known.get(command_id)
        return None if known is None else self._now(known)

    def pending(self) -> frozenset[tuple[What, str]]:
        """(act, subject) of all that wait for their site."""
        now_ms = self._wall_ms()
        return frozenset(
            (known.command.what, known.command.subject)
            for known in self._known.values()
            if known.answer.state is CommandState.PENDING and now_ms <= known.until_ms
        )

    def _now(self, known: _Known) -> CommandAnswer | None:
        """None when its time is over and nobody here can tell what became of it."""
        if known.answer.state is CommandState.PENDING and self._wall_ms() > known.until_ms:
            if not known.is_sure:
                return None
            text = f"the site {known.site} has not answered within {TTL_MS // 60_000} minutes"
            return CommandAnswer(known.answer.id, CommandState.EXPIRED, "undelivered", text, site=known.site)
        return known.answer
