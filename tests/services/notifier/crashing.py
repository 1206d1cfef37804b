"""``python -m tests.services.notifier.crashing DIR``: a notifier over three alarms, made to be killed at a step.

Its ledger and the log that it reports to are real ones in DIR. Its channel puts off the first tries and takes what
comes then; DIR/tried has one line for each try: message, whether it is marked as a repeat, failed or sent.
AMPWARD_CRASH_AT names the step, of the ledger or of the log. It ends with 0 when every message has settled and the log
has it for good.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from services.gateway.views import Views
from services.notifier import post
from services.notifier.ledger_port import LABELS
from services.notifier.on_disk import LedgerOnDisk
from services.notifier.ports import Failed, Outgoing, Sent
from services.notifier.reports import BoxReport, Reported
from services.notifier.routing import Setting
from services.notifier.service import Notifier
from services.processor.runner import Runner
from services.site.backup.mark import RestoredMark
from services.site.guard_link import GuardState
from services.site.log_time import LogTime
from services.site.loss_mark import LossMark
from services.site.notify import SiteNews
from services.site.reader import LogReader
from services.site.service import Service
from services.site.traces import SiteTraces
from shared.domain.inputs import Report, ReportKind
from shared.log.port import Reading
from shared.log.steps import LABELS as LOG_LABELS
from shared.log.steps import Step
from shared.log.store import SqliteStore
from shared.runtime.clocks import SystemClock
from shared.runtime.crashpoints import crash_step
from shared.runtime.undurable_events import Handing
from shared.wire.inputs import decode_input
from tests.services.actuator import plans
from tests.services.notifier.fake_site import FakeSite
from tests.services.notifier.lines import World, route, setting

ALARMS = 3
PUT_OFF = 9
"""Tries."""
WHY = "451 later"


class PuttingOff:
    """What it has answered is on the disk before it says so."""

    name = "email"

    def __init__(self, folder: Path) -> None:
        self._path = folder / "tried"

    async def send(self, message: Outgoing) -> Sent | Failed:
        is_early = len(self._path.read_text().splitlines() if self._path.exists() else ()) < PUT_OFF
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, f"{message.id} {message.repeat} {'failed' if is_early else 'sent'}\n".encode())
        os.close(descriptor)
        return Failed(WHY) if is_early else Sent("kept")

    async def close(self) -> None:
        return


class LoggedSite(FakeSite):
    """Events of a test, Reports into a real log."""

    def __init__(self, setting: Setting, folder: Path, clock: SystemClock, step: Step) -> None:
        super().__init__(setting)
        plan = plans.site()
        time = LogTime(clock)
        runner = Runner(SqliteStore(folder, ballast_bytes=0, step=step), plan.decision, time, step=step)
        self.read = LogReader(runner.reader)
        self._runner = runner
        self._service = Service(
            runner, clock, plan.decision.site, time=time, read=self.read, mark=LossMark(folder),
            handing=Handing(folder), restored=RestoredMark(folder), traces=SiteTraces(),
            alive=lambda: None, ring=lambda: None,
        )  # fmt: skip
        self._service.open("boot")
        self._news = SiteNews(
            self._service, cast(Views, None), lambda: plan, lambda: cast(GuardState, None), position=self.read.position
        )

    async def report(self, ledger: str, number: int, reports: Sequence[BoxReport]) -> None:
        await self._news.report(ledger, number, reports)

    async def reported(self, ledger: str) -> Reported:
        return await self._news.reported(ledger)

    def close(self) -> None:
        self._service.writer.end(10)
        self._runner.close()


def reports_of(reading: Reading) -> list[Report]:
    """Every Report that the log holds about deliveries, in its order."""
    kinds = {ReportKind.DELIVERY_SENT, ReportKind.DELIVERY_FAILED, ReportKind.DELIVERY_FAILING}
    bodies = [decode_input(row.data).body for row in reading.inputs(0, 100_000)]
    return [body for body in bodies if isinstance(body, Report) and body.kind in kinds]


async def run(folder: Path) -> None:
    """One life."""
    post.FIRST_RETRY_MS = 10
    post.LOOK_S = 0.01
    clock = SystemClock()
    world = World(setting(route("anna")), wall_ms=int((folder / "began").read_text()))
    step = crash_step(os.environ, (*LABELS, *LOG_LABELS))
    site = LoggedSite(world.setting, folder, clock, step)
    site.put(*(world.event("raised", f"r1/gas{number}/h2_alarm", "critical") for number in range(ALARMS)))
    ledger, channels = LedgerOnDisk(folder, step=step), {"email": PuttingOff(folder)}
    notifier = Notifier(site, ledger, clock, lambda _: channels, step=step)
    stop = asyncio.Event()
    task = asyncio.create_task(notifier.run(stop))
    while not is_told(site.read()):
        await asyncio.sleep(0.01)
    stop.set()
    await task
    site.close()


def is_told(reading: Reading | None) -> bool:
    """Whether the log has the end of each message, and knows the channel as well."""
    if reading is None:
        return False
    said = reports_of(reading)
    sent = {report.detail.split()[0] for report in said if report.kind == ReportKind.DELIVERY_SENT}
    failing = [report.on for report in said if report.kind == ReportKind.DELIVERY_FAILING]
    return len(sent) == ALARMS and not any(failing[-1:])


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
