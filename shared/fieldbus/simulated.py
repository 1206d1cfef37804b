"""A bus without wires, in this process: for tests and demo sites only. The same port, the same outcomes.

A :class:`SimulatedBus` answers by the same handler that a device on a real line would have, so that one plant can stand
behind a socket, a pseudo-terminal or this.
"""

import asyncio

from shared.devices.profile import Table
from shared.domain.units import NoData
from shared.fieldbus.device_side import Answer, Handler, Request
from shared.fieldbus.exchange import EXCEPTIONS, read_exchange
from shared.fieldbus.gate import Gate
from shared.fieldbus.port import BusFailure


class SimulatedBus:
    """Reader and Writer straight into a handler. ``connected`` is the plug: pull it and put it back."""

    def __init__(self, handler: Handler, timeout_ms: int = 300) -> None:
        self._handler = handler
        self._timeout_s = timeout_ms / 1000
        self._gate = Gate()
        self._closed = False
        self._connections = 1
        self._connected = True

    @property
    def connections(self) -> int:
        return self._connections

    @property
    def connected(self) -> bool:
        return self._connected

    @connected.setter
    def connected(self, value: bool) -> None:
        self._connections += value and not self._connected
        self._connected = value

    async def read(self, unit: int, table: Table, address: int, count: int) -> bytes | BusFailure:
        read_exchange(unit, table, address, count)
        request = Request(unit, table, address, count, ())
        answer = await self._ask(request, urgent=False)
        if isinstance(answer, BusFailure):
            return answer
        if table.is_bits:
            packed = sum(bool(value) << place for place, value in enumerate(answer.values))
            return packed.to_bytes((count + 7) // 8, "little")
        return b"".join(value.to_bytes(2, "big") for value in answer.values)

    async def write_coil(self, unit: int, address: int, value: bool) -> BusFailure | None:
        return await self._write(Request(unit, Table.COIL, address, 1, (int(value),)))

    async def write_register(self, unit: int, address: int, value: int) -> BusFailure | None:
        return await self._write(Request(unit, Table.HOLDING, address, 1, (value,)))

    async def close(self) -> None:
        self._closed = True

    async def _write(self, request: Request) -> BusFailure | None:
        answer = await self._ask(request, urgent=True)
        return answer if isinstance(answer, BusFailure) else None

    async def _ask(self, request: Request, *, urgent: bool) -> Answer | BusFailure:
        async with self._gate.turn(urgent=urgent):
            if self._closed or not self._connected:
                return BusFailure(NoData.DISCONNECTED, "closed" if self._closed else "unplugged")
            answer = self._handler(request)
            late = answer.silent or answer.delay_s >= self._timeout_s
            await asyncio.sleep(self._timeout_s if late else answer.delay_s)
            if not self._connected:
                return BusFailure(NoData.DISCONNECTED, "unplugged")
            if late:
                return BusFailure(NoData.TIMEOUT, f"no answer in {self._timeout_s * 1000:.0f} ms")
            if answer.unit not in (-1, request.unit):
                return BusFailure(NoData.MALFORMED, "only answers to other requests")
            if answer.exception:
                text = EXCEPTIONS.get(answer.exception, "unknown exception")
                return BusFailure(NoData.EXCEPTION, f"{answer.exception} {text}")
            if not request.is_write and len(answer.values) != request.size:
                return BusFailure(NoData.MALFORMED, f"{len(answer.values)} values, asked were {request.size}")
            return answer
