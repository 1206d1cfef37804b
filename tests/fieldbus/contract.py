"""What every field bus must do, whatever it is made of: inherited by the tests of each adapter."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from shared.devices.profile import Table
from shared.domain.units import NoData
from shared.fieldbus.device_side import Answer
from shared.fieldbus.port import BusFailure, Line
from tests.fieldbus.slave import DEAD_UNIT, Slave

TIMEOUT_MS = 150
LATE_S = 0.2
"""Later than the timeout, and early enough to come in the middle of what is asked next."""


@dataclass
class Rig:
    """An adapter, the slave at its other end, and the plug between them."""

    line: Line
    slave: Slave
    pull: Callable[[], Awaitable[None]]
    plug: Callable[[], Awaitable[None]]


async def eventually(ask: Callable[[], Awaitable[bool]]) -> bool:
    """True as soon as ``ask`` says so; False after ten seconds."""
    for _ in range(500):
        if await ask():
            return True
        await asyncio.sleep(0.02)
    return False


def why(answer: bytes | BusFailure | None) -> NoData:
    """The reason of a failure; PRESENT for an answer."""
    return answer.reason if isinstance(answer, BusFailure) else NoData.PRESENT


async def too_late(rig: Rig, ask: Callable[[], Awaitable[bytes | BusFailure | None]]) -> None:
    """Asks until an answer came after its timeout; where this process stood still an answer may have overtaken it."""
    for _ in range(20):
        rig.slave.answers = [Answer(delay_s=LATE_S)]
        if why(await ask()) is NoData.TIMEOUT:
            return
    raise AssertionError("every answer came in time")


class BusContract:
    """The tests; a subclass brings the fixture ``rig``."""

    async def test_registers_come_high_byte_first(self, rig: Rig) -> None:
        """Holding and input registers are two bytes each, in address order."""
        assert await rig.line.reader.read(1, Table.HOLDING, 254, 3) == b"\x00\xfe\x00\xff\x01\x00"
        assert await rig.line.reader.read(1, Table.INPUT, 0, 2) == b"\x03\xe8\x03\xe9"

    async def test_bits_come_lowest_address_first(self, rig: Rig) -> None:
        """Coils and discrete inputs are packed from bit 0 on, in as few bytes as hold them."""
        assert await rig.line.reader.read(1, Table.COIL, 0, 10) == b"\x49\x02"
        assert await rig.line.reader.read(1, Table.DISCRETE, 5, 6) == b"\x21"

    async def test_the_largest_reads_work(self, rig: Rig) -> None:
        """125 registers and 2000 bits come in one request each."""
        words = await rig.line.reader.read(1, Table.HOLDING, 100, 125)
        bits = await rig.line.reader.read(1, Table.COIL, 0, 2000)
        assert isinstance(words, bytes) and words[-2:] == (224).to_bytes(2, "big")
        assert isinstance(bits, bytes) and len(bits) == 250
        assert len(rig.slave.requests) == 2

    async def test_a_read_outside_modbus_is_the_caller_s_mistake(self, rig: Rig) -> None:
        """126 registers, an address over the end and a unit over 255 are never sent."""
        for unit, address, count in ((1, 0, 126), (1, 65_535, 2), (256, 0, 1), (1, 0, 0)):
            with pytest.raises(ValueError, match="cannot read"):
                await rig.line.reader.read(unit, Table.HOLDING, address, count)
        assert not rig.slave.requests

    async def test_writes_take_effect(self, rig: Rig) -> None:
        """A coil and a register hold what was written, both ways."""
        assert await rig.line.writer.write_coil(1, 7, True) is None  # noqa: FBT003
        assert await rig.line.writer.write_coil(1, 0, False) is None  # noqa: FBT003
        assert await rig.line.writer.write_register(1, 100, 30) is None
        assert (rig.slave.coils[7], rig.slave.coils[0], rig.slave.holding[100]) == (1, 0, 30)

    async def test_an_exception_is_told_with_its_code(self, rig: Rig) -> None:
        """Reading and writing what is not there answer EXCEPTION with code 2, and the next request works."""
        answer = await rig.line.reader.read(1, Table.HOLDING, 299, 2)
        assert why(answer) is NoData.EXCEPTION
        assert isinstance(answer, BusFailure) and answer.detail.startswith("2 ")
        assert why(await rig.line.writer.write_coil(1, 5000, True)) is NoData.EXCEPTION  # noqa: FBT003
        assert await rig.line.reader.read(1, Table.HOLDING, 5, 1) == b"\x00\x05"

    async def test_silence_is_a_timeout_after_one_attempt(self, rig: Rig) -> None:
        """A dead unit is asked once per call, and a live one on the same line is heard right after."""
        assert why(await rig.line.reader.read(DEAD_UNIT, Table.HOLDING, 0, 1)) is NoData.TIMEOUT
        assert why(await rig.line.writer.write_coil(DEAD_UNIT, 0, True)) is NoData.TIMEOUT  # noqa: FBT003
        assert [request.unit for request in rig.slave.requests] == [DEAD_UNIT, DEAD_UNIT]
        assert await rig.line.reader.read(1, Table.HOLDING, 5, 1) == b"\x00\x05"

    async def test_the_answer_of_another_unit_is_refused(self, rig: Rig) -> None:
        """A reply that claims another unit is MALFORMED, for reads and for writes."""
        rig.slave.answers = [Answer(unit=2), Answer(unit=2)]
        assert why(await rig.line.reader.read(1, Table.HOLDING, 0, 1)) is NoData.MALFORMED
        assert why(await rig.line.writer.write_register(1, 0, 5)) is NoData.MALFORMED

    async def test_a_late_answer_is_never_taken_for_the_next(self, rig: Rig) -> None:
        """The answer to registers 10 that comes after its timeout is not what registers 20 are said to hold."""
        await too_late(rig, lambda: rig.line.reader.read(1, Table.HOLDING, 10, 2))
        rig.slave.answers = [Answer(delay_s=0.1)]
        after = await rig.line.reader.read(1, Table.HOLDING, 20, 2)
        assert after == b"\x00\x14\x00\x15" or why(after) in (NoData.MALFORMED, NoData.TIMEOUT)
        assert await rig.line.reader.read(1, Table.HOLDING, 30, 2) == b"\x00\x1e\x00\x1f"

    async def test_a_late_echo_is_never_taken_for_the_next_write(self, rig: Rig) -> None:
        """A coil write whose echo never comes is not confirmed by the echo of the write before it."""
        await too_late(rig, lambda: rig.line.writer.write_coil(1, 1, True))  # noqa: FBT003
        rig.slave.answers = [Answer(silent=True)]
        assert why(await rig.line.writer.write_coil(1, 2, True)) is not NoData.PRESENT  # noqa: FBT003

    async def test_a_pulled_plug_is_told_and_mended(self, rig: Rig) -> None:
        """Without the line every call is DISCONNECTED; when it is back the same line works, as a new connection."""
        assert await rig.line.reader.read(1, Table.HOLDING, 5, 1) == b"\x00\x05"
        before = rig.line.reader.connections
        await rig.pull()
        assert await eventually(lambda: _is(rig, NoData.DISCONNECTED))
        assert why(await rig.line.writer.write_coil(1, 0, True)) is NoData.DISCONNECTED  # noqa: FBT003
        await rig.plug()
        assert await eventually(lambda: _is(rig, NoData.PRESENT))
        assert rig.line.reader.connections > before

    async def test_a_closed_line_answers_disconnected(self, rig: Rig) -> None:
        """After close nothing is sent any more, and calls end at once."""
        await rig.line.reader.read(1, Table.HOLDING, 5, 1)
        await rig.line.reader.close()
        assert why(await rig.line.reader.read(1, Table.HOLDING, 5, 1)) is NoData.DISCONNECTED
        assert len(rig.slave.requests) == 1

    async def test_a_write_goes_before_the_reads_that_wait(self, rig: Rig) -> None:
        """Five reads are asked for, then a write: it is the second request on the line."""
        await rig.line.reader.read(1, Table.HOLDING, 0, 1)
        rig.slave.requests.clear()
        rig.slave.delay_s = 0.05
        reads = [asyncio.create_task(rig.line.reader.read(1, Table.HOLDING, n, 1)) for n in range(5)]
        while not rig.slave.requests:
            await asyncio.sleep(0.005)
        assert await rig.line.writer.write_coil(1, 1, True) is None  # noqa: FBT003
        await asyncio.gather(*reads)
        assert [request.is_write for request in rig.slave.requests] == [False, True, False, False, False, False]

    async def test_many_callers_get_their_own_answers(self, rig: Rig) -> None:
        """Forty reads at once are all answered, each with its own registers."""
        answers = await asyncio.gather(*(rig.line.reader.read(1, Table.HOLDING, n, 1) for n in range(40)))
        assert answers == [n.to_bytes(2, "big") for n in range(40)]

    async def test_a_caller_that_gives_up_disturbs_nobody(self, rig: Rig) -> None:
        """A read cancelled while it waits or while it is on the line leaves the line to the others."""
        await rig.line.reader.read(1, Table.HOLDING, 0, 1)
        rig.slave.delay_s = 0.03
        tasks = [asyncio.create_task(rig.line.reader.read(1, Table.HOLDING, n, 1)) for n in range(4)]
        await asyncio.sleep(0.01)
        tasks[0].cancel()
        tasks[2].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(done[0], asyncio.CancelledError) and isinstance(done[2], asyncio.CancelledError)
        assert done[3] == b"\x00\x03" and done[1] == b"\x00\x01"

    async def test_a_cancelled_read_ends_as_cancelled(self, rig: Rig) -> None:
        """Also when its answer comes in the same turn of the loop: who stops a poller does not wait for ever."""
        for turns in range(150):
            task = asyncio.create_task(rig.line.reader.read(1, Table.HOLDING, 0, 1))
            for _ in range(turns % 15):
                await asyncio.sleep(0)
            await asyncio.sleep(turns * 10e-6)
            is_over = task.done()
            task.cancel()
            await asyncio.wait([task])
            assert is_over or task.cancelled()


async def _is(rig: Rig, reason: NoData) -> bool:
    return why(await rig.line.reader.read(1, Table.HOLDING, 5, 1)) is reason
