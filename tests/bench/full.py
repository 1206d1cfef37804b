"""How much a whole site takes: the site process's own parts (writer, log, core, gateway with an open event stream, the
notifier) in this process, and the history in its own behind it, from frames handed over to all of it caught up.

Frames are those of tests.bench.site: 200 registers, 4 % of the readings change their alarm's state in every frame. All
of these are warnings; the reader of the stream and the notifier's one route want what is graver, as people do, so both
look at every event and tell none. The clock runs until the last frame is fsynced and the history has it too.
"""

import argparse
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from services.history.database import FILE, HistoryBroken, open_reader
from services.site.folder import ensure_token
from services.site.guard_link import Source
from services.site.process import Process
from shared.devices.frame import Frame
from shared.devices.plan import BusPlan, MqttPlan, SitePlan
from shared.domain.notify_plan import EmailPlan, NotifyPlan, Person, Route
from shared.domain.plan import Severity
from shared.log.store import open_reader as open_log
from shared.runtime import places
from shared.runtime.lifecycle import Signals
from shared.wire.plans import encode_site
from tests.bench.site import MODULES, READINGS, decision, frames
from tests.testkit.process import Running

FRAMES = 20_000
AHEAD = 500
"""Frames handed over and not yet on the disk: guard keeps its own, so more only costs memory."""
WAIT_S = 300.0
ANNA = Person("anna", "Anna", email="anna@example.org")
TOLD = NotifyPlan(
    people=(ANNA,),
    routes=(Route(1, Severity.ALARM, (), (), ("anna",), ("email",)),),
    email=(EmailPlan("127.0.0.1", 1, "none", "site@example.org"),),
)
GUARD = "bench"
"""The boot of a guard that hands the frames over."""


def measure(say: Callable[[str], None]) -> dict[str, float]:
    """The best of three, so that a neighbour's work on the same processor is not measured."""
    given = frames(MODULES, FRAMES, changing=0.04, wall_ms=time.time_ns() // 1_000_000)
    return {"site_full_readings_per_s": max(_readings_per_s(given, say) for _ in range(3))}


def _readings_per_s(given: list[Frame], say: Callable[[str], None]) -> float:
    with tempfile.TemporaryDirectory(prefix="ampward-full-") as name, ExitStack() as stack:
        folder = Path(name)
        site = SitePlan(
            name="Bench", time_zone="Europe/Berlin", language="en", demo=True, decision=decision(MODULES),
            buses=(BusPlan("b1", "127.0.0.1:1", "", "", 300),), mqtt=MqttPlan(""), http="", simulate="", notify=TOLD,
        )  # fmt: skip
        places.write_file(folder, places.SITE_PLAN, encode_site(site))
        ensure_token(folder)
        listening = socket.create_server(("127.0.0.1", 0))
        address = listening.getsockname()
        service = _process(folder, listening, stack).service
        stack.enter_context(Running.python("services.history", folder))
        _watch(folder, address, stack)
        cpu_s, began = time.process_time(), time.perf_counter()
        for n, frame in enumerate(given, 1):
            service.take(frame, Source(GUARD, n, -1))
            while n - service.held(GUARD) > AHEAD:
                time.sleep(0.002)
        _until(lambda: service.held(GUARD) >= len(given))
        written_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
        last = _last_frame(folder)
        _until(lambda: _reached(folder) >= last)
        seconds = time.perf_counter() - began
    say(
        f"{READINGS * len(given) / written_s:,.0f} readings/s fsynced, {READINGS * len(given) / seconds:,.0f} with the "
        f"history; {1e6 * cpu_s / len(given):,.0f} us of processor time a frame without it"
    )
    return READINGS * len(given) / seconds


def _process(folder: Path, listening: socket.socket, stack: ExitStack) -> Process:
    """The site process's own parts, in this process."""
    alive_read, alive_write = os.pipe2(os.O_NONBLOCK)
    stack.callback(os.close, alive_read)
    stack.callback(os.close, alive_write)
    options = argparse.Namespace(
        data=folder,
        source=folder / "site.yaml",
        http_fd=listening.detach(),
        alive_fd=alive_write,
        mqtt="",
        hosted=False,
    )
    threading.Thread(target=_drain, args=(alive_read,), daemon=True).start()
    process = Process(options, Signals(), stack)
    process.start()
    return process


def _drain(descriptor: int) -> None:
    """The parent's part: signs of life are read."""
    while True:
        try:
            os.read(descriptor, 4096)
        except BlockingIOError:
            time.sleep(0.5)
        except OSError:
            return


def _watch(folder: Path, address: tuple[str, int], stack: ExitStack) -> None:
    """Somebody follows the grave alarms over HTTP."""
    line = stack.enter_context(closing(socket.create_connection(address)))
    token = (folder / places.TOKEN).read_text().strip()
    ask = f"GET /api/v1/events?severity=alarm&since=now HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    line.sendall(ask.encode())

    def read() -> None:
        try:
            while line.recv(1 << 16):
                pass
        except OSError:
            return

    threading.Thread(target=read, daemon=True).start()


def _last_frame(folder: Path) -> int:
    reader = open_log(folder)
    try:
        return reader.head().site_seq
    finally:
        reader.close()


def _reached(folder: Path) -> int:
    """How far the history is, by the last minute's records."""
    try:
        with closing(open_reader(folder / FILE)) as connection:
            row = connection.execute("SELECT max(last_seq) FROM places").fetchone()
            return int(row[0] or 0) + 50
    except HistoryBroken:
        return 0


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "the site did not get there in time"
        time.sleep(0.02)
