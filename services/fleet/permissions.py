"""Who may do what: each service's topics and groups in Kafka, each site's and each service's topics in MQTT.

    service     reads                                   writes
    site        commands rulesets                       inputs live rulesets
    processor   inputs state rulesets sites             events state commands deadletter
    kpi         events kpis                             kpis
    notifier    events live sites                       commands deliveries deadletter
    history     inputs deliveries rulesets sites        deadletter
    gateway     events live commands sites state rulesets   commands
    bridge      commands rulesets                       inputs live rulesets, as a site for those that it hosts
    supervisor  inputs events live commands deliveries deadletter sites services    events live commands
    all services                                        services

Nobody but the administrator makes topics, users or registrations. An ACL knows topics and not keys: that a site
writes under its own name is held by the signature of its blocks and live records. In MQTT a site's certificate is its
name, and the broker lets it write its own topics only; who else is to read what sites publish gets his rights from
whoever runs the broker.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from shared.bus import topics as mqtt
from shared.bus.registry import (
    COMMANDS,
    DEADLETTER,
    DELIVERIES,
    EVENTS,
    INPUTS,
    KPIS,
    LIVE,
    RULESETS,
    SIGNS,
    SITES,
    STATE,
    Topic,
)
from shared.domain.ids import is_id
from shared.log.kafka.users import Operation, Resource, Right

ADMIN: Final = "admin"
"""The user that makes topics and users; the broker's super user."""


class Role(NamedTuple):
    """What a service does in Kafka; ``grouped`` ones join the consumer groups that begin with ampward-SERVICE."""

    reads: tuple[Topic, ...]
    writes: tuple[Topic, ...]
    grouped: bool = True


SITE: Final = Role((COMMANDS, RULESETS), (INPUTS, LIVE, RULESETS), grouped=False)
SERVICES: Final = {
    "processor": Role((INPUTS, STATE, RULESETS, SITES), (EVENTS, STATE, COMMANDS, DEADLETTER)),
    "kpi": Role((EVENTS, KPIS), (KPIS,)),
    "notifier": Role((EVENTS, LIVE, SITES), (COMMANDS, DELIVERIES, DEADLETTER)),
    "history": Role((INPUTS, DELIVERIES, RULESETS, SITES), (DEADLETTER,)),
    "gateway": Role((EVENTS, LIVE, COMMANDS, SITES, STATE, RULESETS), (COMMANDS,)),
    "bridge": SITE,
    "supervisor": Role(
        (INPUTS, EVENTS, LIVE, COMMANDS, DELIVERIES, DEADLETTER, SITES, SIGNS), (EVENTS, LIVE, COMMANDS), grouped=False
    ),
}
MQTT_SERVICES: Final[Mapping[str, tuple[str, ...]]] = {
    "bridge": ("read ampward/v1/+/in/+", "readwrite ampward/v1/+/pulse", "write ampward/v1/+/status"),
}
"""Services that speak MQTT, and what they may."""


def site_user(site: str) -> str:
    """A site's name in Kafka and in its certificate; never one of a service."""
    if not is_id(site):
        raise ValueError(f"{site!r} is not an id")
    return f"site-{site}"


def service_rights(service: str, prefix: str = "") -> frozenset[Right]:
    """A service's rights in Kafka."""
    role = SERVICES[service]
    groups = [Right(Resource.GROUP, f"{prefix}ampward-{service}", Operation.READ, is_prefix=True)] * role.grouped
    return frozenset([*_rights(role._replace(writes=(*role.writes, SIGNS)), prefix), *groups])


def site_rights(prefix: str = "") -> frozenset[Right]:
    """Any site's rights in Kafka."""
    return frozenset(_rights(SITE, prefix))


def _rights(role: Role, prefix: str) -> Iterator[Right]:
    for operation, topics in ((Operation.READ, role.reads), (Operation.WRITE, role.writes)):
        for topic in topics:
            yield Right(Resource.TOPIC, prefix + topic.name, operation)
            # A service looks at its start whether the topics it uses are as the registry states them.
            yield Right(Resource.TOPIC, prefix + topic.name, Operation.DESCRIBE_CONFIGS)


def mqtt_rules(joined: Iterable[str], hosted: Iterable[str] = ()) -> str:
    """Mosquitto's ACL file: joined sites publish what they are, hosted ones hand in."""
    blocks = [(f"service.{name}", rules) for name, rules in MQTT_SERVICES.items()]
    blocks += [(site_user(site), tuple(_joined(site))) for site in sorted(joined)]
    blocks += [(site_user(site), (f"write ampward/v1/{site}/in/+",)) for site in sorted(hosted)]
    lines = ["# Written by `ampward enroll` and `ampward revoke`; who is not named may do nothing."]
    for user, rules in blocks:
        lines += ["", f"user {user}", *(f"topic {rule}" for rule in rules)]
    return "\n".join(lines) + "\n"


def _joined(site: str) -> Iterator[str]:
    """Every topic of the registry, with this site's name in it."""
    for kind in mqtt.ALL:
        levels = [_level(level, site) for level in kind.pattern.split("/")]
        yield f"write {'/'.join(levels)}"


def _level(level: str, site: str) -> str:
    return {"{site}": site, "{point}": "#"}.get(level, "+" if level.startswith("{") else level)
