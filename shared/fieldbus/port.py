"""The field-bus port: bytes to and from devices, without meaning. Adapters: Modbus TCP, Modbus RTU, simulated.

A bus is used by one task at a time; the adapter still serialises. Every call ends within the bus's timeout plus one
retry. Trouble is a value (:class:`BusFailure`), never an exception. Reading and writing are two types on purpose: only
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
    async def read(self, unit: int, table: Table, address: int, count: int) -> bytes | BusFailure:
        """Registers as 2 * count bytes, high byte first; bits packed, lowest address in bit 0, (count + 7) // 8 bytes."""
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
