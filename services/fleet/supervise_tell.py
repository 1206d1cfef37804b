"""What the supervision sends to Kafka: events of its log, what operators see at once, answers to their commands.

    ampward.events.v1   a batch a link; headers ampward-key and ampward-signature: Ed25519 over SIGNED and the value,
                        128 hexadecimal digits
    ampward.live.v1     alarms as they change, events, answers; a sign each SIGN_S; everything anew each ANEW_S

Nothing else at the centre signs its batches: for a site's the site's own block is the evidence. Who holds the key that
is registered for _fleet has made these, whoever may write the topic.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from services.fleet.supervise_plan import FLEET
from services.fleet.supervise_push import TTL_MS, Wanted
from shared.bus.registry import COMMANDS, EVENTS, LIVE
from shared.domain.catalogue import guidance
from shared.domain.core import AlarmView
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Place
from shared.runtime.clocks import Clock
from shared.wire import cloud
from shared.wire.batches import EventsBatch, Verdict, encode_batch
from shared.wire.blocks import Block
from shared.wire.live import Live, LiveAlarm, LiveAnswer, encode_live, raw_events
from shared.wire.orders import FileOrder, encode_order
from shared.wire.pushes import sign_file
from shared.wire.signing import PublicKey, SigningKey

SIGNED: Final = b"ampward.events.v1\n"
"""Stands before the value in what is signed, so that no other record is ever taken for a batch."""
SIGN_S: Final = 5.0
ANEW_S: Final = 300.0
IN_ONE_MAX: Final = 500
"""Alarms, and events, in one record: together some 500 KB, the topic takes 1 MiB. A whole fleet may fall silent."""


class Who(NamedTuple):
    """As whom is sent, and where to."""

    key: SigningKey
    partition: int
    prefix: str = ""
    former: SigningKey | None = None
    """The key before the last renewal: sites' boxes know it as long as they have not been given the new one."""

    def public(self, key_id: str) -> PublicKey:
        """The half of ours that checks what this key signed; of one that we do not have, the present one's."""
        return self.former.public if self.former is not None and self.former.id == key_id else self.key.public


def batch_of(block: Block) -> EventsBatch:
    """The events of one link as the topic holds them."""
    return EventsBatch(
        block.site,
        block.log_id,
        block.epoch,
        block.first_seq,
        block.last_seq,
        Verdict.EQUAL,
        block.core_version,
        0,
        block.head_hash.hex(),
        tuple(event.data for event in block.events),
    )


class Teller:
    """One term of one supervisor. Raises Unconfirmed, RecordRefused when Kafka does not take what must be taken."""

    def __init__(self, producer: Producer, who: Who, clock: Clock) -> None:
        self._producer = producer
        self._who = who
        self._clock = clock
        self._known: dict[str, LiveAlarm] = {}
        self._anew_s = -ANEW_S
        self._sent_s = -SIGN_S
        self._count = 0

    async def events(self, block: Block) -> None:
        """Returns when the broker has them for good."""
        value, key = encode_batch(batch_of(block)), self._who.key
        name = cloud.range_id(block.log_id, block.epoch, block.first_seq, block.last_seq)
        headers = (
            *cloud.headers(cloud.BATCH, site=FLEET, id=name, at_ms=self._clock.wall_ms()),
            ("ampward-key", key.id.encode()),
            ("ampward-signature", key.sign(SIGNED + value).hex().encode()),
        )
        await self._producer.send(self._place(EVENTS.name), FLEET.encode(), value, headers)

    async def live(
        self,
        log_id: str,
        site_seq: int,
        alarms: Iterable[AlarmView],
        *,
        events: Sequence[bytes] = (),
        answers: Sequence[LiveAnswer] = (),
    ) -> None:
        """What changed since the last time; a sign when nothing did and one is due."""
        now_s = self._clock.monotonic_ms() / 1000
        is_anew = now_s - self._anew_s >= ANEW_S
        if is_anew:
            self._known, self._anew_s = {}, now_s
        now = {view.id: _shown(view) for view in alarms}
        changed = [alarm for ident, alarm in now.items() if self._known.get(ident) != alarm]
        gone = tuple(self._known.keys() - now.keys())
        if not (is_anew or changed or gone or events or answers) and now_s - self._sent_s < SIGN_S:
            return
        for first in range(0, max(len(changed), len(events), 1), IN_ONE_MAX):
            is_first, last = first == 0, first + IN_ONE_MAX
            await self._send(
                Live(
                    site=FLEET,
                    log_id=log_id,
                    site_seq=site_seq,
                    sent_at_ms=self._clock.wall_ms(),
                    number=self._count,
                    events=raw_events(tuple(events[first:last])),
                    answers=tuple(answers) if is_first else (),
                    alarms=tuple(changed[first:last]),
                    alarms_gone=gone if is_first else (),
                    anew=is_anew and is_first,
                    acked_seq=site_seq,
                )
            )
        self._known, self._sent_s = now, now_s

    async def file(self, wanted: Wanted, partition: int) -> None:
        """A signed order to a site to go by a file; returns when the broker has it."""
        now_ms = self._clock.wall_ms()
        order = FileOrder(
            id=wanted.id, site=wanted.site, sent_at_ms=now_ms, ttl_ms=TTL_MS, name=wanted.name, number=wanted.number,
            actor=wanted.actor, body=wanted.body,
        )  # fmt: skip
        headers = cloud.headers(cloud.ORDER, site=wanted.site, id=order.id, at_ms=now_ms)
        place = Place(self._who.prefix + COMMANDS.name, partition)
        value = encode_order(sign_file(order, self._who.former or self._who.key))
        await self._producer.send(place, wanted.site.encode(), value, headers)

    async def _send(self, live: Live) -> None:
        self._count += 1
        headers = cloud.headers(cloud.LIVE, site=FLEET, id=f"live/{live.sent_at_ms}/{self._count}",
                                at_ms=live.sent_at_ms)  # fmt: skip
        await self._producer.send(self._place(LIVE.name), FLEET.encode(), encode_live(live, self._who.key), headers)

    def _place(self, topic: str) -> Place:
        return Place(self._who.prefix + topic, self._who.partition)


def _shown(view: AlarmView) -> LiveAlarm:
    return LiveAlarm(
        id=view.id,
        rule=view.rule,
        point=view.subject,
        severity=view.severity,
        state=view.state,
        condition=view.condition,
        override=view.override,
        occurrence=view.occurrence,
        since_at_ms=view.since_at_ms,
        value=view.value,
        unit=view.unit,
        guidance=guidance(view.rule),
        until_at_ms=0,
    )
