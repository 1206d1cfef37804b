"""Which modules of a manager answer: each element of a profile's repeating group is read once, one after the other.

For people who put a battery into service and do not want to type its modules. Writes nothing. A module is there when it
gives a value other than zero for any of its channels and the manager does not call it lost. Limits: those of the group;
a module that does not answer costs two timeouts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from services.collector.probe import ProbedValue, probe
from shared.devices.blocks import plan_blocks
from shared.devices.profile import Channel, DevicePlan
from shared.fieldbus.port import Reader
from shared.runtime.clocks import Clock

LOST = "lost"


@dataclass(frozen=True, slots=True)
class Module:
    """One element of the group: what it gave, or why it gave nothing."""

    number: int
    values: tuple[ProbedValue, ...]
    failure: str

    @property
    def is_there(self) -> bool:
        is_silent = not any(one.value.strip("-0.") for one in self.values)
        return not is_silent and not any(one.label == LOST for one in self.values)


async def scan_modules(
    device: DevicePlan,
    modules: Sequence[Sequence[Channel]],
    reader: Reader,
    clock: Clock,
    tell: Callable[[int, int], None] = lambda _done, _of: None,
) -> tuple[str, tuple[Module, ...]]:
    """The device's identity as probe says it, and all its modules; ``modules`` has the channels of each, from 1."""
    own = device.channels[:1]
    identity = (await probe(replace(device, channels=own, blocks=plan_blocks(own, 0)), reader, clock)).identity
    found = []
    for number, channels in enumerate(modules, 1):
        blocks = plan_blocks(channels)
        part = replace(device, channels=tuple(channels), blocks=blocks, identity=None)
        seen = await probe(part, reader, clock)
        failure = next((block.failure for block in seen.blocks if block.failure), "")
        found.append(Module(number, seen.values, failure))
        tell(number, len(modules))
    return identity, tuple(found)
