"""Modbus TCP by pymodbus, wrapped here and nowhere else.

Promises: one request at a time; every reply is checked (transaction, unit, function, length, echo) before it counts;
a lost connection answers DISCONNECTED at once, also to the request that is under way; reconnecting goes on in the
background, at once and then after 0.1 s doubling to 2 s, without making a request wait longer than its timeout.
Refuses: late replies (their transaction id is an older one), replies of other units, wrong lengths: MALFORMED.
Limits: seven requests in a row without any answer end the connection, because a half-open one never recovers by itself.
pymodbus's own retries and reconnect are off: they neither end a request when the line drops nor check lengths.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ModbusPDU

from shared.devices.profile import Table
from shared.domain.units import NoData
from shared.fieldbus.exchange import (
    READ_FUNCTIONS,
    Exchange,
    Verdict,
    check_reply,
    coil_exchange,
    malformed,
    read_exchange,
    register_exchange,
    split_tcp,
)
from shared.fieldbus.gate import Gate
from shared.fieldbus.port import BusFailure

RECONNECT_FIRST_S = 0.1
RECONNECT_MAX_S = 2.0
SILENT_MAX = 6

Call = Callable[[AsyncModbusTcpClient], Awaitable[ModbusPDU]]


class TcpLine:
    """Reader and Writer of one Modbus TCP server or gateway. Connects with the first request."""

    def __init__(self, host: str, port: int, timeout_ms: int) -> None:
        self._host = host
        self._port = port
        self._timeout_s = timeout_ms / 1000
        self._gate = Gate()
        self._client: AsyncModbusTcpClient | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self._lost = asyncio.Event()
        self._closed = False
        self._connections = 0
        self._exchange: Exchange | None = None
        self._verdict: bytes | BusFailure | None = None
        self._out_of_step = False
        """The stream holds something else than frames: only a new connection helps."""

    @property
    def connections(self) -> int:
        return self._connections

    async def read(self, unit: int, table: Table, address: int, count: int) -> bytes | BusFailure:
        exchange = read_exchange(unit, table, address, count)

        def call(client: AsyncModbusTcpClient) -> Awaitable[ModbusPDU]:
            ask = {1: client.read_coils, 2: client.read_discrete_inputs, 3: client.read_holding_registers}
            function = ask.get(READ_FUNCTIONS[table], client.read_input_registers)
            return function(address, count=count, device_id=unit)

        return await self._attempt(exchange, call, urgent=False)

    async def write_coil(self, unit: int, address: int, value: bool) -> BusFailure | None:
        exchange = coil_exchange(unit, address, value=value)
        answer = await self._attempt(
            exchange, lambda client: client.write_coil(address, value, device_id=unit), urgent=True
        )
        return answer if isinstance(answer, BusFailure) else None

    async def write_register(self, unit: int, address: int, value: int) -> BusFailure | None:
        exchange = register_exchange(unit, address, value)
        answer = await self._attempt(
            exchange, lambda client: client.write_register(address, value, device_id=unit), urgent=True
        )
        return answer if isinstance(answer, BusFailure) else None

    async def close(self) -> None:
        self._closed = True
        self._settled.set()
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        if self._client is not None:
            self._end_request()
            self._client.close()

    async def _attempt(self, exchange: Exchange, call: Call, *, urgent: bool) -> bytes | BusFailure:
        answer = await self._ask(exchange, call, urgent=urgent)
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # asyncio.wait_for of Python 3.11, by which pymodbus waits, drops a cancellation that comes with the answer.
            raise asyncio.CancelledError
        return answer

    async def _ask(self, exchange: Exchange, call: Call, *, urgent: bool) -> bytes | BusFailure:
        async with self._gate.turn(urgent=urgent):
            client = await self._connected()
            if client is None:
                return self._disconnected("closed" if self._closed else "no connection")
            self._exchange, self._verdict = exchange, None
            try:
                await call(client)
            except ConnectionException:
                return self._verdict or self._disconnected("connection lost")
            except ModbusException:
                how = "" if client.connected else ", connection given up"
                return self._verdict or BusFailure(NoData.TIMEOUT, f"no answer in {self._timeout_s * 1000:.0f} ms{how}")
            finally:
                self._exchange = None
                if self._out_of_step:
                    self._out_of_step = False
                    client.ctx.connection_lost(ConnectionError("not Modbus TCP"))
            return malformed("an answer that was not asked for") if self._verdict is None else self._verdict

    def _disconnected(self, why: str) -> BusFailure:
        return BusFailure(NoData.DISCONNECTED, f"{self._host}:{self._port} {why}")

    async def _connected(self) -> AsyncModbusTcpClient | None:
        """The connected client; waits at most the timeout for an attempt to connect that is under way."""
        if self._client is None:
            self._client = self._make_client()
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep_connected(self._client), name=f"modbus {self._host}")
        if not self._client.connected and not self._closed:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeout_s):
                    await self._settled.wait()
        return self._client if self._client.connected and not self._closed else None

    def _make_client(self) -> AsyncModbusTcpClient:
        logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL + 1)
        client = AsyncModbusTcpClient(
            self._host,
            port=self._port,
            timeout=self._timeout_s,
            retries=0,
            reconnect_delay=0,
            trace_packet=self._packet,
            trace_connect=self._connection_changed,
        )
        client.set_max_no_responses(SILENT_MAX)
        return client

    async def _keep_connected(self, client: AsyncModbusTcpClient) -> None:
        delay_s = RECONNECT_FIRST_S
        while True:
            self._lost.clear()
            connected = client.connected or await client.connect()
            self._settled.set()
            if connected:
                delay_s = RECONNECT_FIRST_S
                await self._lost.wait()
            else:
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, RECONNECT_MAX_S)

    def _connection_changed(self, connected: bool) -> None:
        if connected:
            self._connections += 1
            return
        self._settled.clear()
        self._lost.set()
        self._end_request()

    def _end_request(self) -> None:
        """pymodbus would let the request under way run into its timeout."""
        if self._exchange is not None:
            self._fail(ConnectionException("connection lost"))

    def _fail(self, error: ModbusException) -> None:
        if self._client is not None and not self._client.ctx.response_future.done():
            self._client.ctx.response_future.set_exception(error)

    def _packet(self, sending: bool, data: bytes) -> bytes:
        """Looks at what came in before pymodbus does; nothing is handed on but the one frame that answers."""
        if sending or self._client is None:
            return data
        if self._exchange is None:
            return b""
        position = 0
        while position < len(data):
            rest = data[position:]
            verdict, used, pdu = split_tcp(rest, self._client.ctx.request_transaction_id, self._exchange)
            if verdict is Verdict.FOREIGN:
                self._verdict = malformed("only answers to other requests")
                position += used
                continue
            if verdict is Verdict.MORE:
                return data
            if verdict is Verdict.MINE:
                self._verdict = check_reply(self._exchange, pdu)
                if not isinstance(self._verdict, BusFailure) or self._verdict.reason is NoData.EXCEPTION:
                    return data
            else:
                self._verdict, self._out_of_step = malformed("bytes that are not Modbus TCP"), True
            self._fail(ModbusException("refused"))
            return b""
        return data
