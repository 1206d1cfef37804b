"""Who is told what: the checks of people, schedules, routes and channels of a site file, and their plan.

Promises: an unknown person, channel, schedule, room or rule is a fault at its place, and so is a route that cannot
reach one of its people; a room whose critical alarms nobody would be told of is a warning as soon as anybody is told of
anything. Names of channels that come with a later version are known and do nothing.
"""

import re
from pathlib import Path

from shared.domain.catalogue import RULES
from shared.domain.ids import SITE_ROOM, is_id
from shared.domain.notify_plan import (
    DailyTest,
    EmailPlan,
    HeartbeatPlan,
    NotifyPlan,
    Person,
    Route,
    Schedule,
    WebhookPlan,
)
from shared.domain.plan import Severity
from shared.runtime.documents import Place
from shared.runtime.durations import format_duration
from shared.runtime.outside import (
    Wrong,
    allow_faults,
    may_hold_secret,
    private_address,
    read_mailbox,
    url_faults,
    url_in_file,
)
from shared.runtime.site_file.loading import Source
from shared.runtime.site_file.models import (
    MINUTE,
    EmailModel,
    HeartbeatModel,
    NotifyModel,
    PersonModel,
    WebhookModel,
)
from shared.runtime.site_file.names import listing, near

_PHONE = re.compile(r"\+?[0-9][0-9 ()/-]{2,29}", re.ASCII)
ADDRESSES = {"email": "email", "webhook": "", "sms": "phone"}
"""By channel: what a person must have for it."""
LATER = "comes with a later version: it does nothing in this one"
HEARTBEAT = "heartbeat"
HEARTBEAT_ADVISED_MAX_MS = 10 * MINUTE


def check_file(source: Source, place: Place, text: str) -> None:
    """A file that is named must be there."""
    if text and not (source.base(place) / text).is_file():
        source.fault(place, f"there is no file {text}", "an existing file")


def _secret(source: Source, place: Place, text: str) -> None:
    """Read at each connection, so it may come later: until then nothing goes out."""
    if text and not (source.base(place) / text).is_file():
        source.warn(place, f"there is no file {text}: nothing is sent until it is there", "an existing file")


def check_people(source: Source) -> None:
    """All checks of this module."""
    for name, person in source.model.people.items():
        _person(source, name, person)
    _channels(source)
    for number, route in enumerate(source.model.notify):
        _Route(source, number, route).check()
    _untold(source)


def _person(source: Source, name: str, person: PersonModel) -> None:
    if person.phone and _PHONE.fullmatch(person.phone) is None:
        what = f"{person.phone[:40]!r} is no phone number"
        source.warn(("people", name, "phone"), what, "as in +49 30 1234567")
    if person.email and isinstance(wrong := read_mailbox(person.email), Wrong):
        source.fault(("people", name, "email"), *wrong)


def _channels(source: Source) -> None:
    channels, heartbeat = source.model.channels, source.model.heartbeat
    email = getattr(channels, "email", None)
    webhook = getattr(channels, "webhook", None)
    if email is not None:
        for key in ("password_file", "ca_file"):
            _secret(source, ("channels", "email", key), getattr(email, key))
        if isinstance(wrong := read_mailbox(email.sender, "box@example.org"), Wrong):
            source.fault(("channels", "email", "from"), *wrong)
        _login(source, email)
    if webhook is not None:
        _secret(source, ("channels", "webhook", "secret_file"), webhook.secret_file)
        _target(source, ("channels", "webhook"), webhook)
    if getattr(channels, "sms", None) is not None:
        source.warn(("channels", "sms"), LATER, "e-mail or a webhook for what must be told now")
    if heartbeat is not None:
        _target(source, ("heartbeat",), heartbeat)
        if heartbeat.every > HEARTBEAT_ADVISED_MAX_MS:
            what = f"{format_duration(heartbeat.every)} is long: silence is noticed so late"
            source.warn(("heartbeat", "every"), what, f"up to {format_duration(HEARTBEAT_ADVISED_MAX_MS)} is advised")


def _login(source: Source, email: EmailModel) -> None:
    """A user and a password file come together, and never over a line that others can read."""
    place: Place = ("channels", "email", "user")
    if bool(email.user) != bool(email.password_file):
        source.fault(place, "a login needs both, user and password_file", "both of them or neither")
    elif email.user and email.tls == "none":
        what = "without TLS a login is made on this machine only: elsewhere nothing is sent"
        source.warn(place, what, "tls: starttls or tls")


def _target(source: Source, place: Place, model: WebhookModel | HeartbeatModel) -> None:
    """The URL or the file that holds it, and networks and host names that may be reached."""
    if bool(model.url) == bool(model.url_file):
        what = "both are given" if model.url else "is missing"
        source.fault((*place, "url"), what, "either url, or url_file with a file that holds it")
    elif model.url_file:
        _url_file(source, (*place, "url_file"), model.url_file)
    else:
        wrongs = url_faults(model.url)
        for wrong in wrongs:
            source.fault((*place, "url"), *wrong)
        if not wrongs and may_hold_secret(model.url):
            what = "its path or query may be a secret, and stands in this file and in each backup"
            source.warn((*place, "url"), what, "url_file with a file that holds it keeps it out")
    for number, entry in enumerate(model.allow):
        for wrong in allow_faults(entry):
            source.fault((*place, "allow", number), *wrong)
    if model.url and not url_faults(model.url) and (address := private_address(model.url, model.allow)):
        what = f"{address} is no public address and is never reached: nothing goes out"
        source.warn((*place, "url"), what, f"a public address, or allow: [{address}] beside it")


def _url_file(source: Source, place: Place, text: str) -> None:
    """Read at each connection, as a secret; what stands in it is judged as far as it may be read here."""
    _secret(source, place, text)
    try:
        found = url_in_file((source.base(place) / text).read_bytes())
    except OSError:
        return
    if isinstance(found, Wrong):
        source.warn(place, f"the file holds no URL: {found.what}; nothing is sent until it does", found.allowed)


class _Route:
    """The checks of one route, at its place in its file."""

    def __init__(self, source: Source, number: int, route: NotifyModel) -> None:
        self.source = source
        self.model = source.model
        self.route = route
        self.document, self.number = source.notify[number]

    def check(self) -> None:
        people, route = self.model.people, self.route
        for position, person in enumerate(route.to):
            self._known(("to", position), person, people, "person", "people")
        for position, person in enumerate(route.escalate_to):
            self._known(("escalate_to", position), person, people, "person", "people")
        self._channels()
        self._reach()
        if route.when is not None:
            self._known(("when",), route.when, self.model.schedules, "schedule", "schedules")
        for position, room in enumerate(route.match.room):
            if room != "site":
                self._known(("match", "room", position), room, self.model.rooms, "room", "rooms")
        for position, rule in enumerate(route.match.rule):
            if rule not in RULES and not self._is_own(rule):
                what = f"there is no rule {rule}{near(rule, RULES)}"
                self._tell(("match", "rule", position), what, "a built-in rule or one under rules:")
        self._escalation()

    def _is_own(self, rule: str) -> bool:
        rooms = self.model.rooms.values()
        return is_id(rule) and (rule in self.model.rules or any(rule in room.rules for room in rooms))

    def _known(self, at: Place, name: str, known: object, kind: str, section: str) -> None:
        assert isinstance(known, dict)
        if name not in known and not self.source.is_gone((section, name)):
            self._tell(
                at, f"there is no {kind} {name}{near(name, known)}", listing(known, f"a {kind} under {section}:")
            )

    def _channels(self) -> None:
        channels = configured(self.source)
        for position, channel in enumerate(self.route.by):
            if channel not in channels and not self.source.is_gone(("channels", channel)):
                what = f"there is no channel {channel}{near(channel, channels)}"
                self._tell(("by", position), what, listing(channels, "a channel under channels:"))

    def _reach(self) -> None:
        """Each person must have what at least one of the channels needs."""
        channels = [one for one in self.route.by if one in ADDRESSES and one in configured(self.source)]
        for key, names in (("to", self.route.to), ("escalate_to", self.route.escalate_to)):
            for position, name in enumerate(names):
                person = self.model.people.get(name)
                if person is None or not channels or self.source.is_broken(("people", name)):
                    continue
                lacking = [one for one in channels if ADDRESSES[one] and not getattr(person, ADDRESSES[one])]
                needs = " or ".join(dict.fromkeys(ADDRESSES[one] for one in lacking))
                if lacking == channels:
                    what = f"{name} cannot be reached by {', '.join(lacking)}"
                    self._tell((key, position), what, f"{name}'s {needs} under people:")
                elif lacking:
                    what = f"{name} is not told by {', '.join(lacking)}"
                    self._tell((key, position), what, f"{name}'s {needs} under people:", severity="warning")

    def _escalation(self) -> None:
        route = self.route
        if route.escalate_to and route.escalate_after is None:
            self._tell(("escalate_to",), "nothing says when", "escalate_after: beside it")
        elif route.escalate_after is not None and not next_people(self.source, route):
            what = "there is nobody else to go to"
            self._tell(("escalate_after",), what, "more people, or escalate_to:", severity="warning")

    def _tell(self, at: Place, what: str, allowed: str, *, severity: str = "error") -> None:
        place = self.source.written(self.document, ("notify", self.number, *at))
        self.source.faults.append(self.document.fault(place, what, allowed, severity=severity))


def configured(source: Source) -> tuple[str, ...]:
    """Names of the channels that stand in the file."""
    return tuple(name for name in ADDRESSES if getattr(source.model.channels, name, None) is not None)


def failing(source: Source) -> tuple[str, ...]:
    """What has an alarm of its own when nothing gets through: each channel, and the heartbeat."""
    return (*configured(source), *(() if source.model.heartbeat is None else (HEARTBEAT,)))


def next_people(source: Source, route: NotifyModel) -> tuple[str, ...]:
    """Whom a route escalates to."""
    if route.escalate_after is None:
        return ()
    return tuple(route.escalate_to or (name for name in source.model.people if name not in route.to))


def _untold(source: Source) -> None:
    """Critical alarms that nobody would be told of, in rooms and on the box."""
    model = source.model
    if not (model.notify or model.people) or source.is_partial or any(gaps.broken for gaps in source.gaps.values()):
        return
    if any(fault.severity == "error" and fault.key.startswith("notify") for fault in source.faults):
        return
    critical = [rule.id for rule in RULES.values() if rule.severity is Severity.CRITICAL]
    for room in model.rooms:
        missing = [rule for rule in critical if not any(_tells(source, route, room, rule) for route in model.notify)]
        if missing:
            what = f"nobody would be told of {' and '.join(missing)} in {room}"
            source.warn(("notify",), what, "a rule under notify: that matches, with people and a channel", needs=())


def _tells(source: Source, route: NotifyModel, room: str, rule: str) -> bool:
    match = route.match
    if (match.room and room not in match.room) or (match.rule and rule not in match.rule):
        return False
    return any(channel in configured(source) and channel != "sms" for channel in route.by)


# The plan


def notify_plan(source: Source) -> NotifyPlan:
    """Everything about people, of a file without faults."""
    model = source.model
    return NotifyPlan(
        people=tuple(
            Person(
                id=name,
                name=person.name or name,
                email=person.email,
                phone=person.phone,
                language=person.language or model.site.language,
                quiet=tuple(person.quiet),
            )
            for name, person in model.people.items()
        ),
        schedules=tuple(Schedule(name, tuple(hours)) for name, hours in model.schedules.items()),
        routes=tuple(_route(source, number, route) for number, route in enumerate(model.notify, 1)),
        email=_email(source),
        webhook=_webhook(source),
        heartbeat=_heartbeat(source),
        daily_test=() if model.daily_test is None else (DailyTest(model.daily_test),),
    )


def _route(source: Source, number: int, route: NotifyModel) -> Route:
    severity = route.match.severity
    return Route(
        number=number,
        severity=Severity.WARNING if severity is None else Severity[severity.upper()],
        rooms=tuple(SITE_ROOM if room == "site" else room for room in route.match.room),
        rules=tuple(route.match.rule),
        to=tuple(dict.fromkeys(route.to)),
        by=tuple(dict.fromkeys(route.by)),
        repeat_ms=route.repeat or 0,
        escalate_after_ms=route.escalate_after or 0,
        escalate_to=next_people(source, route),
        when=route.when or "",
    )


def _email(source: Source) -> tuple[EmailPlan, ...]:
    email = getattr(source.model.channels, "email", None)
    if email is None:
        return ()
    base = source.base(("channels", "email"))
    return (
        EmailPlan(
            host=email.host,
            port=email.port,
            tls=email.tls,
            sender=email.sender,
            user=email.user,
            password_file=_path(base, email.password_file),
            ca_file=_path(base, email.ca_file),
        ),
    )


def _webhook(source: Source) -> tuple[WebhookPlan, ...]:
    webhook = getattr(source.model.channels, "webhook", None)
    if webhook is None:
        return ()
    base = source.base(("channels", "webhook"))
    return (
        WebhookPlan(
            url=webhook.url,
            secret_file=_path(base, webhook.secret_file),
            allow=tuple(webhook.allow),
            url_file=_path(base, webhook.url_file),
        ),
    )


def _heartbeat(source: Source) -> tuple[HeartbeatPlan, ...]:
    beat = source.model.heartbeat
    if beat is None:
        return ()
    url_file = _path(source.base(("heartbeat",)), beat.url_file)
    return (HeartbeatPlan(beat.url, beat.every, tuple(beat.allow), url_file),)


def _path(base: Path, text: str) -> str:
    return str((base / text).resolve()) if text else ""
