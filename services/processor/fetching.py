"""Faust's consumer without two pauses of its own, for which it has no setting (ADR 0109).

    buffer full    when all partitions have given what the stream's buffer takes, Faust sleeps for a second, also when
                   that is worked off in a tenth of it: in a backlog more than a third of the time
    long fetches   aiokafka has one fetch under way a broker, for the partitions of which it holds nothing just then.
                   Faust lets the broker wait 1.5 s for something to send: so long one quiet partition holds up
                   another that has run dry since

Promises nothing else: what is fetched, given out and committed is Faust's.
"""

from typing import Any, Final

import faust
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport

FETCH_WAIT_MS: Final = 100
"""An idle worker so asks each broker ten times a second."""
FULL_S: Final = 0.01
"""Between two looks whether the stream's buffer takes more: a block is folded in 5 to 20 ms."""


class _Thread(AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer


class _Consumer(Consumer):
    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def _wait_next_records(self, timeout: float) -> Any:
        while self._buffered_partitions and not self._get_active_partitions():
            if not self.flow_active or self.should_stop:
                break
            await self.sleep(FULL_S)
        return await super()._wait_next_records(timeout)


class _Transport(Transport):
    Consumer = _Consumer


def fetch_without_pauses(app: faust.App) -> None:
    """Have the app's consumer, which is not there yet, be such a one."""
    app.transport = _Transport(app.conf.broker_consumer, app)
