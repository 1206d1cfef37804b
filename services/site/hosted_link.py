"""A hosted site's end of its devices: MQTT in the place of guard. Frames and dead letters in, PUBACK after the commit.

The site process is the same as on a box, with this in the place of services.site.guard_link: what the log has durably
is told by :meth:`HostedLink.ack`, and that is when the broker may forget it. There is no guard: nothing is switched
(the site file's check refuses outputs), and a plan is in force as soon as it is checked.
Promises: a frame that the log has already is not handed on again, also over a restart (the newest REMEMBERED inputs of
the log are looked through). ``state`` says as of a guard whether devices can be heard.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex
from time import monotonic
from typing import Final

from services.bridge.pulse import UNKNOWN_MS
from services.bridge.seen import Seen
from services.bridge.session import Broker, Poison, Session
from services.processor.taker import Unreadable
from services.site.guard_link import GuardState, Source
from services.site.writer import Item, Writer
from shared.bus.address import Credentials, parse_url, read_password
from shared.devices.frame import Frame
from shared.domain.errors import ConfigError, LogError, WireError
from shared.log.port import Reading
from shared.log.steps import Step, no_step
from shared.runtime.clocks import Clock
from shared.runtime.logging import logger
from shared.wire.guardlink import Explain
from shared.wire.inputs import decode_input

HOSTED: Final = "hosted.json"
"""In the data folder: the broker, and the files by which the bridge is known there; no secret stands in it."""
REMEMBERED: Final = 20_000
"""Inputs; two thousand a second are read. A broker gives again what was on its way, 100 messages."""
FIELDS: Final = ("url", "user", "password_file", "ca_file", "cert_file", "key_file")


def broker_of(data: Path) -> Broker:
    """The broker that DIR/hosted.json names. Raises ConfigError."""
    try:
        body = json.loads((data / HOSTED).read_bytes())
        url, user, password_file, *files = (str(body[name]) for name in FIELDS)
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise ConfigError(f"{data / HOSTED}: {type(fault).__name__}: {fault}; the bridge writes it") from fault

    def credentials() -> Credentials:
        return Credentials(user, read_password(password_file) if password_file else "", *files)

    return Broker(parse_url(url), credentials)


def frames_of(reading: Reading, head_seq: int) -> Iterator[Frame]:
    """The newest frames of the log, oldest first. Raises LogError."""
    for row in reading.inputs(max(0, head_seq - REMEMBERED), REMEMBERED):
        if row.kind == "frame":
            body = decode_input(row.data).body
            if isinstance(body, Frame):
                yield body


class HostedLink:
    """Stands where a GuardLink stands: the same names, nothing behind those that speak to guard."""

    def __init__(
        self,
        site: str,
        broker: Broker,
        writer: Writer,
        clock: Clock,
        plan: str,
        devices: Callable[[], frozenset[str]],
        past: Callable[[], Iterator[Frame]],
        step: Step = no_step,
    ) -> None:
        """``plan`` is the hash of guard's plan in force; ``past`` are the frames that the log has, oldest first."""
        self._boot = token_hex(8)
        self._plan = plan
        self._writer = writer
        self._clock = clock
        self._seen = Seen()
        try:
            self._seen.remember(past())
        except (LogError, WireError) as fault:
            # What comes again is then a late frame to the core, which says so.
            logger().warning("hosted_past_unread", why=str(fault))
        self._session = Session(site, broker, self, self._seen, clock, self._boot, devices, step)

    @property
    def state(self) -> GuardState:
        """As of a guard that has no outputs."""
        up = self._session.is_up
        return GuardState(
            connected=up, boot=self._boot, plan=self._plan, ready=up, ready_at_ms=int(up), heard_at=monotonic(),
            not_ready=() if up else (self._session.state,),
        )  # fmt: skip

    def take(self, body: Frame | Poison, n: int) -> None:
        """From the session's thread."""
        now = self._clock.monotonic_ms()
        if isinstance(body, Poison):
            self._writer.put(Item(Unreadable(*body), Source(self._boot, n, now)))
        else:
            made = -1 if body.age_ms >= UNKNOWN_MS else max(-1, now - body.age_ms)
            self._writer.put(Item(body, Source(self._boot, n, made)))

    def start(self) -> None:
        self._session.start()

    def end(self) -> None:
        self._session.end()

    def ack(self, n: int) -> None:
        """The log has everything up to there."""
        self._session.safe(n)

    def lease(self, demands: dict[str, bool]) -> None:
        """A hosted site has no outputs."""
        assert not demands, "the check of the site file refuses outputs of a hosted site"

    def explain(self, answer: Explain) -> None:
        """Nobody asks."""

    def plan(self, version: str, _body: bytes) -> bool:
        """In force at once."""
        self._plan = version
        return True

    def plan_committed(self, _version: str) -> bool:
        return True
