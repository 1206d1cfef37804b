"""``python -m services.site DIR SITE.yaml --http-fd N --alive-fd N --mqtt URL``: the site process.

Threads: the main one (signals, reload, housekeeping), the writer (log and core), the guard link, the HTTP interface's
event loop, the MQTT publisher's. Start: plan, log, link, then what people see; end in reverse, the log last and clean.
Exit 0 after TERM; anything that ends the writer ends the process, and the parent starts it again.
"""

import argparse
import asyncio
import os
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from zoneinfo import ZoneInfo

from services.processor.runner import Runner
from services.site.answers import POSITION
from services.site.guard_link import GuardLink
from services.site.housekeeping import LOOK_S, DiskWatch, NightlyReplay
from services.site.opening import commands_since, open_runner
from services.site.reload import Reloader
from services.site.service import Service
from services.site.tail import Tail
from services.site.views import Parts, SiteViews
from shared.devices.plan import SitePlan
from shared.runtime import places
from shared.runtime.clocks import SystemClock
from shared.runtime.lifecycle import Signals, end_with_parent
from shared.runtime.logging import configure, logger
from shared.wire.plans import decode_site

TURN_S = 0.5
END_S = 8.0
HTTP_START_S = 30.0


def main() -> int:
    """Run until TERM."""
    end_with_parent()
    configure("site")
    options = _options(sys.argv[1:])
    signals = Signals()
    signals.install()
    with ExitStack() as clean_up:
        process = Process(options, signals, clean_up)
        process.start()
        logger().info("site_started")
        process.serve()
        logger().info("site_ending")
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="services.site")
    parser.add_argument("data", type=Path)
    parser.add_argument("source", type=Path)
    parser.add_argument("--http-fd", type=int, required=True)
    parser.add_argument("--alive-fd", type=int, required=True)
    parser.add_argument("--mqtt", default="")
    return parser.parse_args(arguments)


class Process:
    """Everything that the site process holds. What is opened registers its end with ``clean_up``."""

    def __init__(self, options: argparse.Namespace, signals: Signals, clean_up: ExitStack) -> None:
        self._options = options
        self._data: Path = options.data
        self._signals = signals
        self._clean_up = clean_up
        self._clock = SystemClock()
        self._log = logger()
        self.plan = decode_site(places.find_file(self._data, places.SITE_PLAN).read_bytes())

    def start(self) -> None:
        """Log first, then guard's link, then what people see."""
        runner, recovered = open_runner(self._data, self.plan, self._clock)
        self._clean_up.callback(runner.close)
        head = runner.head
        tail = Tail(head.log_id, head.site_seq, _opener(runner))
        self.service = Service(runner, self._clock, self.plan.decision.site, tail, self._sign_of_life)
        self.service.answers.load(runner.position(POSITION), commands_since(runner))
        self.service.recovered = recovered
        self.service.writer.start()
        self._clean_up.callback(self.service.writer.end, END_S)
        self._link = GuardLink(self._data, self.service, self._clock.monotonic_ms)
        self.service.connect(self._link)
        self._link.start()
        self._clean_up.callback(self._link.end)
        self._reloader = Reloader(
            self._options.source, self._data, self.service, self._link, self.plan, self._on_new_plan
        )
        self._disk = DiskWatch(self._data, self.plan.log.disk_low_mib)
        self._night = NightlyReplay(self._data, self._now())
        self._clean_up.callback(self._night.end)
        self._serve_http()

    def _sign_of_life(self) -> None:
        try:
            os.write(self._options.alive_fd, b".")
        except BlockingIOError:
            return

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.wall_ms() / 1000, ZoneInfo(self.plan.time_zone))

    def _on_new_plan(self, plan: SitePlan) -> None:
        self.plan = plan
        self._disk.limit_mib = plan.log.disk_low_mib

    def serve(self) -> None:
        """The main thread's work until TERM."""
        looked_at = 0.0
        agreed = ""
        while not self._signals.ended.wait(TURN_S):
            if self.service.writer.failed is not None:
                raise SystemExit(1)
            if self._signals.take_reload():
                self._reloader.reload("SIGHUP")
            guard = self._link.state
            if guard.connected and guard.boot != agreed:
                agreed = guard.boot
                self._reloader.agree_with_guard()
            if monotonic() - looked_at >= LOOK_S:
                looked_at = monotonic()
                self._disk.look(self.service)
                self._night.look(self._now(), self.service)

    def _serve_http(self) -> None:
        parts = Parts(
            plan=lambda: self.plan,
            shown=lambda: self.service.shown,
            guard=lambda: self._link.state,
            counts=self.service.counts,
            tail=self.service.tail,
            answers=self.service.answers,
            put_command=self.service.put_command,
            mqtt=lambda: self._options.mqtt,
            version=version("ampward"),
        )
        listening = socket.socket(fileno=self._options.http_fd)
        token = places.find_file(self._data, places.TOKEN).read_text().strip()
        server = HttpThread(SiteViews(parts), token, listening)
        server.start()
        self._clean_up.callback(server.end)


class HttpThread(threading.Thread):
    """The gateway in an event loop of its own; its libraries are loaded here, after guard is served."""

    def __init__(self, views: SiteViews, token: str, listening: socket.socket) -> None:
        super().__init__(name="http", daemon=True)
        self._views = views
        self._token = token
        self._listening = listening
        self._ending: Callable[[], None] | None = None
        self._ready = threading.Event()

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        from services.gateway.api import create_app
        from services.gateway.server import Gateway

        ending = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._ending = lambda: loop.call_soon_threadsafe(ending.set) and None
        gateway = Gateway(create_app(self._views, self._token), self._listening)
        await gateway.start()
        self._ready.set()
        await ending.wait()
        await gateway.stop()

    def end(self) -> None:
        """Answer what is being answered, then close."""
        self._ready.wait(HTTP_START_S)
        if self._ending is not None:
            self._ending()
        self.join(END_S)


def _opener(runner: Runner) -> Callable[[], object]:
    return runner.reader
