"""Commands on their way down as one replica knows them; the broker takes whatever is sent."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.gateway.centre import orders as module
from services.gateway.centre.orders import Orders
from services.gateway.views import CommandAnswer, CommandState
from shared.domain.inputs import Command, What
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Place
from shared.wire.live import LiveAnswer
from shared.wire.orders import LEASE_MS_MAX, OutputLease, decode_order
from shared.wire.registrations import Registration

OUTPUT, ALARM = "depot/r1/io1-do0", "depot/r1/gas1-h2/h2_alarm"


class Replica:
    """Its orders, what it has sent, and its clock."""

    def __init__(self, now_ms: int = 10_000_000) -> None:
        self.now_ms = now_ms
        self.sent: list[bytes] = []
        self.orders = Orders(
            cast(Producer, SimpleNamespace(send=self._send)), "orders", self._find, lambda: self.now_ms
        )

    async def _send(self, place: Place, key: bytes, data: bytes, headers: Sequence[Any]) -> None:
        del place, key, headers
        self.sent.append(data)

    def _find(self, site: str) -> Registration | None:
        return Registration(site, 0, ()) if site == "depot" else None

    async def hold_on(self, name: str, for_ms: int) -> CommandAnswer:
        found = await self.orders.submit(Command(name, What.HOLD_ON, OUTPUT, "", None, "gas", "anna", for_ms))
        assert isinstance(found, CommandAnswer)
        return found


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """No site answers here."""
    monkeypatch.setattr(module, "WAIT_S", 0.01)


async def test_a_lease_is_above_those_that_other_replicas_gave() -> None:
    """Also where the clock is behind theirs."""
    one, other = Replica(), Replica(now_ms=9_000_000)
    await one.hold_on("h1", 60_000)
    other.orders.note(decode_order(one.sent[0]), is_sure=True)
    await other.hold_on("h2", 60_000)
    first, second = (decode_order(data) for data in (*one.sent, *other.sent))
    assert isinstance(first, OutputLease) and isinstance(second, OutputLease)
    assert (second.epoch, second.number) == (first.epoch, first.number + 1)


@pytest.mark.parametrize("for_ms", [0, LEASE_MS_MAX + 1])
async def test_an_output_is_held_on_for_a_stated_time_that_is_not_too_long(for_ms: int) -> None:
    """Any other is refused here, and nothing goes down."""
    replica = Replica()
    answer = await replica.hold_on("h1", for_ms)
    assert (answer.state, answer.reason) == (CommandState.REJECTED, "out-of-range")
    assert replica.sent == []


async def test_what_nobody_took_is_undelivered_for_a_while() -> None:
    """Pending for its time to live, undelivered for as long behind it, then no more; an answer ends it at once."""
    replica = Replica()
    await replica.orders.submit(Command("c1", What.ACK, ALARM, "", None, "seen", "anna", 0))
    assert replica.orders.pending() == {(What.ACK, ALARM): "pending"}
    replica.now_ms += module.TTL_MS + 1
    assert replica.orders.pending() == {(What.ACK, ALARM): "undelivered"}
    told = replica.orders.state("c1")
    assert told is not None
    assert (told.state, told.reason) == (CommandState.EXPIRED, "undelivered")
    replica.now_ms += module.SHOWN_MS
    assert replica.orders.pending() == {}
    replica.now_ms -= module.SHOWN_MS
    replica.orders.take_answer("mill", LiveAnswer("c1", accepted=True))
    assert replica.orders.pending() == {(What.ACK, ALARM): "undelivered"}
    replica.orders.take_answer("depot", LiveAnswer("c1", accepted=True))
    assert replica.orders.pending() == {}
