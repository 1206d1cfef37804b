"""The capacity sheet: what a site needs of its lines, its disk and its memory, computed before it starts.

Serial: a character is 11 bits (start, 8 data, parity or stop, stop); a read is 8 bytes out and 5 + 2 n back, two silent
intervals of 3.5 characters (at least 1.75 ms) and 10 ms for the device to turn round [ours]. TCP: 5 ms a request
[ours].
Log: 32 bytes a frame and 6 tenths of its words once they are packed [measured: 1,500 frames of each device of the demo
site with noise of +-4 in every register, packed by shared.log.segments, came to 26 + 0.47 a byte].
Uplink: 850 bytes a block, one for each 50 ms that has a frame, 80 a frame and 4 tenths of its words [measured: frames
of 20, 200 and 990 registers with noise of +-4, packed in blocks of 1 and of 64, with the headers of the record]. Events
come beside that. By MQTT, beside Kafka, where a site publishes to the fleet's broker: 270 bytes a frame, 65 for each of
its reads and four thirds of its words, 260 bytes a value that has changed, each at most once a second, 700 a second in
all [measured: packets of frames of 2, 20, 200 and 990 registers came to 329, 378, 914 and 3,375].
Memory: guard and site each keep 60 s of frames; the ring of the undurable log holds at most 32 MiB.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from shared.devices.plan import BusPlan, LogLimits, UplinkPlan
from shared.devices.profile import BlockPlan, DevicePlan
from shared.domain.plan import RoomPlan
from shared.domain.units import round_div

CHARACTER_BITS = 11
TURN_AROUND_US = 10_000
TCP_REQUEST_US = 5_000
SILENCE_MIN_US = 1_750
FRAME_BYTES = 32
PACKED_TENTHS = 6
HEADER_BYTES = 1_000
BUFFER_S = 60
RING_BYTES_MAX = 32 << 20
DAY_MS = 86_400_000
STATE_BYTES_A_POINT = 400
STATE_BYTES_AN_ALARM = 600
UP_BLOCK_BYTES = 850
UP_FRAME_BYTES = 80
UP_PACKED_TENTHS = 4
UP_LIVE_BYTES = 600
"""A live record with its signature and headers, and some values that have changed."""
GROUP_MS = 50
CALM_MS = 2_000
"""So long frames of which nothing follows wait for each other."""
BLOCK_FRAMES_MAX = 64
MQTT_FRAME_BYTES = 270
MQTT_READ_BYTES = 65
MQTT_POINT_BYTES = 260
MQTT_POINTS_A_SECOND_MAX = 700
LIVE_MS = 1_000
LIVE_SIGN_MS = 5_000
CUT_HOURS = 72
NO_UPLINK = UplinkPlan()
LOAD_WARN_PERCENT = 70
LOAD_MAX_PERCENT = 100


@dataclass(frozen=True, slots=True)
class LineTime:
    """One line: how long its devices keep it busy."""

    bus: str
    kind: str
    devices: int
    round_us: int
    """One poll of every device, one after another: the longest that a poll may wait for its turn."""
    load_per_mille: int
    frames_a_day: int
    log_bytes_a_day: int


@dataclass(frozen=True, slots=True)
class CapacitySheet:
    """What `check` prints below the faults."""

    lines: tuple[LineTime, ...]
    points: int
    alarms: int
    outputs: int
    frames_a_day: int
    log_bytes_a_day: int
    frames_days: int
    log_bytes_kept: int
    """At the end of the retention: frames_days times a day."""
    free_bytes: int
    """Free space where the log goes; 0 when not known."""
    days_of_disk: int
    """Until the free space is full at this pace, -1 when not known; the retention may be shorter."""
    outage_hours: int
    """How long nothing needs to be thrown away, whatever is down; -1 when not known."""
    memory_bytes: int
    uplink_bytes_a_day: int = 0
    """What goes up to the fleet at most, when something follows from each frame; 0 for a site without one."""
    uplink_bytes_a_calm_day: int = 0
    """What goes up when no value changes and nothing follows."""
    uplink_bytes_a_day_max: int = 0
    """What may go up by Kafka."""
    mqtt_bytes_a_day: int = 0
    """What goes to the fleet's MQTT broker at most, when every value changes all the time; 0 for a site without one."""
    mqtt_bytes_a_calm_day: int = 0
    """What goes there when no value changes: the frames."""
    mqtt_bytes_a_day_max: int = 0
    """What may go there."""

    def data(self) -> dict[str, Any]:
        """The same for machines: names as here, integers only."""
        return asdict(self)

    def text(self) -> str:
        """The same for people."""
        rows = [("line", "kind", "devices", "one round", "busy", "frames a day", "log a day")]
        rows += [
            (
                line.bus,
                line.kind,
                str(line.devices),
                f"{line.round_us / 1000:.1f} ms",
                f"{line.load_per_mille / 10:.1f} %",
                f"{line.frames_a_day}",
                _size(line.log_bytes_a_day),
            )
            for line in self.lines
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        disk = f"{_size(self.log_bytes_a_day)} a day, {_size(self.log_bytes_kept)} kept for {self.frames_days} days"
        if self.free_bytes:
            disk += f"; {_size(self.free_bytes)} free last {self.days_of_disk} days ({self.outage_hours} h)"
        return "\n".join(
            (
                f"{self.points} points, {self.alarms} alarms, {self.outputs} outputs",
                *table,
                f"log: {disk}",
                f"memory for plans, states and buffers: {_size(self.memory_bytes)}",
                *self._ways_up(),
            )
        )

    def _ways_up(self) -> Iterator[str]:
        need, calm = self.uplink_bytes_a_day, self.uplink_bytes_a_calm_day
        if self.uplink_bytes_a_day_max:
            yield _way_up("uplink", calm, need, self.uplink_bytes_a_day_max, held=need)
        need, calm = self.mqtt_bytes_a_day, self.mqtt_bytes_a_calm_day
        if self.mqtt_bytes_a_day_max:
            yield _way_up("uplink by MQTT", calm, need, self.mqtt_bytes_a_day_max, held=calm)


EMPTY = CapacitySheet((), 0, 0, 0, 0, 0, 0, 0, 0, -1, -1, 0)
"""The sheet of a site that cannot be compiled."""


def _way_up(name: str, calm: int, need: int, most: int, *, held: int) -> str:
    """``held`` is what a day of a cut holds back."""
    line = f"{name}: {_size(calm)} on a calm day, at most {_size(need)} a day of {_size(most)}"
    if need >= most:
        return f"{line}; what was held back by a cut never gets up"
    hours = CUT_HOURS * held / (most - need)
    return f"{line}; what a cut of {CUT_HOURS} h held back is up {max(hours, 0.1):.1f} h after it"


def read_us(bus: BusPlan, block: BlockPlan) -> int:
    """Time that one batched read takes on its line."""
    if not bus.serial:
        return TCP_REQUEST_US
    answer = 5 + ((block.count + 7) // 8 if block.table.is_bits else 2 * block.count)
    bits = (8 + answer) * CHARACTER_BITS
    silence = max(SILENCE_MIN_US, round_div(35 * CHARACTER_BITS * 100_000, bus.baud))
    return round_div(bits * 1_000_000, bus.baud) + 2 * silence + TURN_AROUND_US


def scan_us(bus: BusPlan, device: DevicePlan) -> int:
    """Time that one scan of a device takes."""
    return sum(read_us(bus, block) for block in device.blocks)


def frame_bytes(device: DevicePlan) -> int:
    """What one frame takes in the log, packed."""
    words = sum((block.count + 7) // 8 if block.table.is_bits else 2 * block.count for block in device.blocks)
    return FRAME_BYTES + (words * PACKED_TENTHS + 9) // 10


def raw_bytes(device: DevicePlan) -> int:
    """What one frame takes in memory: header, and words as they came."""
    words = sum((block.count + 7) // 8 if block.table.is_bits else 2 * block.count for block in device.blocks)
    return HEADER_BYTES + words


def line_time(bus: BusPlan, devices: list[DevicePlan]) -> LineTime:
    """The budget of one line."""
    scans = [(scan_us(bus, device), device) for device in devices]
    frames = [(DAY_MS // device.every_ms, device) for device in devices]
    return LineTime(
        bus=bus.id,
        kind="serial" if bus.serial else "tcp" if bus.tcp else "simulated",
        devices=len(devices),
        round_us=sum(us for us, _ in scans),
        load_per_mille=sum(round_div(us, device.every_ms) for us, device in scans),
        frames_a_day=sum(count for count, _ in frames),
        log_bytes_a_day=sum(count * frame_bytes(device) for count, device in frames),
    )


def sheet(
    buses: tuple[BusPlan, ...],
    devices: tuple[DevicePlan, ...],
    rooms: tuple[RoomPlan, ...],
    log: LogLimits,
    free_bytes: int = 0,
    uplink: UplinkPlan = NO_UPLINK,
) -> CapacitySheet:
    """The whole sheet."""
    lines = tuple(line_time(bus, [device for device in devices if device.bus == bus.id]) for bus in buses)
    day = sum(DAY_MS // device.every_ms * frame_bytes(device) for device in devices)
    usable = max(0, free_bytes - (log.disk_low_mib << 20))
    points, alarms = sum(len(room.points) for room in rooms), sum(len(room.alarms) for room in rooms)
    frames = sum(BUFFER_S * 1000 // device.every_ms * raw_bytes(device) for device in devices)
    buffers = min(frames, RING_BYTES_MAX) + 2 * frames
    return CapacitySheet(
        lines=lines,
        points=points,
        alarms=alarms,
        outputs=sum(len(room.outputs) for room in rooms),
        frames_a_day=sum(DAY_MS // device.every_ms for device in devices),
        log_bytes_a_day=day,
        frames_days=log.frames_days,
        log_bytes_kept=day * log.frames_days,
        free_bytes=free_bytes,
        days_of_disk=usable // day if free_bytes and day else -1,
        outage_hours=usable * 24 // day if free_bytes and day else -1,
        memory_bytes=points * STATE_BYTES_A_POINT + alarms * STATE_BYTES_AN_ALARM + buffers,
        uplink_bytes_a_day=uplink_bytes(devices) if uplink.kafka else 0,
        uplink_bytes_a_calm_day=uplink_bytes(devices, is_calm=True) if uplink.kafka else 0,
        uplink_bytes_a_day_max=uplink.kafka_bytes_per_s * DAY_MS // 1000 if uplink.kafka else 0,
        mqtt_bytes_a_day=mqtt_frame_bytes(devices) + mqtt_point_bytes(rooms) if uplink.mqtt else 0,
        mqtt_bytes_a_calm_day=mqtt_frame_bytes(devices) if uplink.mqtt else 0,
        mqtt_bytes_a_day_max=uplink.mqtt_bytes_per_s * DAY_MS // 1000,
    )


def uplink_bytes(devices: tuple[DevicePlan, ...], *, is_calm: bool = False) -> int:
    """What the frames of a day take on their way up, and the live records beside them.

    Blocks go as they come when something follows from each frame; on a calm day frames wait for each other.
    """
    frames = sum(DAY_MS // device.every_ms for device in devices)
    words = sum(DAY_MS // device.every_ms * (raw_bytes(device) - HEADER_BYTES) for device in devices)
    blocks = min(frames, max(DAY_MS // CALM_MS, frames // BLOCK_FRAMES_MAX) if is_calm else DAY_MS // GROUP_MS)
    live = DAY_MS // (LIVE_SIGN_MS if is_calm else LIVE_MS) * UP_LIVE_BYTES
    return live + blocks * UP_BLOCK_BYTES + frames * UP_FRAME_BYTES + words * UP_PACKED_TENTHS // 10


def mqtt_frame_bytes(devices: tuple[DevicePlan, ...]) -> int:
    """What the frames of a day take to the fleet's MQTT broker."""
    return sum(
        DAY_MS // device.every_ms
        * (MQTT_FRAME_BYTES + MQTT_READ_BYTES * len(device.blocks) + (raw_bytes(device) - HEADER_BYTES) * 4 // 3)
        for device in devices
    )  # fmt: skip


def mqtt_point_bytes(rooms: tuple[RoomPlan, ...]) -> int:
    """What the points of a day take there when each scan changes all of its values."""
    changes = sum(scan.count * (DAY_MS // max(scan.every_ms, 1000)) for room in rooms for scan in room.scans)
    return min(changes, MQTT_POINTS_A_SECOND_MAX * DAY_MS // 1000) * MQTT_POINT_BYTES


def _size(count: int) -> str:
    size, names = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(names) > 1:
        size, names = size / 1024, names[1:]
    return f"{size:.0f} {names[0]}" if size >= 100 or names[0] == "B" else f"{size:.1f} {names[0]}"
