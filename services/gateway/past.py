"""The port between the gateway and the history: what was, by point and time.

The site process implements :class:`PastViews` over the history's file; the fake beside this module
(services.gateway.fake_past) implements it in memory. Both pass tests/services/gateway/past_contract.py.

Promises asked of an implementation: every method may be called from the gateway's event loop and takes its time
elsewhere; what cannot be answered is a :class:`NotTold` with its reason, never an error; a hole is a missing row and
is never filled. Instants are ``_at_ms``, UTC milliseconds since 1970, 0 for "not yet"; an end is not included.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol


class Journal(StrEnum):
    """Which events are asked for."""

    ALARMS = "alarms"
    OUTPUTS = "outputs"
    DELIVERIES = "deliveries"


class Why(StrEnum):
    """Why there is no answer; the last part of the problem's type."""

    UNKNOWN_POINT = "unknown-point"
    UNKNOWN_BATTERY = "unknown-battery"
    TOO_MUCH = "too-much"
    NO_HISTORY = "no-history"
    HISTORY_BROKEN = "history-broken"


@dataclass(frozen=True, slots=True)
class NotTold:
    why: Why
    text: str


@dataclass(frozen=True, slots=True)
class TrendItem:
    """A minute, an hour or one reading; values are decimal strings, None when nothing had a value."""

    at_ms: int
    low: str | None
    high: str | None
    mean: str | None
    last: str | None
    quality: str
    """good, uncertain, bad"""
    good: int
    uncertain: int
    bad: int
    """How many readings of each quality."""


@dataclass(frozen=True, slots=True)
class TrendAnswer:
    point: str
    unit: str
    step: str
    """raw, minute, hour"""
    items: tuple[TrendItem, ...]


@dataclass(frozen=True, slots=True)
class JournalItem:
    """One event; empty texts are what does not apply."""

    place: int
    at_ms: int
    type: str
    room: str
    subject: str
    occurrence: str
    rule: str
    severity: str
    state: str
    value: str
    unit: str
    limit: str
    quality: str
    reason: str
    actor: str
    for_ms: int
    """How long a shelving, an out-of-service or a maintenance was to last, 0 for none."""


@dataclass(frozen=True, slots=True)
class JournalAnswer:
    items: tuple[JournalItem, ...]
    more: bool
    """There are others behind the last one's place."""


@dataclass(frozen=True, slots=True)
class DischargeItem:
    battery: str
    began_at_ms: int
    ended_at_ms: int
    """0 while it lasts."""
    lasted_ms: int
    strings_ah: Mapping[str, str]
    """Ampere-hours out of each string whose current is measured, decimal strings."""
    lowest_jar: str
    lowest_volt: str
    """Empty when no jar's voltage was seen."""


@dataclass(frozen=True, slots=True)
class JournalQuestion:
    which: Journal
    begin_ms: int
    end_ms: int
    subject: str = ""
    """The alarm, output or channel itself, or a path above it."""
    room: str = ""
    after: int = 0
    limit: int = 500


class PastViews(Protocol):
    """What the site process offers to the gateway of its history."""

    async def trend(self, point: str, begin_ms: int, end_ms: int, step: str) -> TrendAnswer | NotTold:
        """``step`` is raw, minute, hour or auto."""
        ...

    async def journal(self, question: JournalQuestion) -> JournalAnswer | NotTold:
        """In the log's order, at most ``limit``."""
        ...

    async def discharges(self, begin_ms: int, end_ms: int, battery: str) -> tuple[DischargeItem, ...] | NotTold:
        """Those that were going on, in order of their begin; ``battery`` "" for all. A name that neither the site nor
        its history has is told with those that there are."""
        ...

    async def kpis(self, begin_ms: int, end_ms: int, operators: int) -> Mapping[str, Any] | NotTold:
        """The alarm figures as JSON has them (services.history.kpi)."""
        ...


class SitesPast(Protocol):
    """The past of all sites of a fleet."""

    def of(self, sites: frozenset[str] | None) -> PastViews:
        """What these sites have alone, None for every site: another one's points and batteries are unknown in it."""
        ...


class OnePast:
    """The past of one site, as the past of all sites that there are. Implements SitesPast."""

    def __init__(self, past: PastViews) -> None:
        self._past = past

    def of(self, _sites: frozenset[str] | None) -> PastViews:
        return self._past
