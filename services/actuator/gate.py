"""The pulse of guard's own loop, and the gate that a stopped pulse closes.

A relay module with a watchdog falls to its safe value when it hears nothing. A guard that still talks but no longer
polls or decides must therefore fall silent: every read and write that goes to such a module passes the gate, and the
gate looks at the pulse in the moment of sending. A process that was stopped and goes on sends nothing of what it had
in hand before it has polled and decided again.

Promises: with any beat that a supervised module depends on (the decisions, the detectors that trip it) older than
PULSE_MS nothing is sent to it, by anybody in this process. A detector of another room does not silence it.
A module without a watchdog is not gated: silence would leave it as it is, and a write can still protect.
"""

from collections.abc import Callable, Iterable, Mapping

from shared.devices.profile import Table
from shared.domain.units import NoData
from shared.fieldbus.gate import Gate
from shared.fieldbus.port import BusFailure, Line

PULSE_MS = 2_000
HELD_BACK = BusFailure(NoData.DISCONNECTED, "not sent: guard's own loop is older than 2 s")


class Pulse:
    """When each part of the poll-and-trip loop last came round: the decisions, and the frames of each detector."""

    def __init__(self, parts: Iterable[str], clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        now_ms = clock_ms()
        self._beats = dict.fromkeys(parts, now_ms)

    def beat(self, part: str) -> None:
        """``part`` came round now; a name that is not watched is ignored."""
        if part in self._beats:
            self._beats[part] = self._clock_ms()

    def age_ms(self) -> int:
        """Age of the part that is furthest behind."""
        now_ms = self._clock_ms()
        return now_ms - min(self._beats.values(), default=now_ms)

    def is_alive(self, parts: Iterable[str]) -> bool:
        """None of ``parts`` is older than PULSE_MS."""
        now_ms = self._clock_ms()
        return all(now_ms - self._beats[part] <= PULSE_MS for part in parts)

    def late_parts(self) -> tuple[str, ...]:
        now_ms = self._clock_ms()
        return tuple(part for part, at_ms in self._beats.items() if now_ms - at_ms > PULSE_MS)


class GatedBus:
    """Reader and writer of one bus, gated: a unit in ``supervised`` hears something only while its parts beat.

    The pulse is looked at when the line is ours, right before the adapter sends; writes go before reads that wait. An
    adapter does not repeat a write: what is to be written is decided anew before each attempt.
    """

    def __init__(self, line: Line, supervised: Mapping[int, frozenset[str]], pulse: Pulse) -> None:
        self._line = line
        self._supervised = supervised
        self._pulse = pulse
        self._gate = Gate()

    def _is_held_back(self, unit: int) -> bool:
        parts = self._supervised.get(unit)
        return parts is not None and not self._pulse.is_alive(parts)

    async def read(self, unit: int, table: Table, address: int, count: int) -> bytes | BusFailure:
        async with self._gate.turn():
            if self._is_held_back(unit):
                return HELD_BACK
            return await self._line.reader.read(unit, table, address, count)

    async def write_coil(self, unit: int, address: int, value: bool) -> BusFailure | None:
        async with self._gate.turn(urgent=True):
            if self._is_held_back(unit):
                return HELD_BACK
            return await self._line.writer.write_coil(unit, address, value)

    async def write_register(self, unit: int, address: int, value: int) -> BusFailure | None:
        async with self._gate.turn(urgent=True):
            if self._is_held_back(unit):
                return HELD_BACK
            return await self._line.writer.write_register(unit, address, value)

    @property
    def connections(self) -> int:
        return self._line.reader.connections

    async def close(self) -> None:
        await self._line.reader.close()
