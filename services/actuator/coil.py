"""One coil on the wire: its sense, its read, its write. The only calls in this program that write to a coil."""

from dataclasses import dataclass

from services.actuator.gate import GatedBus
from shared.devices.profile import Channel, Table
from shared.domain.plan import OutputPlan
from shared.fieldbus.port import BusFailure


@dataclass(frozen=True, slots=True)
class Coil:
    """One output with the channel that switches it."""

    output: OutputPlan
    channel: Channel

    def raw(self, on: bool) -> bool:
        """The coil's own value for ``on``: energise-to-stop contactors are on at 0."""
        return on == (self.channel.on != 0)

    def is_on(self, raw: bool) -> bool:
        return raw == (self.channel.on != 0)

    async def read(self, bus: GatedBus, unit: int) -> bool | BusFailure:
        """Whether the output is on by its coil (or register: anything but 0 is 1)."""
        answer = await bus.read(unit, self.channel.table, self.channel.address, 1)
        if isinstance(answer, BusFailure):
            return answer
        return self.is_on(bool(answer[-1] & 1) if self.channel.table.is_bits else any(answer))

    async def switch(self, bus: GatedBus, unit: int, on: bool) -> BusFailure | None:
        """One write, not repeated here."""
        if self.channel.table is Table.COIL:
            return await bus.write_coil(unit, self.channel.address, self.raw(on))
        return await bus.write_register(unit, self.channel.address, int(self.raw(on)))
