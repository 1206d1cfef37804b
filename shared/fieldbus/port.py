"""The field-bus port: bytes to and from devices, without meaning. Adapters: Modbus TCP, Modbus RTU, simulated.

Calls may come from several tasks: the adapter serialises them, one request on the line at a time, and a write that
waits goes before every read that waits. A call is one attempt and ends within the bus's timeout (on a serial line plus
the time the bytes take): who calls decides whether to try again, so that a write never waits for somebody's second try.
Trouble is a value (:class:`BusFailure`), never an exception. Reading and writing are two types on purpose: only
services.actuator is handed a :class:`Writer`.
"""

from dataclasses import dataclass
from typing import Protocol

from shared.devices.profile import Table
from shared.domain.units import NoData


@dataclass(frozen=True, slots=True)
class BusFailure:
    """Why there is no answer: TIMEOUT, DISCONNECTED, EXCEPTION (with the code in detail) or MALFORMED."""

    reason: NoData
    detail: str


class Reader(Protocol):
    @property
    def connections(self) -> int:
        """How often the line was opened; when it rises, other devices may stand at its addresses."""
        ...

    async def read(self, unit: int, table: Table, address: int, count: int) -> bytes | BusFailure:
        """Registers as 2 * count bytes, high byte first; bits in (count + 7) // 8 bytes, lowest address in bit 0."""
        ...

    async def close(self) -> None:
        """Give the line back; later reads answer DISCONNECTED."""
        ...


class Writer(Protocol):
    async def write_coil(self, unit: int, address: int, value: bool) -> BusFailure | None:
        """Function 05, echo checked."""
        ...

    async def write_register(self, unit: int, address: int, value: int) -> BusFailure | None:
        """Function 06, echo checked: for watchdogs."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """Both ends of one opened bus. The collector gets the reader, the actuator the writer."""

    reader: Reader
    writer: Writer
