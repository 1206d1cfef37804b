"""Reports that the ledger has and the log may not have yet: handed over in their order, each once.

    number --> commit of the ledger --> written --> log: Reports and place --> kept --> the ledger may forget them

Promises: nothing is handed over before the ledger has it (or has said that it waits for a disk, in memory); what a
crash leaves behind the place that the log has is handed over at the next start; nobody waits for the log.
Limits: 10,000 Reports wait, about 3 MB; what comes then is dropped and said in the text log. 200 go at a time.
"""

import asyncio
from collections.abc import Mapping, Sequence

from services.notifier.feed import Feed
from services.notifier.ledger_port import Found
from services.notifier.reports import BoxReport
from shared.log.steps import Step, no_step
from shared.runtime.logging import logger

WAITING_MAX = 10_000
AT_A_TIME = 200
LOOK_S = 1.0
"""So often the log is asked whether it has them for good, as long as it does not."""


class Outbox:
    """Of one ledger. Lives in one event loop."""

    def __init__(self, feed: Feed, *, step: Step = no_step) -> None:
        self.kept = 0
        """The log has everything up to this number for good."""
        self._feed = feed
        self._step = step
        self._ledger = ""
        self._last = self._written = self._taken = 0
        self._waiting: dict[int, BoxReport] = {}
        self._woken = asyncio.Event()
        self._is_ending = False
        self._log = logger(part="notifier")

    async def begin(self, found: Found) -> None:
        """Go on from a ledger. A number that the log has is never given again: the ledger may have lost it."""
        self._ledger = found.ledger
        reported = await self._feed.reported(found.ledger)
        self._taken, self.kept = reported
        self._last = self._written = max(found.last, reported.taken)
        self._waiting = {number: report for number, report in found.reports.items() if number > reported.kept}
        # A log that was begun anew does not know what an older one took and the ledger has forgotten.
        self._taken = max(self._taken, min(self._waiting, default=self._last + 1) - 1)
        self._woken.set()

    def number(self, reports: Sequence[BoxReport]) -> dict[int, BoxReport]:
        """Numbers for the next commit of the ledger."""
        given: dict[int, BoxReport] = {}
        for report in reports:
            if len(self._waiting) >= WAITING_MAX:
                self._log.error("report_dropped", kind=str(report.kind), detail=report.detail)
                continue
            self._last += 1
            given[self._last] = self._waiting[self._last] = report
        return given

    def written(self, given: Mapping[int, BoxReport]) -> None:
        """That commit is done, or is not waited for any longer: the disk takes them in their order."""
        if given:
            self._written = max(self._written, *given)
            self._woken.set()

    def end(self) -> None:
        """:meth:`run` is to return as soon as the log has taken what there is."""
        self._is_ending = True
        self._woken.set()

    async def run(self) -> None:
        """Until :meth:`end`. Cancelled, it leaves the rest in the ledger."""
        while True:
            self._woken.clear()
            if await self._hand_over():
                continue
            if self._is_ending:
                return
            try:
                async with asyncio.timeout(LOOK_S if self.kept < self._taken else None):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def _hand_over(self) -> bool:
        """Give the log what it has not taken, and see what it has for good; True when more is due."""
        due = {n: report for n, report in self._waiting.items() if self._taken < n <= self._written}
        numbers = sorted(due)[:AT_A_TIME]
        if numbers:
            self._step("before report")
            await self._feed.report(self._ledger, numbers[-1], [due[number] for number in numbers])
            self._taken = numbers[-1]
            self._step("after report")
        if self.kept < self._taken:
            self.kept = max(self.kept, (await self._feed.reported(self._ledger)).kept)
            self._waiting = {n: report for n, report in self._waiting.items() if n > self.kept}
        return len(due) > AT_A_TIME
