"""A seeded battery room as a site's log sees it: frames of raw words, commands, reports and pauses, all from one seed.

Gas rises and falls, jars drift, contacts chatter, polls fail in every typed way, people ack, shelve and reset, guard
tells what it did. It knows nothing of rules: what must follow from its inputs is the core's to say.
"""

import random
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from shared.devices.frame import Block, Frame
from shared.devices.plan import SitePlan
from shared.devices.profile import DevicePlan
from shared.domain.inputs import Command, Report, ReportKind, What
from shared.domain.plan import Severity
from shared.domain.units import NoData
from shared.runtime.site_file import check_site
from shared.wire.inputs import WireBody, report

SITE = """version: 1
site: {id: demo, name: Demo, demo: true}
buses: {b1: {modbus_tcp: "127.0.0.1:5020"}}
devices:
  gas1: {bus: b1, unit: 1, profile: pemtech-pt495, every: 500ms, room: r1}
  h2c1: {bus: b1, unit: 2, profile: h2-contacts, every: 500ms, room: r1}
  io1: {bus: b1, unit: 3, profile: relay-io, every: 500ms, room: r1}
  bacs: {bus: b1, unit: 4, profile: bacs, every: 1s, room: r1}
  els1: {bus: b1, unit: 5, profile: els, every: 1s, room: r1}
rooms:
  r1:
    volume_m3: 50
    gas: [{h2: gas1.h2, warm_up: 5s}, {contact_1pct: h2c1.contact_1pct, contact_2pct: h2c1.contact_2pct}]
    fan: [{output: io1.do0, airflow: io1.di2, capacity_m3h: 1000, run_up: 5s, run_on: 60s}]
    charger_inhibit: {output: io1.do1}
    buzzer: {output: io1.do2}
    batteries:
      bat1:
        {type: vented_lead, cells_per_jar: 1, capacity_ah: 100, mode: {contact: io1.di3}, ambient: io1.t0,
         strings: {s1: {device: bacs, current: bacs.s1_current, jars: 6, levels: els1}}}
"""
_TROUBLE = (NoData.TIMEOUT, NoData.DISCONNECTED, NoData.EXCEPTION, NoData.MALFORMED, NoData.QUARANTINED)


def plan_of(text: str) -> SitePlan:
    """The plan of a site file's text; an assertion names its faults."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "site.yaml")
        path.write_text(text, encoding="utf-8")
        checked = check_site(path, {})
    assert checked.plan is not None, [str(fault) for fault in checked.errors]
    return checked.plan


@cache
def site_plan() -> SitePlan:
    """The world's own site."""
    return plan_of(SITE)


class World:
    """``bodies(n)`` gives the next n inputs with the milliseconds that pass before each."""

    def __init__(self, seed: int, plan: SitePlan | None = None, boot: str = "guard-1") -> None:
        self._random = random.Random(seed)
        self.plan = plan or site_plan()
        self.boot = boot
        self._raw: dict[tuple[str, str], int] = {}
        self._sequence: dict[str, int] = {}
        self._silent: dict[str, tuple[NoData, int]] = {}
        self._alarms = [(str(a.id), a.severity) for room in self.plan.decision.rooms for a in room.alarms]
        self._outputs = [str(output.id) for room in self.plan.decision.rooms for output in room.outputs]
        self._commands = 0
        self._wall_ms = 1_767_225_600_000

    def bodies(self, count: int) -> Iterator[tuple[int, WireBody]]:
        """The next inputs, each with the time that passes before it."""
        draw = self._random
        for _ in range(count):
            pause = 5_000 if draw.random() < 0.01 else draw.choice((0, 20, 50, 100, 100, 250))
            self._wall_ms += pause
            kind = draw.random()
            if kind < 0.9:
                yield pause, self.frame(draw.choice(self.plan.decision.devices))
            elif kind < 0.96:
                yield pause, self._command()
            else:
                yield pause, self._report()

    def frame(self, device: DevicePlan) -> Frame:
        """The next poll of one device, good or with a typed reason."""
        self._drift(device)
        draw = self._random
        number = self._sequence[device.id] = self._sequence.get(device.id, 0) + 1
        outcome, left = self._silent.get(device.id, (NoData.PRESENT, 0))
        if left:
            self._silent[device.id] = (outcome, left - 1)
        elif draw.random() < 0.02:
            outcome = draw.choice(_TROUBLE)
            self._silent[device.id] = (outcome, draw.choice((1, 3, 30)))
        else:
            outcome = NoData.PRESENT
        return Frame(
            device=device.id,
            boot=self.boot,
            device_seq=number if draw.random() > 0.01 else max(1, number - 3),
            sampled_at_ms=self._wall_ms,
            age_ms=draw.choice((5, 20, 400, 20_000 if draw.random() < 0.05 else 10)),
            synced=True,
            outcome=outcome,
            detail="" if outcome is NoData.PRESENT else "trouble",
            blocks=self._blocks(device) if outcome is NoData.PRESENT else (),
        )

    def set(self, device: str, channel: str, raw: int) -> None:
        """Put one raw value where the device's next frames show it."""
        self._raw[device, channel] = raw

    def _blocks(self, device: DevicePlan) -> tuple[Block, ...]:
        blocks = []
        for block in device.blocks:
            words = bytearray((block.count + 7) // 8 if block.table.is_bits else 2 * block.count)
            for channel in device.channels:
                at = channel.address - block.address
                if channel.table is not block.table or not 0 <= at < block.count:
                    continue
                raw = self._raw.get((device.id, channel.name), 0)
                if channel.table.is_bits:
                    words[at >> 3] |= (raw & 1) << (at & 7)
                elif channel.bit < 0 and not channel.mask:
                    words[2 * at : 2 * at + 2 * channel.words] = (raw % (1 << 16 * channel.words)).to_bytes(
                        2 * channel.words
                    )
                else:
                    word = int.from_bytes(words[2 * at : 2 * at + 2]) | (
                        raw << channel.bit if channel.bit >= 0 else raw
                    )
                    words[2 * at : 2 * at + 2] = word.to_bytes(2)
            blocks.append(Block(block.table, block.address, block.count, bytes(words)))
        return tuple(blocks)

    def _drift(self, device: DevicePlan) -> None:
        """Most values move a little, some jump; a few words are of the kind that means nothing good."""
        draw = self._random
        for channel in device.channels:
            old = self._raw.get((device.id, channel.name))
            if channel.table.is_bits:
                new = draw.randrange(2) if old is None or draw.random() < 0.03 else old
            elif channel.name == "h2":
                new = max(0, (old or 0) + draw.choice((-2, -1, 0, 0, 1, 2))) if draw.random() > 0.005 else 0xFFFF
                new = new if new < 40 or new == 0xFFFF else 5
            elif channel.mask or channel.bit >= 0:
                new = 0 if draw.random() > 0.02 else 4
            elif channel.name.endswith("level"):
                new = draw.choice((0, 1, 2)) if draw.random() < 0.02 else (old or 0)
            elif channel.name == "general_flags":
                new = draw.choice((0x41, 0x11, 0x09, 0x00)) if old is None or draw.random() < 0.02 else old
            else:
                new = self._analogue(channel.name, old)
            self._raw[device.id, channel.name] = new

    def _analogue(self, name: str, old: int | None) -> int:
        draw = self._random
        centre = {"voltage": 2230, "resistance": 1000, "temperature": 230, "t0": 210}.get(name.rpartition("_")[2], 2)
        if old is None or draw.random() < 0.02:
            return int(centre * draw.choice((0.7, 0.95, 1.0, 1.0, 1.0, 1.05, 1.4)))
        return old + draw.choice((-1, 0, 0, 1))

    def _command(self) -> Command:
        draw = self._random
        self._commands += 1
        alarm, severity = draw.choice(self._alarms)
        what = draw.choice(
            (What.ACK, What.ACK, What.RESET, What.SHELVE, What.UNSHELVE, What.SILENCE, What.OUT_OF_SERVICE)
        )
        return Command(
            id=f"{self.boot}-c{self._commands}",
            what=what,
            subject=draw.choice(self._outputs) if what is What.SILENCE else alarm,
            occurrence="",
            severity_seen=draw.choice((None, severity, Severity.WARNING)),
            reason=draw.choice(("", "seen", "works")),
            actor="cli:anna",
            for_ms=draw.choice((0, 5_000, 60_000)),
            second_person=draw.choice(("", "ben")),
            measure=draw.choice(("", "a watch")),
        )

    def _report(self) -> Report:
        draw = self._random
        kind = draw.choice((ReportKind.LOCAL_TRIP, ReportKind.WRITE, ReportKind.READ_BACK, ReportKind.OUTPUT_MISMATCH))
        detail = "gas_1" if kind is ReportKind.LOCAL_TRIP else "ok"
        return report(kind, draw.choice(self._outputs), on=draw.random() < 0.5, detail=detail)
