"""Who is told what: people, schedules, routes and channels as compiled from the site file. Pure data.

Nothing here is part of the decision version, and guard's plan does not have it: people come and go without a new rule
set and without a word to guard. Times of the day are minutes after midnight of the site's zone, 0 to 1440; durations
are milliseconds. Secrets are not here, only the files that hold them.
"""

from dataclasses import dataclass

from shared.domain.plan import Severity

REPEAT_MS_MAX = 300_000
"""A critical alarm that nobody has acked is told again at least so often, whatever a route says."""
DAY_MINUTES = 1440


@dataclass(frozen=True, slots=True)
class Hours:
    """A time of the day on some days of the week. ``end`` at or before ``begin`` reaches into the next day."""

    days: tuple[int, ...]
    """0 is Monday; the days on which it begins."""
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    name: str
    email: str = ""
    phone: str = ""
    language: str = "en"
    quiet: tuple[Hours, ...] = ()
    """Hours in which nothing below critical is sent; at their end one message tells of what was held back."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Hours in which a route is in force: duty hours, weekends."""

    id: str
    hours: tuple[Hours, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Alarms that match go to these people by these channels."""

    number: int
    """Its place in the site file's list, from 1: how people name it."""
    severity: Severity
    """This or graver."""
    rooms: tuple[str, ...]
    """Empty: every room. ``_site`` is the box itself."""
    rules: tuple[str, ...]
    """Empty: every rule."""
    to: tuple[str, ...]
    by: tuple[str, ...]
    repeat_ms: int = 0
    """Told again so often while it is open and nobody has acked it; 0: not (critical alarms at least each 5 min)."""
    escalate_after_ms: int = 0
    """Unacked for so long it goes to ``escalate_to`` too; 0: never."""
    escalate_to: tuple[str, ...] = ()
    when: str = ""
    """Id of the schedule; "" is always."""


@dataclass(frozen=True, slots=True)
class EmailPlan:
    host: str
    port: int
    tls: str
    """none, starttls, tls"""
    sender: str
    user: str = ""
    password_file: str = ""
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class WebhookPlan:
    url: str
    """Empty when ``url_file`` names the file that holds it."""
    secret_file: str = ""
    allow: tuple[str, ...] = ()
    """Networks (CIDR) and host names that it may reach beside public addresses."""
    url_file: str = ""


@dataclass(frozen=True, slots=True)
class HeartbeatPlan:
    """A sign of life to an outsider, who notices when it stays away."""

    url: str
    """Empty when ``url_file`` names the file that holds it."""
    every_ms: int
    allow: tuple[str, ...] = ()
    url_file: str = ""


@dataclass(frozen=True, slots=True)
class DailyTest:
    """One test message a day to each person by each channel that a route names."""

    minute: int
    """Of the day, in the site's zone."""


@dataclass(frozen=True, slots=True)
class NotifyPlan:
    """All of it. Empty: nobody is told anything."""

    people: tuple[Person, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    routes: tuple[Route, ...] = ()
    email: tuple[EmailPlan, ...] = ()
    """None or one."""
    webhook: tuple[WebhookPlan, ...] = ()
    heartbeat: tuple[HeartbeatPlan, ...] = ()
    daily_test: tuple[DailyTest, ...] = ()

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels that are configured."""
        return tuple(name for name, plan in (("email", self.email), ("webhook", self.webhook)) if plan)
