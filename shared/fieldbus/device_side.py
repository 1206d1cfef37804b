"""The other end of a Modbus line: answers requests over TCP or on a pseudo-terminal, with pymodbus's framers.

Used by simulated devices (and by whoever offers registers to others). What a request means is the handler's; an
:class:`Answer` may also misbehave on purpose: be late, silent, come from another unit or carry an exception.
Promises: functions 01-06, 15 and 16; anything else is exception 1; a handler is asked once a request, in order of
arrival; a late answer does not hold up the next request.
Limits: 16 TCP connections a port, 300 bytes of an incomplete request.
"""

import asyncio
import logging
import os
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerBase, FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu import bit_message as bits
from pymodbus.pdu import register_message as registers

from shared.devices.profile import Table

CONNECTIONS_MAX = 16
INCOMPLETE_MAX = 300
RTU_GAP_S = 0.05
ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3

_READS = {1: Table.COIL, 2: Table.DISCRETE, 3: Table.HOLDING, 4: Table.INPUT}
_WRITES = {5: Table.COIL, 15: Table.COIL, 6: Table.HOLDING, 16: Table.HOLDING}


class Request(NamedTuple):
    """What a master asks for: ``values`` is empty for a read of ``size`` registers or bits."""

    unit: int
    table: Table
    address: int
    size: int
    values: tuple[int, ...]

    @property
    def is_write(self) -> bool:
        return bool(self.values)


class Answer(NamedTuple):
    """What goes back. ``values`` holds as many registers or bits as were asked for, and nothing for a write."""

    values: tuple[int, ...] = ()
    exception: int = 0
    silent: bool = False
    delay_s: float = 0.0
    unit: int = -1
    """Not -1: the unit id that the answer claims."""


Handler = Callable[[Request], Answer]


def respond(handler: Handler, pdu: ModbusPDU) -> tuple[ModbusPDU | None, float]:
    """The response to a decoded request (None for silence), and how long to hold it back in seconds."""
    function = pdu.function_code
    if function in _READS:
        request = Request(pdu.dev_id, _READS[function], pdu.address, pdu.count, ())
    elif function in _WRITES:
        values = tuple(int(value) for value in (pdu.bits[: pdu.count or 1] if function in (5, 15) else pdu.registers))
        request = Request(pdu.dev_id, _WRITES[function], pdu.address, len(values), values)
    else:
        return _addressed(ExceptionResponse(function, ILLEGAL_FUNCTION), pdu, -1), 0.0
    answer = handler(request)
    if answer.silent:
        return None, 0.0
    response = ExceptionResponse(function, answer.exception) if answer.exception else _good(pdu, request, answer)
    return _addressed(response, pdu, answer.unit), answer.delay_s


def _good(pdu: ModbusPDU, request: Request, answer: Answer) -> ModbusPDU:
    values = answer.values
    match pdu.function_code:
        case 1:
            return bits.ReadCoilsResponse(bits=[bool(value) for value in values])
        case 2:
            return bits.ReadDiscreteInputsResponse(bits=[bool(value) for value in values])
        case 3:
            return registers.ReadHoldingRegistersResponse(registers=values)
        case 4:
            return registers.ReadInputRegistersResponse(registers=values)
        case 5:
            return bits.WriteSingleCoilResponse(address=request.address, bits=[bool(request.values[0])])
        case 6:
            return registers.WriteSingleRegisterResponse(address=request.address, registers=request.values)
        case 15:
            return bits.WriteMultipleCoilsResponse(address=request.address, count=request.size)
        case _:
            return registers.WriteMultipleRegistersResponse(address=request.address, count=request.size)


def _addressed(response: ModbusPDU, pdu: ModbusPDU, unit: int) -> ModbusPDU:
    response.dev_id = pdu.dev_id if unit < 0 else unit
    response.transaction_id = pdu.transaction_id
    return response


class _Stream:
    """Bytes of one connection to requests, and responses back."""

    def __init__(self, framer: FramerBase, handler: Handler, send: Callable[[bytes], None]) -> None:
        logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL + 1)
        self._framer = framer
        self._handler = handler
        self._send = send
        self._data = b""

    def forget(self) -> None:
        self._data = b""

    def receive(self, data: bytes) -> None:
        self._data += data
        while self._data:
            try:
                used, pdu = self._framer.handleFrame(self._data, 0, 0)
            except (ModbusException, ValueError, IndexError) as error:
                self._refuse(error)
                return
            if not used and len(self._data) > INCOMPLETE_MAX:
                used = len(self._data)
            self._data = self._data[used:]
            if pdu is not None:
                self._answer(pdu)
            if not used:
                return

    def _answer(self, pdu: ModbusPDU) -> None:
        response, delay_s = respond(self._handler, pdu)
        if response is None:
            return
        packet = self._framer.buildFrame(response)
        if delay_s > 0:
            asyncio.get_running_loop().call_later(delay_s, self._send, packet)
        else:
            self._send(packet)

    def _refuse(self, _error: Exception) -> None:
        """A request that cannot be decoded: over TCP its header still says whom to tell."""
        data, self._data = self._data, b""
        if isinstance(self._framer, FramerSocket) and len(data) >= 8:
            response = ExceptionResponse(data[7] & 0x7F, ILLEGAL_VALUE)
            response.dev_id, response.transaction_id = data[6], int.from_bytes(data[:2], "big")
            self._send(self._framer.buildFrame(response))


class TcpServer:
    """Listens on one loopback port until closed."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._address = ("", 0)

    async def open(self, host: str, port: int) -> int:
        """Starts to listen and gives the port (a free one for 0). Raises OSError when it is taken."""
        self._server = await asyncio.start_server(self._serve, host, port)
        self._address = (host, int(self._server.sockets[0].getsockname()[1]))
        return self._address[1]

    async def cut(self) -> None:
        """Closes the port and every connection, as a pulled cable would look from afar; ``mend`` opens it again."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    async def mend(self) -> None:
        if self._server is None:
            await self.open(*self._address)

    async def close(self) -> None:
        await self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if len(self._writers) >= CONNECTIONS_MAX or task is None:
            writer.transport.abort()
            return
        self._writers.add(writer)
        self._tasks.add(task)

        def send(packet: bytes) -> None:
            if not writer.is_closing():
                writer.write(packet)

        stream = _Stream(FramerSocket(DecodePDU(True)), self._handler, send)  # noqa: FBT003
        try:
            while data := await reader.read(4096):
                stream.receive(data)
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.close()


class PtyServer:
    """One RTU line on a pseudo-terminal; ``link`` is where masters find it (a symbolic link)."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._link: Path | None = None
        self._master = -1
        self._slave = -1

    def open(self, link: Path) -> str:
        """Makes the terminal and the link; gives the terminal's own name. Raises OSError when ``link`` is a file."""
        if link.exists() and not link.is_symlink():
            raise FileExistsError(f"{link} exists and is not a link")
        self._link = link
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        name = os.ttyname(self._slave)
        link.unlink(missing_ok=True)
        link.symlink_to(name)
        stream = _Stream(FramerRTU(DecodePDU(True)), self._handler, self._send)  # noqa: FBT003
        last = [0.0]
        loop = asyncio.get_running_loop()

        def readable() -> None:
            with suppress(BlockingIOError, OSError):
                data = os.read(self._master, 4096)
                if loop.time() - last[0] > RTU_GAP_S:
                    stream.forget()
                last[0] = loop.time()
                stream.receive(data)

        loop.add_reader(self._master, readable)
        return name

    async def cut(self) -> None:
        """The adapter is pulled out: the device is gone for who has it open, and so is the link."""
        self._shut()

    async def mend(self) -> None:
        if self._master < 0 and self._link is not None:
            self.open(self._link)

    async def close(self) -> None:
        self._shut()

    def _shut(self) -> None:
        if self._master < 0:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1
        if self._link is not None:
            self._link.unlink(missing_ok=True)

    def _send(self, packet: bytes) -> None:
        if self._master >= 0:
            with suppress(BlockingIOError, OSError):
                os.write(self._master, packet)
