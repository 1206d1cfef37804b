"""Persons' commands on their way down: to ampward.commands.v1, and what the site answered.

    submit -> ampward.commands.v1 -> uplink -> the site's own door -> its log decides
                                                     answer <- ampward.live.v1 <-|

Any replica knows every command of the last ORDERS_BACK (services.gateway.centre.follower), because each reads them
back: the same id again is sent once and gets the same answer, another content under it is refused. A command that the
site has not answered within its time to live is expired: the site drops it by its own clock, whose offset it knows.
``hold_on`` goes down as a lease of the output: its number is above every lease of that output in the topic, so that of
two persons at two replicas one is refused by the site, never both held half.
Refuses a subject of a site that is not registered, as the site would. Limits: KEPT_MAX commands; what was undelivered
is shown for SHOWN_MS, unless it was done anew.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from services.gateway.views import CommandAnswer, CommandState, IdReused, RoomRefusal
from shared.domain.ids import site_of
from shared.domain.inputs import Command, Refusal, What
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Place, RecordRefused, Unconfirmed
from shared.wire import cloud
from shared.wire.live import LiveAnswer
from shared.wire.orders import LEASE_MS_MAX, CommandOrder, Order, OutputLease, command_order, encode_order
from shared.wire.registrations import Registration

TTL_MS: Final = 600_000
WAIT_S: Final = 5.0
KEPT_MAX: Final = 10_000
SHOWN_MS: Final = 600_000
LEASE_EPOCH: Final = 1
NOT_TAKEN: Final = "not-taken"


@dataclass(slots=True)
class _Known:
    command: Command
    site: str
    until_ms: int
    """End of its time to live."""
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
        self._leases: dict[str, int] = {}
        """The highest number given for each output."""

    async def submit(self, command: Command) -> CommandAnswer | IdReused:
        """Sends it, and waits at most WAIT_S for the site's answer."""
        site = site_of(command.subject)
        registration = self._find(site)
        if registration is None:
            text = f"there is no site {site[:40]!r} in this fleet"
            return CommandAnswer(command.id, CommandState.REJECTED, Refusal.UNKNOWN_SUBJECT, text)
        known = self._known.get(command.id)
        if known is None:
            if command.what is What.HOLD_ON and not 0 < command.for_ms <= LEASE_MS_MAX:
                text = f"an output is held on for at most {LEASE_MS_MAX // 60_000} minutes; say how long with `for`"
                return CommandAnswer(command.id, CommandState.REJECTED, Refusal.OUT_OF_RANGE, text, site=site)
            order = self._order(command, site)
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

    def _order(self, command: Command, site: str) -> CommandOrder | OutputLease:
        now_ms = self._wall_ms()
        if command.what is not What.HOLD_ON:
            return command_order(command, site=site, sent_at_ms=now_ms, ttl_ms=TTL_MS)
        return OutputLease(
            id=command.id,
            site=site,
            sent_at_ms=now_ms,
            ttl_ms=TTL_MS,
            output=command.subject,
            epoch=LEASE_EPOCH,
            number=max(now_ms, self._leases.get(command.subject, 0) + 1),
            on_ms=command.for_ms,
            reason=command.reason,
            actor=command.actor,
        )

    async def _send(self, order: CommandOrder | OutputLease, registration: Registration) -> None:
        headers = cloud.headers(cloud.ORDER, site=order.site, id=order.id, at_ms=order.sent_at_ms)
        place = Place(self._topic, registration.partition)
        await self._producer.send(place, order.site.encode(), encode_order(order), headers)

    def note(self, order: Order, *, is_sure: bool) -> None:
        """An order that stands in the topic, by whichever replica."""
        if isinstance(order, CommandOrder | OutputLease) and order.id not in self._known:
            self._keep(order, is_sure=is_sure)

    def _keep(self, order: CommandOrder | OutputLease, *, is_sure: bool) -> _Known:
        pending = CommandAnswer(order.id, CommandState.PENDING, site=order.site)
        known = _Known(_command(order), order.site, order.sent_at_ms + _lives_ms(order), pending, is_sure)
        if isinstance(order, OutputLease):
            self._leases[order.output] = max(order.number, self._leases.get(order.output, 0))
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

    def pending(self) -> Mapping[tuple[What, str], str]:
        """``pending`` or ``undelivered`` for each (act, subject) whose newest command the site has not answered."""
        now_ms = self._wall_ms()
        found: dict[tuple[What, str], str] = {}
        for known in self._known.values():
            act = (known.command.what, known.command.subject)
            found.pop(act, None)
            if known.answer.state is CommandState.PENDING and now_ms <= known.until_ms:
                found[act] = "pending"
            elif known.answer.state is CommandState.PENDING and known.is_sure and now_ms <= known.until_ms + SHOWN_MS:
                found[act] = "undelivered"
        return found

    def _now(self, known: _Known) -> CommandAnswer | None:
        """None when its time is over and nobody here can tell what became of it."""
        if known.answer.state is CommandState.PENDING and self._wall_ms() > known.until_ms:
            if not known.is_sure:
                return None
            text = f"the site {known.site} has not answered within its time"
            return CommandAnswer(known.answer.id, CommandState.EXPIRED, "undelivered", text, site=known.site)
        return known.answer


def _lives_ms(order: CommandOrder | OutputLease) -> int:
    return min(order.ttl_ms, order.on_ms) if isinstance(order, OutputLease) else order.ttl_ms


def _command(order: CommandOrder | OutputLease) -> Command:
    """As the person gave it."""
    if isinstance(order, CommandOrder):
        return order.command()
    return Command(
        id=order.id, what=What.HOLD_ON, subject=order.output, occurrence="", severity_seen=None, reason=order.reason,
        actor=order.actor, for_ms=order.on_ms,
    )  # fmt: skip
