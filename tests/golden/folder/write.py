"""Writes a small data folder with all that a log can hold, and its neighbours: ``python -m tests.golden.folder.write``.

Folded, packed and young rows, clean and cut-off ends, a rule change, commands with both answers, a dead letter, minutes
without a disk with their Resyncs, alarms that are open at the end. The clock and all names are fixed, so the records
are the same wherever it is written. Once released it is never written again: a later format gets a folder beside it.
"""

import json
import sqlite3
from pathlib import Path
from unittest.mock import patch

from services.processor import keeping, runner
from services.processor.replay import replay
from services.processor.runner import Unreadable
from services.processor.verify import verify
from shared.devices.plan import LogLimits
from shared.domain.errors import LogFull
from shared.domain.inputs import What
from shared.log import sqlite
from shared.log.sqlite import SqliteLog
from shared.log.store import SqliteStore
from tests.golden.folder.beside import said_beside, write_beside
from tests.services.processor.plant import H2_ALARM, bank, command, decision, gas
from tests.services.processor.site import Site

FOLDER = Path(__file__).parent / "released"
EXPECTED = FOLDER / "expected.json"
EXPECTED_BESIDE = FOLDER / "beside.json"
JARS = 3
MINUTE = 60_000
LIMITS = LogLimits(frames_days=1, ballast_mib=0, disk_low_mib=0, keep_around_alarm_ms=20_000)


def write(folder: Path) -> None:
    """Ten minutes in the life of a site; an hour is one of them, a day four."""
    with (
        patch.object(keeping, "DAY_MS", 4 * MINUTE),
        patch.object(runner, "SNAPSHOT_MS", MINUTE),
        patch.object(keeping, "AGE_CHECK_MS", MINUTE),
        patch.object(sqlite, "YOUNG_INPUTS", 64),
    ):
        _live(folder)
    connection = sqlite3.connect(folder / "log.db")
    connection.execute("VACUUM")
    connection.close()
    (folder / "log.lock").unlink()


def _live(folder: Path) -> None:
    site = Site(SqliteStore(folder, ballast_bytes=0), plan=decision(jars=JARS), limits=LIMITS)
    site.open()
    _scans(site, 1, 60, high=range(20, 23))
    site.commit(command("c1", What.ACK, H2_ALARM), command("c2", What.RESET, H2_ALARM, reason="seen"))
    site.commit(command("c3", What.RESET, H2_ALARM, reason="again"))
    site.runner.commit([Unreadable(b"\xff\x00poison", "gas9", "no newline ends the header")])
    site.plan = decision(jars=JARS, limit_2=21_000)
    site.runner.change_rules(site.plan, "cli:anna")
    _scans(site, 60, 90)
    site.restart()
    with patch.object(SqliteLog, "commit", side_effect=LogFull("no space")):
        _scans(site, 90, 160, high=range(100, 103))
    _scans(site, 160, 170)
    site.runner.close()
    site.clock.reboot(30_000, "boot-2")
    site.open()
    _scans(site, 170, 190, high=range(185, 200))
    site.runner.close()


def _scans(site: Site, first: int, end: int, high: range = range(0)) -> None:
    for n in range(first, end):
        low = frozenset(range(n % 3))
        site.commit(gas(n, 250 if n in high else 20), bank(n, low=low, jars=JARS), after_ms=2_000)
        site.tick(1_000)


def said(folder: Path) -> dict[str, object]:
    """What verify and replay say of a folder."""
    verified, replayed = verify(folder), replay(folder)
    return {"verify": verified._asdict(), "replay": replayed.data()}


if __name__ == "__main__":
    FOLDER.mkdir()
    write(FOLDER)
    EXPECTED.write_text(json.dumps(said(FOLDER), indent=1) + "\n")
    write_beside(FOLDER)
    EXPECTED_BESIDE.write_text(json.dumps(said_beside(FOLDER), indent=1) + "\n")
    for side in (*FOLDER.glob("*-wal"), *FOLDER.glob("*-shm")):
        side.unlink()
