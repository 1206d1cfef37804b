"""How long from gas to fan: a register crosses 1 % on a real Modbus TCP device, until the fan's coil is written.

Given as the 99th percentile minus the poll period, with every core busy: once with a site process that takes frames and
renews its lease, once on a serial line, once with nobody but guard (``degraded``: no site process, log, parent or
broker). The room's fan rests off without a lease, so that each crossing shows; nothing is asserted here.
"""

import json
import math
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from services.guard.planfile import write_plan
from shared.devices.plan import SitePlan
from shared.wire.guardlink import Ack, Explain
from tests.services.actuator.plans import BUZZER, CHARGER, FAN, gas_head, relay_module, room, site, with_outputs
from tests.services.guard.peer import Peer
from tests.testkit.cpu import busy_cores
from tests.testkit.process import Running

POLL_MS = 100
CROSSINGS = 300
BAUD = 19_200
SEED = 20_261_122
Say = Callable[[str], None]


def measure(say: Say) -> dict[str, float]:
    """p99 over the poll period in ms, with a site process and without."""
    return {
        "trip_over_poll_ms_p99": one(say, name="site process, cores busy"),
        "trip_over_poll_ms_p99_degraded": one(say, with_site=False, name="nobody else, cores busy"),
        "trip_over_poll_ms_p99_serial": one(say, serial=True, name="serial line (a pseudo-terminal), cores busy"),
    }


def plan_for(address: str, *, serial: bool = False) -> SitePlan:
    """A gas head polled each POLL_MS; the fan's safe value is off."""
    plan = site(address, room(), gas=gas_head(POLL_MS), relay=relay_module(2 * POLL_MS, watchdog_ms=0))
    if serial:
        plan = replace(plan, buses=(replace(plan.buses[0], tcp="", serial=address, baud=BAUD),))
    return with_outputs(replace(plan, name="Trip"), safe_on=False)


def one(
    say: Say,
    *,
    name: str,
    with_site: bool = True,
    serial: bool = False,
    load: Callable[[], AbstractContextManager[object]] = busy_cores,
) -> float:
    """p99 over the poll period in ms, while ``load`` lasts."""
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        command = [sys.executable, "-m", "tests.bench.trip_device", str(CROSSINGS), str(SEED)]
        if serial:
            command.append(str(data / "line"))
        device = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        stack.callback(_end, device)
        assert device.stdout is not None
        assert device.stdin is not None
        said = device.stdout.readline().strip()
        write_plan(data, plan_for(said if serial else f"127.0.0.1:{int(said)}", serial=serial))
        guard = stack.enter_context(Running.python("services.guard", data))
        guard.wait_for_line("trip_ready")
        if with_site:
            peer = stack.enter_context(Peer(data))
            peer.say(Explain(60_000, ()))
            peer.hold({FAN: False, CHARGER: False, BUZZER: False})
            stack.callback(_acking(peer).set)
        stack.enter_context(load())
        device.stdin.write("go\n")
        device.stdin.flush()
        times_ms: list[float] = sorted(json.loads(device.stdout.readline()))
    p50, p99 = (times_ms[math.ceil(part * len(times_ms)) - 1] for part in (0.5, 0.99))
    say(
        f"{name}: {len(times_ms)} crossings, poll {POLL_MS} ms: "
        f"p50 {p50:.1f}, p99 {p99:.1f}, longest {times_ms[-1]:.1f} ms"
    )
    return p99 - POLL_MS


def _acking(peer: Peer) -> threading.Event:
    """Accept what comes, twice a second, until the event is set."""
    over = threading.Event()

    def ack() -> None:
        while not over.wait(0.5):
            with suppress(OSError):
                peer.say(Ack(peer.last_n))

    threading.Thread(target=ack, daemon=True).start()
    return over


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
