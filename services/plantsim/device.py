"""One simulated device: its registers by its profile, its own watchdog and heartbeat, and its faults on request.

Promises: an address that no channel, watchdog or identity uses answers exception 2, but for the small gaps that a
batched read of the profile may bridge. A relay module's coils fall to its safe values when nothing was heard for its
watchdog's time, as the real ones do. Times are seconds of the caller's clock.
Faults: silent, late, another unit's answer, an exception, a frozen heartbeat, contacts that stick.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from services.plantsim.encode import Value, decoded, encode
from shared.devices.blocks import plan_blocks
from shared.devices.profile import Channel, Profile, Table
from shared.domain.units import DECIMALS, NoData
from shared.fieldbus.device_side import ILLEGAL_ADDRESS, Answer, Request

Cell = tuple[Table, int]


@dataclass(slots=True)
class Misbehaviour:
    """What is wrong with the device, as the script says."""

    is_mute: bool = False
    delay_s: float = 0.0
    answers_as: int = -1
    exception: int = 0
    is_frozen: bool = False
    stuck: dict[str, bool] = field(default_factory=dict)
    """Outputs whose contact no longer follows the coil, and the state it stays in."""


class SimulatedDevice:
    """Registers and behaviour. ``handle`` is what the line calls."""

    def __init__(self, name: str, profile: Profile, clock: Callable[[], float]) -> None:
        self.name = name
        self.profile = profile
        self.faults = Misbehaviour()
        self._clock = clock
        self._cells: dict[Cell, int] = {}
        self._heard_s = clock()
        self._beat_s = clock()
        self.on_write: Callable[[], None] = lambda: None
        self._lay_out()
        for output in profile.outputs:
            self.switch(output.channel, on=output.safe_on)

    def channel(self, name: str) -> Channel:
        """Raises KeyError."""
        channel = self.profile.channel(name)
        if channel is None:
            raise KeyError(f"{self.name} has no point {name}")
        return channel

    def put(self, name: str, value: Value) -> None:
        """Sets a point. Raises KeyError and ValueError."""
        channel = self.channel(name)
        raw = encode(channel, value)
        cell = (channel.table, channel.address)
        if channel.bit >= 0:
            self._cells[cell] = self._cells[cell] & ~(1 << channel.bit) | raw << channel.bit
        elif channel.words == 2:
            first, second = (raw >> 16, raw & 0xFFFF) if channel.word_order == "big" else (raw & 0xFFFF, raw >> 16)
            self._cells[cell], self._cells[channel.table, channel.address + 1] = first, second
        elif channel.mask and not str(value).lower().startswith("raw:"):
            self._cells[cell] = self._cells[cell] & ~channel.mask | raw
        else:
            self._cells[cell] = raw

    def get(self, name: str) -> float:
        """The point's value in its unit; 0 where it has none. Raises KeyError."""
        channel = self.channel(name)
        raw = self._cells[channel.table, channel.address]
        if channel.words == 2:
            pair = (raw, self._cells[channel.table, channel.address + 1])
            first, second = pair if channel.word_order == "big" else pair[::-1]
            raw = first << 16 | second
        value = decoded(channel, raw)
        return 0.0 if isinstance(value, NoData) else int(value) / 10 ** DECIMALS[channel.unit]

    def contact(self, output: str) -> bool:
        """Whether the output's contact really is on: its coil's state, unless it sticks."""
        channel = self.channel(output)
        return self.faults.stuck.get(output, self._cells[channel.table, channel.address] == channel.on)

    def switch(self, output: str, *, on: bool) -> None:
        """Writes a coil from inside, as the module's own logic does."""
        channel = self.channel(output)
        self._cells[channel.table, channel.address] = channel.on if on else 1 - channel.on
        self._show_contacts()

    def tick(self) -> None:
        """Lets time pass: heartbeat, watchdog, contacts."""
        now_s = self._clock()
        beat = self.profile.heartbeat
        if beat is not None and not self.faults.is_frozen and now_s - self._beat_s >= beat.period_ms / 1000:
            self._beat_s = now_s
            self.put(beat.channel, "1" if self.get(beat.channel) == 0 else "0")
        if self._watchdog_expired(now_s):
            self._fall_back()
        self._show_contacts()

    def handle(self, request: Request) -> Answer:
        """Answers one request, or misbehaves."""
        faults = self.faults
        if faults.is_mute:
            return Answer(silent=True)
        if faults.exception:
            return Answer(exception=faults.exception)
        cells = [(request.table, request.address + place) for place in range(request.size)]
        if not all(cell in self._cells for cell in cells):
            return Answer(exception=ILLEGAL_ADDRESS)
        self._heard_s = self._clock()
        if request.is_write:
            self._cells.update(zip(cells, request.values, strict=True))
            self._show_contacts()
            self.on_write()
        return Answer(tuple(self._cells[cell] for cell in cells), delay_s=faults.delay_s, unit=faults.answers_as)

    def _lay_out(self) -> None:
        profile = self.profile
        grouped = [
            channel
            for group in profile.groups
            for index in range(1, group.count + 1)
            for short in group.channels
            if (channel := group.channel(index, short.name)) is not None
        ]
        for block in plan_blocks((*profile.channels, *grouped), profile.gap):
            self._cells.update({(block.table, block.address + place): 0 for place in range(block.count)})
        if profile.identity is not None:
            identity = profile.identity
            for place, value in enumerate(identity.values):
                self._cells[identity.table, identity.address + place] = value
        watchdog = profile.watchdog
        if watchdog is not None:
            self._cells[watchdog.table, watchdog.address] = watchdog.value
            if watchdog.enable_address >= 0:
                self._cells[watchdog.table, watchdog.enable_address] = 1
            if watchdog.safe_address >= 0:
                self._cells[watchdog.table, watchdog.safe_address] = self._safe_bits()

    def _coils(self) -> list[tuple[Channel, bool, int]]:
        """Each output's coil, whether its safe value is on, and its bit in the register of safe values: the lowest
        coil address is bit 0."""
        coils = [(self.channel(output.channel), output.safe_on) for output in self.profile.outputs]
        lowest = min((coil.address for coil, _ in coils), default=0)
        return [(coil, safe_on, coil.address - lowest) for coil, safe_on in coils]

    def _safe_bits(self) -> int:
        return sum((safe_on == (coil.on == 1)) << bit for coil, safe_on, bit in self._coils())

    def _watchdog_expired(self, now_s: float) -> bool:
        watchdog = self.profile.watchdog
        if watchdog is None:
            return False
        enabled = watchdog.enable_address < 0 or self._cells[watchdog.table, watchdog.enable_address] != 0
        time_s = self._cells[watchdog.table, watchdog.address] * watchdog.unit_ms / 1000
        return enabled and time_s > 0 and now_s - self._heard_s > time_s

    def _fall_back(self) -> None:
        watchdog = self.profile.watchdog
        assert watchdog is not None
        safe = self._safe_bits()
        if watchdog.safe_address >= 0:
            safe = self._cells[watchdog.table, watchdog.safe_address]
        for coil, _, bit in self._coils():
            self._cells[coil.table, coil.address] = safe >> bit & 1

    def _show_contacts(self) -> None:
        for output in self.profile.outputs:
            if output.read_back != output.channel:
                self.put(output.read_back, self.contact(output.channel))
