"""Lines that misbehave below the frame: sliced, doubled, corrupted, half-open, noisy, unplugged, taken."""

import asyncio
import fcntl
import os
import threading
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shared.devices.plan import BusPlan
from shared.devices.profile import Table
from shared.domain.units import NoData
from shared.fieldbus.device_side import TcpServer
from shared.fieldbus.exchange import crc16, read_exchange
from shared.fieldbus.lines import open_line
from shared.fieldbus.port import Line
from shared.fieldbus.rtu import RtuLine
from tests.fieldbus.contract import TIMEOUT_MS, eventually, why
from tests.fieldbus.slave import Slave
from tests.testkit.proxy import FaultProxy, Faults

Reply = Callable[[bytes], list[bytes]]
"""A request to the pieces that are sent back, a few milliseconds apart."""
GOOD = b"\x00\x01\x00\x02"


@asynccontextmanager
async def tcp_device(reply: Reply) -> AsyncIterator[Line]:
    """A line to a TCP server that answers each request with whatever ``reply`` makes of it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.read(300):
                for piece in reply(request):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.005)
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    line = open_line(BusPlan("b", f"127.0.0.1:{server.sockets[0].getsockname()[1]}", "", "", TIMEOUT_MS))
    try:
        yield line
    finally:
        await line.reader.close()
        server.close()


def answer(request: bytes) -> bytes:
    """The good answer to a read of two registers."""
    return request[:4] + b"\x00\x07" + request[6:8] + b"\x04" + GOOD


TCP: list[tuple[str, Reply, bytes | NoData]] = [
    ("one byte at a time", lambda r: [bytes((one,)) for one in answer(r)], GOOD),
    ("twice", lambda r: [answer(r) + answer(r)], GOOD),
    ("after an older one", lambda r: [b"\xff\xff" + answer(r)[2:], answer(r)], GOOD),
    ("together with an older one", lambda r: [b"\xff\xff" + answer(r)[2:] + answer(r)], GOOD),
    ("after another unit's", lambda r: [answer(r)[:6] + b"\x05" + answer(r)[7:] + answer(r)], GOOD),
    ("only an older one", lambda r: [b"\xff\xff" + answer(r)[2:]], NoData.MALFORMED),
    ("no transaction", lambda r: [b"\x00\x00" + answer(r)[2:]], NoData.MALFORMED),
    ("another protocol", lambda r: [r[:2] + b"\x00\x01" + answer(r)[4:]], NoData.MALFORMED),
    ("another function", lambda r: [answer(r)[:7] + b"\x04" + answer(r)[8:]], NoData.MALFORMED),
    ("an unknown function", lambda r: [answer(r)[:7] + b"\x63" + answer(r)[8:]], NoData.MALFORMED),
    ("too few registers", lambda r: [r[:4] + b"\x00\x05" + r[6:8] + b"\x02\x00\x01"], NoData.MALFORMED),
    ("too many registers", lambda r: [r[:4] + b"\x00\x09" + r[6:8] + b"\x06" + GOOD + b"\0\3"], NoData.MALFORMED),
    ("a lying byte count", lambda r: [r[:4] + b"\x00\x07" + r[6:8] + b"\x7e" + GOOD], NoData.MALFORMED),
    ("text", lambda r: [b"HTTP/1.1 400 Bad Request\r\n\r\n"], NoData.MALFORMED),  # noqa: ARG005
    ("a flood", lambda r: [b"\xff" * 70_000], NoData.TIMEOUT),  # noqa: ARG005
    ("half an answer", lambda r: [answer(r)[:9]], NoData.TIMEOUT),
    ("nothing", lambda r: [], NoData.TIMEOUT),  # noqa: ARG005
    ("an empty exception", lambda r: [r[:4] + b"\x00\x02\x01\x83"], NoData.MALFORMED),
]


@pytest.mark.parametrize(("about", "reply", "expected"), TCP, ids=[case[0] for case in TCP])
async def test_a_tcp_reply_counts_only_when_it_is_the_answer(
    about: str, reply: Reply, expected: bytes | NoData
) -> None:
    """However the bytes come, the result is the two registers or a typed reason; asked again it is the same."""
    async with tcp_device(reply) as line:
        first = await line.reader.read(1, Table.HOLDING, 0, 2)
        assert (first if isinstance(expected, bytes) else why(first)) == expected, about
        assert await eventually(lambda: _gives(line, expected))


async def _gives(line: Line, expected: bytes | NoData) -> bool:
    found = await line.reader.read(1, Table.HOLDING, 0, 2)
    return (found if isinstance(expected, bytes) else why(found)) == expected


async def test_a_device_that_sends_unasked_disturbs_nothing() -> None:
    """Frames and noise that come between requests are not taken for the next answer."""
    async with tcp_device(lambda r: [answer(r), b"\x09\x09" + answer(r)[2:], answer(r)[:5]]) as line:
        for _ in range(5):
            await asyncio.sleep(0.02)
            assert await _gives(line, GOOD) or await _gives(line, GOOD)


async def test_silence_stays_a_timeout_also_when_the_connection_is_given_up_for_it() -> None:
    """A host that takes requests and never answers is silent, not gone: what it was connected by was ended by us."""
    async with tcp_device(lambda _: []) as line:
        outcomes = {why(await line.reader.read(1, Table.HOLDING, 0, 2)) for _ in range(9)}
        assert outcomes == {NoData.TIMEOUT}
        assert line.reader.connections == 2


async def test_a_reset_in_the_middle_of_a_request_is_disconnected_at_once() -> None:
    """A connection that ends while an answer is awaited is told as such, and the next request finds a new one."""
    slave = Slave()
    server = TcpServer(slave.handle)
    port = await server.open("127.0.0.1", 0)
    with FaultProxy("127.0.0.1", port) as proxy:
        line = open_line(BusPlan("b", f"127.0.0.1:{proxy.port}", "", "", 3000))
        assert why(await line.reader.read(1, Table.HOLDING, 0, 1)) is NoData.PRESENT
        slave.delay_s = 1.0
        task = asyncio.create_task(line.reader.read(1, Table.HOLDING, 0, 1))
        while len(slave.requests) < 2:
            await asyncio.sleep(0.01)
        proxy.reset()
        assert why(await task) is NoData.DISCONNECTED
        slave.delay_s = 0.0
        assert await eventually(lambda: _gives_zero(line))
        assert line.reader.connections == 2
        await line.reader.close()
    await server.close()


async def test_a_half_open_connection_is_given_up_and_made_anew() -> None:
    """A peer that takes requests and never answers is left after a few, and a fresh connection is tried."""
    slave = Slave()
    server = TcpServer(slave.handle)
    port = await server.open("127.0.0.1", 0)
    with FaultProxy("127.0.0.1", port) as proxy:
        line = open_line(BusPlan("b", f"127.0.0.1:{proxy.port}", "", "", 50))
        assert await eventually(lambda: _gives_zero(line))
        proxy.faults = Faults(swallow_down=True)
        assert await eventually(lambda: _connected_again(line))
        proxy.faults = Faults()
        assert await eventually(lambda: _gives_zero(line))
        await line.reader.close()
    await server.close()


async def _gives_zero(line: Line) -> bool:
    return await line.reader.read(1, Table.HOLDING, 0, 1) == b"\0\0"


async def _connected_again(line: Line) -> bool:
    await line.reader.read(1, Table.HOLDING, 0, 1)
    return line.reader.connections > 1


async def test_corrupted_bytes_never_become_a_failure_without_reason() -> None:
    """With every twentieth byte flipped each read is the right length or a typed reason, and clean bytes work again."""
    slave = Slave()
    server = TcpServer(slave.handle)
    port = await server.open("127.0.0.1", 0)
    with FaultProxy("127.0.0.1", port) as proxy:
        line = open_line(BusPlan("b", f"127.0.0.1:{proxy.port}", "", "", 50))
        proxy.faults = Faults(corrupt_every=20, slice_bytes=3)
        for _ in range(30):
            found = await line.reader.read(1, Table.HOLDING, 0, 2)
            assert (isinstance(found, bytes) and len(found) == 4) or why(found) is not NoData.PRESENT
        proxy.faults = Faults()
        assert await eventually(lambda: _gives_zero(line))
        await line.reader.close()
    await server.close()


@asynccontextmanager
async def serial_device(folder: Path, reply: Reply) -> AsyncIterator[tuple[Line, int]]:
    """A line to a pseudo-terminal that answers each request with whatever ``reply`` makes of it; and its master."""
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    loop = asyncio.get_running_loop()
    (folder / "line").symlink_to(os.ttyname(slave))

    async def send(pieces: list[bytes]) -> None:
        for piece in pieces:
            os.write(master, piece)
            await asyncio.sleep(0.005)

    tasks = set()

    def readable() -> None:
        task = asyncio.ensure_future(send(reply(os.read(master, 300))))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.add_reader(master, readable)
    line = open_line(BusPlan("b", "", str(folder / "line"), "", TIMEOUT_MS))
    try:
        yield line, slave
    finally:
        await line.reader.close()
        loop.remove_reader(master)
        await asyncio.gather(*tasks)
        os.close(master)
        os.close(slave)


def framed(data: bytes) -> bytes:
    """These bytes with their CRC."""
    return data + crc16(data)


RIGHT = framed(b"\x01\x03\x04" + GOOD)
SERIAL: list[tuple[str, list[bytes], bytes | NoData]] = [
    ("one byte at a time", [bytes((one,)) for one in RIGHT], GOOD),
    ("behind a stray zero", [b"\x00" + RIGHT], GOOD),
    ("behind the echo of the request", [framed(read_exchange(1, Table.HOLDING, 0, 2).pdu), RIGHT], GOOD),
    ("behind another unit's answer", [framed(b"\x07\x03\x04" + GOOD) + RIGHT], GOOD),
    ("behind a longer answer", [framed(b"\x01\x03\x06\0\7\0\7\0\7"), RIGHT], GOOD),
    ("another unit's alone", [framed(b"\x07\x03\x04" + GOOD)], NoData.MALFORMED),
    ("a wrong CRC", [RIGHT[:-1] + b"\x00"], NoData.MALFORMED),
    ("cut off", [RIGHT[:6]], NoData.MALFORMED),
    ("noise", [b"\xff\xfe\xfd\xfc\xfb\xfa" * 10], NoData.MALFORMED),
    ("an exception", [framed(b"\x01\x83\x04")], NoData.EXCEPTION),
    ("nothing", [], NoData.TIMEOUT),
]


@pytest.mark.parametrize(("about", "pieces", "expected"), SERIAL, ids=[case[0] for case in SERIAL])
async def test_a_serial_reply_counts_only_when_it_is_the_answer(
    about: str, pieces: list[bytes], expected: bytes | NoData, tmp_path: Path
) -> None:
    """However the bytes come, the result is the two registers or a typed reason; asked again it is the same."""
    async with serial_device(tmp_path, lambda _request: pieces) as (line, _):
        for _ in range(2):
            found = await line.reader.read(1, Table.HOLDING, 0, 2)
            assert (found if isinstance(expected, bytes) else why(found)) == expected, about


async def test_a_serial_device_that_another_program_holds_is_told(tmp_path: Path) -> None:
    """The device is opened exclusively: while another program holds its lock the line is DISCONNECTED."""
    async with serial_device(tmp_path, lambda _request: [RIGHT]) as (line, slave):
        fcntl.flock(slave, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert why(await line.reader.read(1, Table.HOLDING, 0, 2)) is NoData.DISCONNECTED
        fcntl.flock(slave, fcntl.LOCK_UN)
        assert await eventually(lambda: _gives(line, GOOD))


async def test_a_serial_device_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A path that does not exist answers DISCONNECTED and never raises."""
    line = open_line(BusPlan("b", "", str(tmp_path / "nothing"), "", TIMEOUT_MS))
    for _ in range(3):
        assert why(await line.reader.read(1, Table.HOLDING, 0, 2)) is NoData.DISCONNECTED
    await line.reader.close()


async def test_a_terminal_that_was_used_before_opens_again(tmp_path: Path) -> None:
    """The second program on a terminal finds its settings made, parity and all, and works the same."""
    async with serial_device(tmp_path, lambda _request: [RIGHT]) as (line, _):
        assert await _gives(line, GOOD)
        await line.reader.close()
        for parity in ("E", "N", "O"):
            again = open_line(BusPlan("b", "", str(tmp_path / "line"), "", TIMEOUT_MS, parity=parity))
            assert await _gives(again, GOOD)
            await again.reader.close()


async def test_an_error_of_the_line_s_own_leaves_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the thread ends by a fault nobody foresaw, its callers hear DISCONNECTED and the next call works."""
    async with serial_device(tmp_path, lambda _request: [RIGHT]) as (line, _):
        assert await _gives(line, GOOD)
        seen = []
        monkeypatch.setattr(threading, "excepthook", lambda hook: seen.append(hook.exc_type))
        with monkeypatch.context() as broken:
            broken.setattr(RtuLine, "_drain", lambda _self, _port: 1 / 0)
            both = await asyncio.gather(*(line.reader.read(1, Table.HOLDING, 0, 2) for _ in range(2)))
            assert {why(one) for one in both} == {NoData.DISCONNECTED}
        assert await eventually(lambda: _gives(line, GOOD))
        assert ZeroDivisionError in seen


async def test_a_thread_that_a_driver_holds_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line is closed within its time; the thread gives the device back by itself when the driver lets it go."""
    monkeypatch.setattr("shared.fieldbus.rtu.END_S", 0.1)
    begun, go, given_back = threading.Event(), threading.Event(), threading.Event()

    def held(_self: RtuLine) -> None:
        begun.set()
        go.wait(60)

    monkeypatch.setattr(RtuLine, "_open_port", held)
    monkeypatch.setattr(RtuLine, "_close_port", lambda _self: given_back.set())
    line = open_line(BusPlan("b", "", str(tmp_path / "line"), "", TIMEOUT_MS))
    asking = asyncio.create_task(line.reader.read(1, Table.HOLDING, 0, 2))
    assert await asyncio.to_thread(begun.wait, 60)
    closing = asyncio.create_task(line.reader.close())
    done, _ = await asyncio.wait([closing], timeout=30)
    was_held = not given_back.is_set()
    go.set()
    await closing
    assert done == {closing}
    assert was_held
    assert why(await asking) is NoData.DISCONNECTED
    assert given_back.wait(60)
