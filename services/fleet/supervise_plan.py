"""What the pseudo-site _fleet watches, as a plan for the core that every site decides by: alarms fed by Reports.

    _fleet/SITE/site/site_lost            nothing comes from it; suppresses what follows of the same site
    _fleet/SITE/link/link_lost            it is heard, but its blocks do not arrive
    _fleet/SITE/files/ruleset_drift       it does not go by what was pushed to it
    _fleet/SITE/certificate/certificate_expiring
    _fleet/SITE/blocks/block_differs      latched, suppressed by nothing
    _fleet/SITE/records/poison            latched
    _fleet/_site/SERVICE/service_lost     no replica of a service lives
    _fleet/_site/CHANNEL/delivery_failing the centre's messages to people do not get out by it
    _fleet/_site/NAME/certificate_expiring, token_expiring      what the centre's services hold

One room a site, and _site for the centre's own. Promises: pure; the same things watched give the same plan, whatever
their order.
"""

from typing import Final, NamedTuple

from shared.devices.plan import DecisionPlan
from shared.domain.catalogue import FLEET_RULES, RULES
from shared.domain.ids import SITE_ROOM, AlarmId, RoomId, RuleId
from shared.domain.inputs import ReportKind
from shared.domain.plan import AlarmPlan, ReportRow, RoomPlan
from shared.domain.version import CORE_VERSION

FLEET: Final = "_fleet"
ROOM: Final = str(SITE_ROOM)
"""Of the centre itself."""


class Fact(NamedTuple):
    """What a Report tells of: its kind, which is the rule's id, and its subject."""

    kind: ReportKind
    subject: str


class Ending(NamedTuple):
    """Something of the centre's that ends one day."""

    kind: ReportKind
    name: str


class Watched(NamedTuple):
    """Everything there is to watch, without repeats."""

    sites: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    endings: frozenset[Ending] = frozenset()
    channels: frozenset[str] = frozenset()
    """By which the centre tells people."""


def site_lost(site: str) -> Fact:
    return _fact(ReportKind.SITE_LOST, site, "site")


def link_lost(site: str) -> Fact:
    return _fact(ReportKind.LINK_LOST, site, "link")


def ruleset_drift(site: str) -> Fact:
    return _fact(ReportKind.RULESET_DRIFT, site, "files")


def certificate_expiring(site: str) -> Fact:
    return _fact(ReportKind.CERTIFICATE_EXPIRING, site, "certificate")


def block_differs(site: str) -> Fact:
    return _fact(ReportKind.BLOCK_DIFFERS, site, "blocks")


def poison(site: str) -> Fact:
    return _fact(ReportKind.POISON, site, "records")


def service_lost(service: str) -> Fact:
    return _fact(ReportKind.SERVICE_LOST, ROOM, service)


def delivery_failing(channel: str) -> Fact:
    return _fact(ReportKind.DELIVERY_FAILING, ROOM, channel)


def ending(what: Ending) -> Fact:
    return _fact(what.kind, ROOM, what.name)


def compile_fleet(watched: Watched) -> DecisionPlan:
    """The plan; rooms in the order of their names, the centre's own last."""
    own = [service_lost(name) for name in sorted(watched.services)] + [ending(what) for what in sorted(watched.endings)]
    own += [delivery_failing(name) for name in sorted(watched.channels)]
    rooms = [_room(site, _of_site(site)) for site in sorted(watched.sites)]
    return DecisionPlan(CORE_VERSION, FLEET, (), (*rooms, _room(ROOM, (poison(ROOM), *own))))


def _of_site(site: str) -> tuple[Fact, ...]:
    """Site lost first: it is position 0 of those that it suppresses."""
    return (
        site_lost(site),
        link_lost(site),
        ruleset_drift(site),
        certificate_expiring(site),
        block_differs(site),
        poison(site),
    )


_CHILDREN = (ReportKind.LINK_LOST, ReportKind.RULESET_DRIFT, ReportKind.CERTIFICATE_EXPIRING)


def _room(room: str, facts: tuple[Fact, ...]) -> RoomPlan:
    is_site = bool(facts) and facts[0].kind is ReportKind.SITE_LOST
    alarms, rows = list[AlarmPlan](), list[ReportRow]()
    for number, (kind, subject) in enumerate(facts):
        rule = FLEET_RULES.get(kind.value) or RULES[kind.value]
        alarms.append(
            AlarmPlan(
                id=AlarmId(f"{subject}/{rule.id}"),
                rule=RuleId(rule.id),
                subject=subject,
                severity=rule.severity,
                latch=rule.latch,
                realarm_ms=rule.realarm_ms,
                suppressed_by=(0,) if is_site and kind in _CHILDREN else (),
            )
        )
        rows.append(ReportRow(number, kind.value, subject, rule.severity))
    return RoomPlan(RoomId(room), FLEET, room, alarms=tuple(alarms), reports=tuple(rows))


def _fact(kind: ReportKind, room: str, part: str) -> Fact:
    return Fact(kind, f"{FLEET}/{room}/{part}")
