"""Modbus RTU on a serial line: pyserial's blocking reads in a thread of the line's own.

Promises: the device is opened exclusively; the line is drained before each request; a reply counts only when unit,
function, length and CRC are those of the request. An unplugged adapter answers DISCONNECTED, and the device is opened
again after 0.1 s doubling to 2 s.
Late replies: nothing on a serial line says which request a reply belongs to. So after a request without an answer, no
other read of that unit and function is sent until two timeouts have passed. The same request is: either answer is its
answer. So are all others, and writes, which are echoed: a late answer among theirs is put aside as foreign.
Limits: 64 calls waiting. ``close`` waits END_S for a call that is under way; a thread that the adapter's driver holds
for longer is left behind, and gives the device back by itself when it is let go.

    timeout: to the first byte, counted from the end of sending; then 30 ms plus 3.5 characters between bytes at most.
"""

import asyncio
import errno
import heapq
import termios
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

import serial

from shared.devices.profile import Table
from shared.domain.units import NoData
from shared.fieldbus.exchange import (
    Exchange,
    Verdict,
    check_reply,
    coil_exchange,
    find_rtu,
    malformed,
    read_exchange,
    register_exchange,
    rtu_frame,
    split_rtu,
)
from shared.fieldbus.port import BusFailure

REOPEN_FIRST_S = 0.1
REOPEN_MAX_S = 2.0
WAITING_MAX = 64
END_S = 5.0
TROUBLE = (OSError, serial.SerialException, termios.error)
"""What an adapter that is pulled, taken or strange raises; termios.error is a class of its own."""
BYTE_GAP_S = 0.03
"""USB adapters hand bytes over in lots, 16 ms apart by default."""
QUIET_MAX_S = 0.1
"""A line that never falls silent is not waited for longer than this before a request."""

Answer = bytes | BusFailure


@dataclass(order=True, slots=True)
class _Job:
    rank: tuple[int, int]
    """0 for writes and 1 for reads, then the order of arrival."""
    exchange: Exchange = field(compare=False)
    done: "asyncio.Future[Answer]" = field(compare=False)
    loop: asyncio.AbstractEventLoop = field(compare=False)


class RtuLine:
    """Reader and Writer of one serial line. The thread starts with the first request and ends with ``close``."""

    def __init__(self, path: str, *, baud: int, parity: str, stop_bits: int, timeout_ms: int) -> None:
        self._path = path
        self._baud = baud
        self._parity = parity
        self._stop_bits = stop_bits
        self._timeout_s = timeout_ms / 1000
        self._character_s = (9 + (parity != "N") + stop_bits) / baud
        self._change = threading.Condition()
        self._jobs: list[_Job] = []
        self._arrivals = 0
        self._thread: threading.Thread | None = None
        self._closed = False
        self._connections = 0
        self._port: serial.Serial | None = None
        self._reopen_s = REOPEN_FIRST_S
        self._reopen_at = 0.0
        self._owed: dict[tuple[int, int], tuple[float, Exchange]] = {}
        """Reads whose answer may still come, by unit and function: until when, and to which request."""

    @property
    def connections(self) -> int:
        return self._connections

    async def read(self, unit: int, table: Table, address: int, count: int) -> bytes | BusFailure:
        return await self._call(read_exchange(unit, table, address, count), urgent=False)

    async def write_coil(self, unit: int, address: int, value: bool) -> BusFailure | None:
        answer = await self._call(coil_exchange(unit, address, value=value), urgent=True)
        return answer if isinstance(answer, BusFailure) else None

    async def write_register(self, unit: int, address: int, value: int) -> BusFailure | None:
        answer = await self._call(register_exchange(unit, address, value), urgent=True)
        return answer if isinstance(answer, BusFailure) else None

    async def close(self) -> None:
        with self._change:
            self._closed = True
            self._change.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, END_S)

    async def _call(self, exchange: Exchange, *, urgent: bool) -> Answer:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Answer] = loop.create_future()
        with self._change:
            if self._closed:
                return self._disconnected("closed")
            if len(self._jobs) >= WAITING_MAX:
                return BusFailure(NoData.TIMEOUT, f"{WAITING_MAX} requests wait for the line")
            self._arrivals += 1
            rank = (0 if urgent else 1, self._arrivals)
            heapq.heappush(self._jobs, _Job(rank, exchange, done, loop))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"rtu {self._path}", daemon=True)
                self._thread.start()
            self._change.notify()
        return await done

    def _disconnected(self, why: str) -> BusFailure:
        return BusFailure(NoData.DISCONNECTED, f"{self._path} {why}")

    # ---- from here on in the line's thread ----

    def _run(self) -> None:
        """Works until closed. Should it end by an error of its own, nobody is left waiting and the next call begins
        anew with a fresh thread."""
        job = None
        try:
            while (job := self._next_job()) is not None:
                _deliver(job, self._attempt(job))
        finally:
            self._close_port()
            with self._change:
                self._thread = None if not self._closed else self._thread
                left, self._jobs = self._jobs, []
            for one in [*left, *([job] if job is not None else [])]:
                _deliver(one, self._disconnected("closed" if self._closed else "the line's thread has ended"))

    def _next_job(self) -> _Job | None:
        """The next that may be sent now; waits."""
        with self._change:
            while not self._closed:
                now = time.monotonic()
                self._owed = {key: owed for key, owed in self._owed.items() if owed[0] > now}
                for job in sorted(self._jobs):
                    owed = self._owed.get((job.exchange.unit, job.exchange.function))
                    if owed is None or job.exchange == owed[1]:
                        self._jobs.remove(job)
                        heapq.heapify(self._jobs)
                        return job
                self._change.wait(min(owed[0] for owed in self._owed.values()) - now if self._jobs else None)
        return None

    def _attempt(self, job: _Job) -> Answer:
        if job.done.cancelled():
            return self._disconnected("nobody waits")
        try:
            port = self._open_port()
            if port is None:
                return self._disconnected("not open")
            self._drain(port)
            port.write(rtu_frame(job.exchange))
            port.flush()
            return self._receive(port, job)
        except TROUBLE as error:
            self._close_port()
            self._reopen_at = time.monotonic() + self._reopen_s
            return self._disconnected(str(error))

    def _receive(self, port: serial.Serial, job: _Job) -> Answer:
        """Listens until the answer is there, the line falls silent in the middle of one, or the time is over."""
        exchange = job.exchange
        data = b""
        failure = BusFailure(NoData.TIMEOUT, f"no answer in {self._timeout_s * 1000:.0f} ms")
        gap_s = BYTE_GAP_S + 3.5 * self._character_s
        heard_at = time.monotonic()
        deadline = heard_at + self._timeout_s
        last = deadline + gap_s + 1.5 * self._character_s * (exchange.reply_length + 3)
        while True:
            got = port.read(max(1, port.in_waiting))
            now = time.monotonic()
            if got:
                data, heard_at = data + got, now
            verdict, used, pdu = split_rtu(data, exchange)
            while verdict is Verdict.FOREIGN:
                data, failure = data[used:], malformed("only answers to other requests")
                verdict, used, pdu = split_rtu(data, exchange)
            found = pdu if verdict is Verdict.MINE else find_rtu(data, exchange)
            if found is not None:
                return check_reply(exchange, found)
            if data and (now - heard_at > gap_s or now > last):
                what = "a damaged answer" if verdict is Verdict.GARBAGE else "an answer cut off"
                return malformed(f"{what} of {len(data)} bytes")
            if not data and now >= deadline:
                if exchange.size:
                    self._owed[exchange.unit, exchange.function] = (now + 2 * self._timeout_s, exchange)
                return failure

    def _drain(self, port: serial.Serial) -> None:
        """Throws away what stands on the line until it is silent for 3.5 characters (1.75 ms at least)."""
        end = time.monotonic() + QUIET_MAX_S
        while port.in_waiting and time.monotonic() < end:
            port.reset_input_buffer()
            time.sleep(max(0.00175, 3.5 * self._character_s))

    def _open_port(self) -> serial.Serial | None:
        if self._port is not None or time.monotonic() < self._reopen_at:
            return self._port
        self._reopen_s = min(2 * self._reopen_s, REOPEN_MAX_S)
        port = serial.Serial(
            baudrate=self._baud, stopbits=self._stop_bits, timeout=0.01, write_timeout=1, exclusive=True
        )
        port.parity = self._parity
        port.port = self._path
        try:
            port.open()
        except (OSError, termios.error) as error:
            if error.args[:1] != (errno.EINVAL,) or self._parity == serial.PARITY_NONE:
                raise
            port.parity = serial.PARITY_NONE  # A pseudo-terminal has no parity bit and may refuse to be told of one.
            port.open()
        self._port = port
        self._connections += 1
        self._reopen_s = REOPEN_FIRST_S
        return port

    def _close_port(self) -> None:
        if self._port is not None:
            with suppress(*TROUBLE):
                self._port.close()
        self._port = None


def _deliver(job: _Job, answer: Answer) -> None:
    def settle() -> None:
        if not job.done.done():
            job.done.set_result(answer)

    with suppress(RuntimeError):  # The loop of who asked is gone: nobody waits.
        job.loop.call_soon_threadsafe(settle)
