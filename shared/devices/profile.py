"""A device profile: what a model's registers mean. Profiles are data files; this is their checked form.

A :class:`Channel` says where one value stands and how raw words become an integer in the unit of its point
(shared.domain.units). Numbers only: ``value = round_div(raw * multiply, divide) + add``.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from shared.domain.units import Unit

ASSUMED = "assumed"
"""``source`` of a profile or channel whose vendor's address is not public."""


class Table(StrEnum):
    """Modbus tables, and the one for SNMP-like sources is added with its bus."""

    COIL = "coil"
    DISCRETE = "discrete"
    HOLDING = "holding"
    INPUT = "input"

    @property
    def is_bits(self) -> bool:
        return self is Table.COIL or self is Table.DISCRETE


class ValueType(StrEnum):
    BIT = "bit"
    U16 = "u16"
    S16 = "s16"
    U32 = "u32"
    S32 = "s32"
    F32 = "f32"
    """IEEE 754 single: NaN and infinities are OUT_OF_RANGE, the rest is scaled and rounded half up exactly."""
    LOOP = "ma_4_20"
    """u16 loop current in uA after scaling; NE 43 bands (3.8..20.5 mA measuring, <= 3.6 or >= 21 fault) then range."""


@dataclass(frozen=True, slots=True)
class Channel:
    name: str
    table: Table
    address: int
    type: ValueType
    unit: Unit
    multiply: int = 1
    divide: int = 1
    add: int = 0
    word_order: str = "big"
    """``big``: the high word first; ``little``: the low word first. Bytes within a word are always high first."""
    no_data: tuple[int, ...] = ()
    """Raw words (as the type reads them, before scaling) that mean "no value"."""
    not_present: tuple[int, ...] = ()
    bit: int = -1
    """Take this bit of the word; -1 takes the whole word."""
    mask: int = 0
    """Not 0: (raw & mask) shifted down to bit 0."""
    invert: bool = False
    """For contacts: the raw bit 0 is the closed (1) state."""
    low: int = -(1 << 53)
    high: int = 1 << 53
    """Scaled values outside low..high are OUT_OF_RANGE."""
    loop_low: int = 0
    loop_high: int = 0
    """For ma_4_20: the scaled values at 4 and at 20 mA."""
    labels: tuple[tuple[int, str], ...] = ()
    """Names of enumeration values, for people."""
    writable: bool = False
    on: int = 1
    """For coils: the raw value that means on."""
    assumed: bool = False
    """The vendor's address is not public: never shown as the vendor's."""

    @property
    def words(self) -> int:
        """Registers (or bits) the value takes."""
        return 2 if self.type in (ValueType.U32, ValueType.S32, ValueType.F32) else 1


@dataclass(frozen=True, slots=True)
class Identity:
    """What must stand at an address for the device to be the one it should be."""

    table: Table
    address: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    channel: str
    period_ms: int


@dataclass(frozen=True, slots=True)
class Watchdog:
    """The relay module's own watchdog: when nothing is heard for its time its outputs fall to their safe value."""

    table: Table
    address: int
    unit_ms: int
    value: int
    """What the register must hold; value * unit_ms is the time."""
    enable_address: int = -1
    safe_address: int = -1
    """Register that holds the safe value of the outputs, bit by bit; -1 when the module has none."""


@dataclass(frozen=True, slots=True)
class ProfileOutput:
    """A coil that the profile offers as an output."""

    channel: str
    safe_on: bool
    """Its safe value: the module's own, when nothing is heard, and ours, when nothing is demanded."""
    read_back: str
    """Channel that shows the coil's state: the coil itself when the module has no better one."""


@dataclass(frozen=True, slots=True)
class ProfileStatus:
    """The channel by which a gas head tells of its own health: a value that is neither good nor warm-up is a fault."""

    channel: str
    good: tuple[int, ...]
    warm_up: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A repeating part of a map: element i (from 1) of ``module`` has channels ``module{i}_voltage`` and so on."""

    name: str
    count: int
    address: int
    stride: int
    channels: tuple[Channel, ...]
    """With their own short names and addresses relative to the element."""

    def channel(self, index: int, name: str) -> Channel | None:
        """Channel ``name`` of element ``index`` with its full name and address; None when there is none."""
        if not 1 <= index <= self.count:
            return None
        for channel in self.channels:
            if channel.name == name:
                address = self.address + (index - 1) * self.stride + channel.address
                return replace(channel, name=f"{self.name}{index}_{name}", address=address)
        return None


@dataclass(frozen=True, slots=True)
class Profile:
    """One model of device, checked. A device of the site takes ``channels`` and what it needs of the groups."""

    name: str
    title: str
    source: str
    """Where the addresses come from; ``assumed`` when the vendor's are not public."""
    channels: tuple[Channel, ...]
    groups: tuple[Group, ...] = ()
    outputs: tuple[ProfileOutput, ...] = ()
    status: ProfileStatus | None = None
    identity: Identity | None = None
    heartbeat: Heartbeat | None = None
    watchdog: Watchdog | None = None
    gap: int = 4
    """Registers that a batched read may bridge; 0 for a device that refuses unused addresses."""

    @property
    def assumed(self) -> bool:
        return self.source == ASSUMED or any(channel.assumed for channel in self.channels)

    def channel(self, name: str) -> Channel | None:
        """The channel of this full name, of a group too (``module12_voltage``, ``s1_current``)."""
        for channel in self.channels:
            if channel.name == name:
                return channel
        for group in self.groups:
            index, found, rest = name.removeprefix(group.name).partition("_")
            if name.startswith(group.name) and found and index.isdecimal() and index.isascii() and index[0] != "0":
                member = group.channel(int(index), rest) if len(index) <= 5 else None
                if member is not None:
                    return member
        return None

    def group(self, name: str) -> Group | None:
        return next((group for group in self.groups if group.name == name), None)


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One batched read: count registers or bits from address on."""

    table: Table
    address: int
    count: int


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """A device of the site: where it is, how often it is polled, what its words mean."""

    id: str
    bus: str
    unit: int
    profile: str
    every_ms: int
    rooms: tuple[str, ...]
    """Rooms whose step() sees its frames, in plan order."""
    channels: tuple[Channel, ...]
    blocks: tuple[BlockPlan, ...]
    """Batched reads that cover the channels, in the order they are asked for and stand in the frame."""
    identity: Identity | None = None
    heartbeat: Heartbeat | None = None
    watchdog: Watchdog | None = None
