"""A small site that lives for some hours in a folder, and what its history should say, reckoned the plain way."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from services.history.answers import TrendRow
from services.history.growing import Growing
from services.history.queries import Queries
from shared.devices.frame import Frame
from shared.domain.inputs import What
from shared.domain.units import NoData, round_div
from tests.services.processor.plant import H2_ALARM, bank, command, gas
from tests.services.processor.site import Site, on_disk

POINT = "s/r1/gas1-h2"
JAR = "s/r1/bank-v3"
EVERY_MS = 20_000
MINUTE_MS = 60_000
PPM = 100
"""What one count of the gas head means."""


@dataclass
class Life:
    """A running site, and every reading of ``POINT`` as (sampled_at_ms, value or None)."""

    site: Site
    number: int = 0
    readings: list[tuple[int, int | None]] = field(default_factory=list)

    def scan(self, centi_percent: int | None, *, late_ms: int = 0) -> None:
        """One scan of both devices; None is a poll that timed out."""
        self.number += 1
        at_ms = self.site.clock.wall - late_ms
        frame = gas(self.number, centi_percent or 0)._replace(sampled_at_ms=at_ms, age_ms=5 + late_ms)
        if centi_percent is None:
            frame = frame._replace(outcome=NoData.TIMEOUT, blocks=())
        self.readings.append((at_ms, None if centi_percent is None else centi_percent * PPM))
        self.commit(frame, bank(self.number)._replace(sampled_at_ms=at_ms))

    def commit(self, *frames: Frame) -> None:
        self.site.commit(*frames, after_ms=0)
        self.site.tick(EVERY_MS)


def begin(folder: Path) -> Life:
    """From 2026-01-01T00:00:00Z on, 40 minutes before the next day."""
    life = Life(on_disk(folder))
    life.site.clock.wall += 86_400_000 - 40 * MINUTE_MS
    life.site.open()
    return life


def an_hour_and_a_half(life: Life) -> None:
    """Over midnight: calm, an alarm with its ack, a device that is silent, a hole, a restart."""
    for n in range(60):
        life.scan(20 + n % 7)
    life.scan(250)
    life.site.commit(command("c1", What.ACK, H2_ALARM, reason="seen"))
    for n in range(30):
        life.scan(None if n in range(5, 14) else 30)
    life.site.restart()
    life.site.clock.advance(10 * MINUTE_MS)
    for n in range(120):
        life.scan(40 + n % 3)


def grow(folder: Path, name: str = "history.db") -> None:
    """The history as far as the log goes."""
    growing = Growing(folder, folder / name)
    growing.step()
    growing.flush()
    growing.close()


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    from services.history.database import open_reader

    connection = open_reader(path)
    try:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall()) for table in sorted(tables)}
    finally:
        connection.close()


def expected(readings: list[tuple[int, int | None]], step_ms: int) -> list[TrendRow]:
    """Roll-ups without any of the product's arithmetic."""
    groups: defaultdict[int, list[int | None]] = defaultdict(list)
    for at_ms, value in readings:
        groups[at_ms // step_ms * step_ms].append(value)
    rows = []
    for at_ms, values in sorted(groups.items()):
        good = [value for value in values if value is not None]
        bad = len(values) - len(good)
        if not good:
            rows.append(TrendRow(at_ms, None, None, None, None, 0, 0, bad))
            continue
        mean = round_div(sum(good), len(good))
        rows.append(TrendRow(at_ms, min(good), max(good), mean, good[-1], len(good), 0, bad))
    return rows


def ask(folder: Path) -> Queries:
    return Queries(folder)
