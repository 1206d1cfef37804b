"""The nightly proof: what it finds becomes a Report, and it is never done twice at once."""

import contextlib
import json
import sqlite3
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from services.processor.runner import Runner
from services.site.compile import compile_site
from services.site.housekeeping import NightlyReplay
from shared.domain.inputs import ReportKind
from shared.log.store import SqliteStore
from shared.runtime import places
from shared.runtime.clocks import ManualClock
from shared.wire.inputs import report
from shared.wire.plans import decode_site
from tests.services.site.test_start import copied
from tests.testkit.process import wait_for

ZONE = ZoneInfo("Europe/Berlin")


class Reports:
    """Stands where the service stands."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, bool]] = []

    def report(self, kind: str, part: str, detail: str, *, on: bool = True, pulse: bool = False) -> None:
        assert on or not pulse
        assert detail
        self.told.append((kind, part, on))


def with_log(folder: Path) -> Path:
    """A data folder whose log holds a few inputs."""
    compile_site(copied(folder), folder)
    plan = decode_site((folder / places.SITE_PLAN).read_bytes())
    clock = ManualClock()
    runner = Runner(SqliteStore(folder, ballast_bytes=1 << 20), plan.decision, clock, limits=plan.log)
    runner.open("boot-1")
    for n in range(5):
        clock.advance(1000)
        runner.commit([report(ReportKind.CONFIG_REJECTED, "substation-7/_site/config", pulse=True, detail=str(n))])
        runner.tick()
    runner.close()
    return folder


def test_the_last_day_of_a_sound_log_is_equal(tmp_path: Path) -> None:
    """The process says so and ends with 0."""
    with_log(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "services.site.nightly", tmp_path], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == {"first_difference": "", "damage": ""}


def look_until_told(night: NightlyReplay, now: datetime, reports: Reports) -> None:
    def told() -> bool:
        night.look(now, reports)  # type: ignore[arg-type]
        return bool(reports.told)

    wait_for(told, within_s=60)


def test_an_equal_night_ends_the_alarm(tmp_path: Path) -> None:
    """Before its hour nothing happens; after it the Report says that there is no difference."""
    with_log(tmp_path)
    evening = datetime(2026, 1, 1, 22, 0, tzinfo=ZONE)
    night, reports = NightlyReplay(tmp_path, evening), Reports()
    night.look(evening + timedelta(hours=4), reports)  # type: ignore[arg-type]
    assert reports.told == []
    look_until_told(night, evening + timedelta(hours=5), reports)
    assert reports.told == [(ReportKind.REPLAY_DIFFERS, "replay", False)]


def test_older_damage_is_an_alarm_of_its_own(tmp_path: Path) -> None:
    """A change before the last day is in no replay; the nightly check of the whole log finds it."""
    with_log(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "log.db")) as log, log:
        log.execute("UPDATE rows SET hash = zeroblob(32) WHERE last_seq = (SELECT min(last_seq) FROM rows)")
    evening = datetime(2026, 1, 1, 22, 0, tzinfo=ZONE)
    night, reports = NightlyReplay(tmp_path, evening), Reports()
    look_until_told(night, evening + timedelta(hours=5), reports)
    assert reports.told[0] == (ReportKind.LOG_DAMAGED, "log", True)


def test_a_log_that_cannot_be_derived_again_is_an_alarm(tmp_path: Path) -> None:
    """No log, or another one than was written: the Report says on."""
    evening = datetime(2026, 1, 1, 22, 0, tzinfo=ZONE)
    night, reports = NightlyReplay(tmp_path, evening), Reports()
    look_until_told(night, evening + timedelta(hours=5), reports)
    assert reports.told == [(ReportKind.REPLAY_DIFFERS, "replay", True)]
    night.end()
