"""The guard process: one folder, one plan in force, one link; from its start to its clean end.

    starting --every detector polled, every module asked--> ready --stop, INT, TERM--> safe values written, exit 0
    any --a part fails--> exit 1 without a write: the relay modules fall to their safe values by themselves

It reads its plan and the commissioning record once at start, then no disk. It outlives parent and site process and
waits for the next. Refuses (exit 3, one line on standard error): a folder or a relay module that another guard holds.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from pathlib import Path

from services.actuator.leases import Lease, Verdict
from services.actuator.tell import Teller
from services.guard.armed import read_record, told
from services.guard.control import Explanation, Past
from services.guard.engine import LABELS, MID_CHANGE, Engine, OpenLine, World
from services.guard.link import Client, Link
from services.guard.locks import Locks, module_names
from services.guard.log import log, prepare
from services.guard.outbox import Outbox
from services.guard.planfile import GuardPlan, make_plan, read_plan
from services.guard.priority import raise_priority
from shared.domain.errors import AmpwardError, Busy, ConfigError
from shared.domain.ids import OutputId
from shared.domain.inputs import Report, ReportKind
from shared.fieldbus.lines import open_line
from shared.log.steps import Step
from shared.runtime import places
from shared.runtime.clocks import Clock, SystemClock
from shared.runtime.crashpoints import own_step
from shared.wire.guardlink import (
    Explain,
    Hello,
    LeaseSent,
    Outputs,
    PlanCommitted,
    PlanDropped,
    PlanSent,
    Ready,
    Stop,
    Test,
    ToGuard,
)

CANNOT_START = 3
FAILED = 1
TELL_S = 1.0
READY_LOOK_S = 0.02


class Guard:
    """Everything that one guard process holds."""

    def __init__(self, data: Path, plan: GuardPlan, locks: Locks, clock: Clock, open_bus: OpenLine, step: Step) -> None:
        self._locks = locks
        self._clock = clock
        self._data = data
        self.boot = os.urandom(8).hex()
        self._outbox = Outbox()
        self._link = Link(self._outbox, clock, self._hello, self._take)
        self._teller = Teller(self._report)
        self._world = World(
            self.boot, clock, self._outbox, self._teller, self._link.notify, open_bus, read_record(data), step
        )
        self._engine = Engine(plan, self._world)
        self._pending: GuardPlan | None = None
        self._changing = asyncio.Lock()
        self._ready_at_ms = 0
        self._started_at_ms = clock.wall_ms()
        self._ended = asyncio.Event()
        self._work: set[asyncio.Task[None]] = set()
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done, with its error, when a change of plans has failed."""

    def _tell_armed(self, output: OutputId, reason: str) -> None:
        detail = reason or told(self._world.record, output, self._clock.wall_ms())
        self._teller.pulse(ReportKind.ARMED, output, not reason, detail)

    async def run(self, priority: str) -> None:
        """Until it is stopped; raises what made a part fail."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._ended.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: None)
        detail = f"boot {self.boot}, plan {self._engine.plan.hash[:12]}, {priority}"
        site = self._engine.plan.binding.site
        self._teller.pulse(ReportKind.GUARD_STARTED, f"{site}/_site/guard", on=True, detail=detail)
        for output in self._engine.control.outputs:
            self._tell_armed(output, self._engine.unarmed.get(output, ""))
        await self._engine.start()
        await self._link.start(places.listen_guard(self._data))
        log("info", "guard_started", boot=self.boot, plan=self._engine.plan.hash, priority=priority)
        telling = asyncio.create_task(self._tell())
        ended = asyncio.create_task(self._ended.wait())
        try:
            while not ended.done():
                parts = (telling, self._engine.failed, self._broken)
                await asyncio.wait((ended, *parts), timeout=TELL_S, return_when=asyncio.FIRST_COMPLETED)
                for part in parts:
                    if part.done():
                        part.result()
            async with self._changing:
                await self._engine.stop_safe()
        finally:
            telling.cancel()
            ended.cancel()
            await self._link.close()

    # What it tells

    def _report(self, report: Report) -> None:
        self._outbox.add(report, self._clock.monotonic_ms())
        self._link.notify()

    def _hello(self) -> Hello:
        control = self._engine.control
        return Hello(
            boot=self.boot,
            pid=os.getpid(),
            plan=self._engine.plan.hash,
            lease=control.lease.number,
            ready_at_ms=self._ready_at_ms,
            asks=control.asks(),
            started_at_ms=self._started_at_ms,
        )

    async def _tell(self) -> None:
        while True:
            if not self._ready_at_ms and self._engine.has_begun():
                self._ready_at_ms = self._clock.wall_ms()
                gc.collect()
                gc.freeze()
                self._link.broadcast(Ready(self._ready_at_ms))
                log("info", "trip_ready", unreachable=self._engine.unreachable())
            if self._ready_at_ms:
                self._link.broadcast(self._outputs())
            if self._engine.is_stuck() and not self._changing.locked():
                log("error", "lines_stuck", late=self._engine.pulse.late_parts())
                self._spawn(self._change(self._engine.plan))
            await asyncio.sleep(TELL_S if self._ready_at_ms else READY_LOOK_S)

    def _outputs(self) -> Outputs:
        lacks = self._engine.not_ready()
        return Outputs(
            items=self._engine.outputs(),
            ready=not lacks,
            not_ready=lacks,
            unreachable=self._engine.unreachable(),
            loop_age_ms=max(0, self._engine.pulse.age_ms()),
            kept=len(self._outbox),
            dropped=self._outbox.dropped,
            plan=self._engine.plan.hash,
            pending=self._pending.hash if self._pending is not None else "",
        )

    # What it is asked

    def _take(self, client: Client, message: ToGuard, tail: bytes) -> None:
        control = self._engine.control
        match message:
            case LeaseSent(number=number, ttl_ms=ttl_ms, demands=demands, sent_ms=sent_ms):
                lease = Lease(number, ttl_ms, {OutputId(name): on for name, on in demands.items()}, sent_ms)
                verdict = control.offer(lease)
                if verdict is not Verdict.TAKEN:
                    client.refuse("lease", str(verdict), number)
            case Explain(away_ms=away_ms, items=items):
                said = {OutputId(item.output): Explanation(item.demanded, item.gas_at_limit) for item in items}
                control.explain(Past(away_ms, said))
            case Test(output=output, for_ms=for_ms):
                if not control.test(OutputId(output), for_ms):
                    client.refuse("test", f"no output {output}")
            case PlanSent(hash=name):
                self._prepare(client, name, tail)
            case PlanDropped(hash=name):
                if self._pending is not None and self._pending.hash == name:
                    self._forget_pending()
            case PlanCommitted(hash=name):
                self._commit(client, name)
            case Stop():
                self._ended.set()

    def _prepare(self, client: Client, name: str, data: bytes) -> None:
        """A new plan: from here on the stricter of both, until it is committed or dropped."""
        if name == self._engine.plan.hash:
            return
        try:
            plan = make_plan(name, data)
            self._locks.take_modules(module_names(plan.site))
        except (ConfigError, Busy) as fault:
            client.refuse("plan", str(fault))
            return
        self._pending = plan
        self._engine.control.tighten(plan.binding)
        log("info", "plan_waits", plan=name)

    def _forget_pending(self) -> None:
        self._pending = None
        self._engine.control.loosen()
        self._locks.keep_modules(module_names(self._engine.plan.site))

    def _commit(self, client: Client, name: str) -> None:
        if self._pending is None or self._pending.hash != name:
            if name != self._engine.plan.hash:
                client.refuse("plan_committed", f"no plan {name} waits here")
            return
        plan, self._pending = self._pending, None
        self._spawn(self._change(plan))

    def _spawn(self, change: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(change, name="plan-change")
        self._work.add(task)
        task.add_done_callback(self._changed)

    def _changed(self, task: "asyncio.Task[None]") -> None:
        self._work.discard(task)
        fault = None if task.cancelled() else task.exception()
        if fault is not None and not self._broken.done():
            self._broken.set_exception(fault)

    async def _change(self, plan: GuardPlan) -> None:
        """Put a plan in force: the old engine lets go of coils that it does not have, the new one takes over the
        others as they are."""
        async with self._changing:
            if self._ended.is_set():
                return
            before = self._engine
            engine = Engine(plan, self._world)
            await before.stop_for(plan)
            self._world.step(MID_CHANGE)
            self._engine = engine
            await engine.start(before)
            if self._pending is not None:
                engine.control.tighten(self._pending.binding)
            self._locks.keep_modules(module_names(plan.site))
            for output in engine.control.outputs:
                reason = engine.unarmed.get(output, "")
                if output not in before.control.outputs or reason != before.unarmed.get(output, ""):
                    self._tell_armed(output, reason)
            log("info", "plan_in_force", plan=plan.hash)


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    """``python -m services.guard DIR [--plan FILE]``; gives the exit code."""
    if len(arguments) not in (1, 3) or (len(arguments) == 3 and arguments[1] != "--plan"):
        sys.stderr.write("usage: python -m services.guard DIR [--plan FILE]\n")
        return 2
    prepare()
    priority = raise_priority()
    data = Path(arguments[0])
    locks = Locks()
    try:
        locks.take_folder(data)
        plan = read_plan(Path(arguments[2]) if len(arguments) == 3 else places.find_file(data, places.GUARD_PLAN))
        locks.take_modules(module_names(plan.site))
    except Busy as fault:
        sys.stderr.write(f"guard: {fault}\n")
        return CANNOT_START
    except (AmpwardError, OSError) as fault:
        sys.stderr.write(f"guard: {fault}\n")
        return FAILED
    try:
        asyncio.run(_run(data, plan, locks, priority, own_step(environment, LABELS)))
    except Busy as fault:
        sys.stderr.write(f"guard: {fault}\n")
        return CANNOT_START
    except Exception as fault:
        # A broken invariant ends in the safe state: silence, and the modules' own watchdogs.
        log("error", "guard_failed", fault=f"{type(fault).__name__}: {fault}")
        raise
    with suppress(OSError):
        (data / places.GUARD_SOCKET).unlink(missing_ok=True)
    return 0


async def _run(data: Path, plan: GuardPlan, locks: Locks, priority: str, step: Step) -> None:
    await Guard(data, plan, locks, SystemClock(), open_line, step).run(priority)
