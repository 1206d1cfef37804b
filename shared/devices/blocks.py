"""Which batched reads cover a device's channels, and the plan of one device from its profile.

Promises: each read stays inside the Modbus limits (125 registers, 2000 bits), no channel is cut in two, and unused
addresses are bridged only up to the profile's gap. The order is by table, then by address: the order in the frame.
"""

from collections.abc import Iterable, Sequence

from shared.devices.profile import BlockPlan, Channel, DevicePlan, Profile, Table

REGISTERS_MAX = 125
BITS_MAX = 2000
BITS_GAP = 64
"""Bits are cheap: sixteen of them cost what one register costs."""


def plan_blocks(channels: Iterable[Channel], gap: int = 4) -> tuple[BlockPlan, ...]:
    """Fewest reads that cover ``channels``, bridging at most ``gap`` unused registers."""
    blocks: list[BlockPlan] = []
    for table in Table:
        spans = sorted(
            {(channel.address, channel.address + channel.words) for channel in channels if channel.table is table}
        )
        largest, bridge = (BITS_MAX, BITS_GAP if gap else 0) if table.is_bits else (REGISTERS_MAX, gap)
        first, end = -1, -1
        for start, stop in spans:
            if first >= 0 and start <= end + bridge and max(end, stop) - first <= largest:
                end = max(end, stop)
                continue
            if first >= 0:
                blocks.append(BlockPlan(table, first, end - first))
            first, end = start, stop
        if first >= 0:
            blocks.append(BlockPlan(table, first, end - first))
    return tuple(blocks)


def plan_device(
    profile: Profile,
    *,
    device_id: str,
    bus: str,
    unit: int,
    every_ms: int,
    rooms: Sequence[str],
    extra: Sequence[Channel] = (),
) -> DevicePlan:
    """The plan of one device: all plain channels of its profile and ``extra`` ones of its groups."""
    names = {channel.name for channel in profile.channels}
    channels = (*profile.channels, *(channel for channel in extra if channel.name not in names))
    return DevicePlan(
        id=device_id,
        bus=bus,
        unit=unit,
        profile=profile.name,
        every_ms=every_ms,
        rooms=tuple(rooms),
        channels=channels,
        blocks=plan_blocks(channels, profile.gap),
        identity=profile.identity,
        heartbeat=profile.heartbeat,
        watchdog=profile.watchdog,
    )
