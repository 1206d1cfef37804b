"""The three adapters under one contract: a real TCP socket, a real pseudo-terminal, and the bus in this process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.devices.plan import BusPlan
from shared.domain.errors import ConfigError
from shared.fieldbus.device_side import PtyServer, TcpServer
from shared.fieldbus.lines import open_line, split_address
from shared.fieldbus.simulated import SimulatedBus
from tests.fieldbus.contract import TIMEOUT_MS, BusContract, Rig
from tests.fieldbus.slave import Slave


def plan(*, tcp: str = "", serial: str = "", simulated: str = "") -> BusPlan:
    """A bus of this kind."""
    return BusPlan("b1", tcp, serial, simulated, TIMEOUT_MS)


class TestModbusTcp(BusContract):
    """pymodbus's client on a loopback socket."""

    @pytest.fixture
    async def rig(self) -> AsyncIterator[Rig]:
        """A server on a free port."""
        slave = Slave()
        server = TcpServer(slave.handle)
        port = await server.open("127.0.0.1", 0)
        line = open_line(plan(tcp=f"127.0.0.1:{port}"))
        yield Rig(line, slave, server.cut, server.mend)
        await line.reader.close()
        await server.close()


class TestModbusRtu(BusContract):
    """pyserial on a pseudo-terminal."""

    @pytest.fixture
    async def rig(self, tmp_path: Path) -> AsyncIterator[Rig]:
        """A slave at the end of a pseudo-terminal."""
        slave = Slave()
        server = PtyServer(slave.handle)
        server.open(tmp_path / "line")
        line = open_line(plan(serial=str(tmp_path / "line")))
        yield Rig(line, slave, server.cut, server.mend)
        await line.reader.close()
        await server.close()


class TestSimulatedBus(BusContract):
    """The bus without wires."""

    @pytest.fixture
    async def rig(self) -> AsyncIterator[Rig]:
        """A slave behind a function call."""
        slave = Slave()
        bus = SimulatedBus(slave.handle, TIMEOUT_MS)

        async def pull() -> None:
            bus.connected = False

        async def plug() -> None:
            bus.connected = True

        yield Rig(open_line(plan(simulated="sim"), {"sim": bus}), slave, pull, plug)


def test_a_bus_that_is_nothing_is_refused() -> None:
    """An unknown simulated bus and an address that is none raise ConfigError with the text in it."""
    with pytest.raises(ConfigError, match="no simulated bus 'x'"):
        open_line(plan(simulated="x"))
    for text in ("", "host", "host:", "host:99999", "host:-1", ":80", "host:٣"):
        with pytest.raises(ConfigError):
            split_address(text)
    assert split_address("[::1]:502") == ("::1", 502)
