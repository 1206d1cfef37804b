"""``python -m services.site DIR SITE.yaml --http-fd N --alive-fd N --mqtt URL [--hosted]``: the site process.

Threads: the main one (signals, reload, the night), the writer (log and core), the guard link, and the event loop of
what is shown outside. Start: plan, log, link, then what people see; end in reverse, the log last and clean.
Exit 0 after TERM; anything that ends the writer ends the process, and the parent starts it again.
"""

import argparse
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from secrets import token_hex
from time import monotonic
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from services.processor.runner import Runner
from services.site import pushes, token_watch
from services.site.backup.mark import RestoredMark
from services.site.faces import Faces, Outside, brokers
from services.site.first_join import log_begins
from services.site.formats import check_files, write_program
from services.site.guard_link import GuardLink
from services.site.housekeeping import LOOK_S, NightlyReplay
from services.site.log_time import LogTime
from services.site.loss_mark import LossMark
from services.site.measured import measured, uplink_notes
from services.site.notify import SiteNews, Telling
from services.site.past import SitePast, batteries
from services.site.reader import LogReader
from services.site.reload import Reloader
from services.site.service import Service
from services.site.traces import SiteTraces
from services.site.views import Parts, SiteViews
from services.uplink.place import read_place
from shared.devices.frame import Frame
from shared.devices.plan import SitePlan
from shared.domain.errors import LogNewer
from shared.domain.ids import SITE_ROOM
from shared.domain.inputs import ReportKind
from shared.log.steps import LABELS, Step
from shared.log.store import SqliteStore
from shared.runtime import places, uplink_stand
from shared.runtime.bell import Rope
from shared.runtime.clocks import SystemClock
from shared.runtime.crashpoints import crash_step
from shared.runtime.garbage import settle
from shared.runtime.lifecycle import Signals, end_with_parent
from shared.runtime.logging import configure, logger
from shared.runtime.tracing import open_spans
from shared.runtime.undurable_events import Handing
from shared.wire.inputs import report
from shared.wire.plans import decode_site, encode_guard

if TYPE_CHECKING:
    from services.site.hosted_link import HostedLink
    from services.site.mqtt_publisher import Feed

TURN_S = 0.5
END_S = 8.0
CANNOT_START = 3
"""The parent ends with it too, instead of starting this process again."""


def main() -> int:
    """Run until TERM."""
    end_with_parent()
    configure("site")
    options = _options(sys.argv[1:])
    signals = Signals()
    signals.install()
    try:
        check_files(options.data)
    except LogNewer as newer:
        sys.stderr.write(f"{newer}\n")
        return CANNOT_START
    with ExitStack() as clean_up:
        process = Process(options, signals, clean_up)
        process.start()
        write_program(options.data, version("ampward"))
        logger().info("site_started")
        failed = process.serve()
        logger().info("site_ending", failed=failed)
    return 1 if failed else 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="services.site")
    parser.add_argument("data", type=Path)
    parser.add_argument("source", type=Path)
    parser.add_argument("--http-fd", type=int, required=True)
    parser.add_argument("--alive-fd", type=int, required=True)
    parser.add_argument("--mqtt", default="")
    parser.add_argument("--hosted", action="store_true", help="its devices speak MQTT: no guard, DIR/hosted.json")
    return parser.parse_args(arguments)


class Process:
    """Everything that the site process holds. What is opened registers its end with ``clean_up``."""

    def __init__(self, options: argparse.Namespace, signals: Signals, clean_up: ExitStack) -> None:
        self._options = options
        self._data: Path = options.data
        self._signals = signals
        self._clean_up = clean_up
        self._clock = SystemClock()
        self._boot = self._clock.boot() or token_hex(8)
        self.plan = decode_site(places.find_file(self._data, places.SITE_PLAN).read_bytes())

    @property
    def service(self) -> Service:
        """From ``start`` on."""
        return self._service

    def start(self) -> None:
        """Log first, then guard's link, then what people see."""
        decision = self.plan.decision
        step = self._crash_step()
        store = SqliteStore(self._data, ballast_bytes=self.plan.log.ballast_mib << 20, step=step)
        time = LogTime(self._clock, log_begins(self._data, self._clock))
        self._spans = open_spans("site", os.environ, lambda event, words: logger().warning(event, words=words))
        self._clean_up.callback(self._spans.close)
        runner = Runner(store, decision, time, limits=self.plan.log, step=step, sent=self._sent)
        self._read = LogReader(runner.reader)
        self._service = service = Service(
            runner, self._clock, decision.site, time=time, read=self._read, mark=LossMark(self._data),
            handing=Handing(self._data), restored=RestoredMark(self._data), alive=self._sign_of_life,
            ring=Rope(self._data).ring, traces=SiteTraces(self._spans, self._clock.wall_ms),
        )  # fmt: skip
        stored = service.open(self._boot, (pushes.POSITION, token_watch.POSITION))
        settle()
        self._clean_up.callback(service.end, END_S)
        self._link = self._hosted_link(step) if self._options.hosted else self._guard_link()
        service.connect(self._link)
        self._link.start()
        self._clean_up.callback(self._link.end)
        self._reloader = Reloader(
            source=self._options.source, data=self._data, service=service, link=self._link, plan=self.plan,
            adopted=self._on_new_plan, ended=self._signals.ended,
        )  # fmt: skip
        self._pushes = pushes.Pushes(
            self._options.source, self._data, dict(os.environ), self._reloader.check_instead, self._reloader.reload,
            f"{decision.site}/{SITE_ROOM}", stored[pushes.POSITION],
            lambda reports, position: service.record(reports, pushes.POSITION, position).result(),
        )  # fmt: skip
        self._night = NightlyReplay(self._data, self._now())
        self._clean_up.callback(self._night.end)
        self._tokens = token_watch.TokenWatch(self._tokens_file, stored[token_watch.POSITION], self._record_tokens)
        self._show()

    def _guard_link(self) -> "GuardLink | HostedLink":
        return GuardLink(self._data, self._service, self._clock.monotonic_ms)

    def _crash_step(self) -> Step:
        if not self._options.hosted:
            return crash_step(os.environ)
        from services.bridge.session import LABELS as HANDED_IN

        return crash_step(os.environ, (*LABELS, *HANDED_IN))

    def _hosted_link(self, step: Step) -> "GuardLink | HostedLink":
        from services.site.hosted_link import HostedLink, broker_of, frames_of

        service = self._service

        def past() -> Iterator[Frame]:
            reading = service.runner.reader()
            if reading is not None:
                try:
                    yield from frames_of(reading, service.durable_seq)
                finally:
                    reading.close()

        return HostedLink(
            self.plan.decision.site,
            broker_of(self._data),
            service.writer,
            self._clock,
            sha256(encode_guard(self.plan)).hexdigest(),
            lambda: frozenset(device.id for device in self.plan.decision.devices),
            past,
            step,
        )

    def _tokens_file(self) -> Path:
        return places.find_file(self._data, places.TOKENS)

    def _record_tokens(self, changes: list[tuple[str, str]], position: bytes) -> None:
        home = f"{self.plan.decision.site}/{SITE_ROOM}/tokens"
        reports = [report(ReportKind.TOKENS, f"{home}/{name}", pulse=True, detail=text) for name, text in changes]
        self._service.record(reports, token_watch.POSITION, position)

    def _sent(self, tick_ms: int) -> int | None:
        """How far the fleet has had the log for the whole replay window."""
        if not self.plan.uplink.kafka:
            return None
        place = read_place(self._data)
        return place.kept_since(tick_ms) if place is not None else 0

    def _uplink_stand(self) -> uplink_stand.UplinkStand | None:
        return uplink_stand.read(self._data, self._clock)

    def _sign_of_life(self) -> None:
        try:
            os.write(self._options.alive_fd, b".")
        except (BlockingIOError, BrokenPipeError):  # Nobody reads: slow, or gone, and then TERM comes from the kernel.
            return

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.wall_ms() / 1000, ZoneInfo(self.plan.time_zone))

    def _on_new_plan(self, plan: SitePlan) -> None:
        self.plan = plan

    def serve(self) -> bool:
        """The main thread's work until TERM; True when the writer has failed."""
        looked_at = 0.0
        agreed = ""
        while not self._signals.ended.wait(TURN_S):
            if self._service.writer.failed is not None:
                return True
            if self._signals.take_reload():
                self._reloader.reload("reload")
            guard = self._link.state
            if guard.connected and guard.boot != agreed:
                agreed = guard.boot
                self._reloader.agree_with_guard()
            self._tokens.look()
            self._pushes.look()
            if monotonic() - looked_at >= LOOK_S:
                looked_at = monotonic()
                self._night.look(self._now(), self._service)
        return False

    def _show(self) -> None:
        service, decision = self._service, self.plan.decision
        parts = Parts(
            plan=lambda: self.plan,
            shown=lambda: service.shown,
            guard=lambda: self._link.state,
            counts=service.counts,
            tail=service.tail,
            answers=service.answers,
            put_command=service.put_command,
            position=self._read.position,
            upkeep=service.upkeep,
            mqtt=lambda: self._faces.mqtt_state,
            version=version("ampward"),
            attempts=lambda: telling.attempts(),
            measured=lambda: measured(self.plan.uplink, self._uplink_stand(), telling.ages()),
            messages=lambda: (*telling.notes(), *uplink_notes(self.plan.uplink, self._uplink_stand())),
        )
        outside = Outside(
            listening=socket.socket(fileno=self._options.http_fd),
            token=places.find_file(self._data, places.TOKEN).read_text().strip(),
            tokens_file=self._tokens_file,
            brokers=brokers(replace(self.plan.mqtt, url=self._options.mqtt), self.plan.uplink),
            site=decision.site,
            boot=self._boot,
            started_at_ms=self._clock.wall_ms(),
        )
        past = SitePast(self._data, lambda: ZoneInfo(self.plan.time_zone), lambda: batteries(self.plan))
        views = SiteViews(parts)
        telling = Telling(
            SiteNews(service, views, lambda: self.plan, lambda: self._link.state, position=self._read.position),
            self._data,
            self._clock,
            self._spans,
        )
        self._faces = Faces(views, past, self._feed, outside, telling)
        self._faces.start()
        self._clean_up.callback(self._faces.end)

    def _feed(self) -> "Feed":
        """Called in the event loop's thread, when a broker is to be told: only then its library is loaded."""
        from services.site.feed import SiteFeed

        return SiteFeed(self._service, lambda: self.plan, self._read)
