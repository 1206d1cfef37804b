"""Which adapter a bus of the site gets: the one place that knows them all."""

from collections.abc import Mapping

from shared.devices.plan import BusPlan
from shared.domain.errors import ConfigError
from shared.fieldbus.port import Line
from shared.fieldbus.rtu import RtuLine
from shared.fieldbus.simulated import SimulatedBus
from shared.fieldbus.tcp import TcpLine

NO_BUSES: Mapping[str, SimulatedBus] = {}


def open_line(plan: BusPlan, simulated: Mapping[str, SimulatedBus] = NO_BUSES) -> Line:
    """Both ends of a bus. Nothing is opened before the first request; use it inside a running event loop.

    Raises ConfigError for an address that cannot be one: the site file's check has refused it before.
    """
    if plan.tcp:
        host, port = split_address(plan.tcp)
        tcp = TcpLine(host, port, plan.timeout_ms)
        return Line(tcp, tcp)
    if plan.serial:
        rtu = RtuLine(
            plan.serial, baud=plan.baud, parity=plan.parity, stop_bits=plan.stop_bits, timeout_ms=plan.timeout_ms
        )
        return Line(rtu, rtu)
    bus = simulated.get(plan.simulated)
    if bus is None:
        raise ConfigError(f"bus {plan.id}: there is no simulated bus {plan.simulated!r}")
    return Line(bus, bus)


def split_address(text: str) -> tuple[str, int]:
    """``host:port``, an IPv6 host in brackets. Raises ConfigError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not port.isascii() or not 0 <= int(port[:6]) <= 65_535:
        raise ConfigError(f"{text!r} is not an address: write host:port")
    return host.removeprefix("[").removesuffix("]"), int(port)
