"""The rights of services stand beside what they do: a topic that their code names is one that their user may use."""

import ast

import pytest

from services.fleet.permissions import MQTT_SERVICES, SERVICES, SITE, Role, mqtt_rules, service_rights, site_user
from shared.bus import registry
from shared.log.kafka.users import Operation, Resource, Right
from tests.architecture.source import modules

CODE = {
    "services/processor/": SERVICES["processor"],
    "services/processor/kpi": SERVICES["kpi"],
    "services/notifier/": SERVICES["notifier"],
    "services/history/": SERVICES["history"],
    "services/gateway/": SERVICES["gateway"],
    "services/uplink/": SITE,
    "services/fleet/supervise": SERVICES["supervisor"],
}
"""Which folder runs as which user; the longest that a module's path begins with."""
IN_CLEAR = {"services/uplink/": {"SITES"}}
"""What a folder reads only where the broker knows no users (ADR 0104)."""


@pytest.mark.parametrize(("folder", "role"), CODE.items())
def test_a_service_may_use_every_topic_that_its_code_names(folder: str, role: Role) -> None:
    """What is imported from the registry in a service's folder is read or written by its user."""
    named = {
        name
        for module, tree in modules("services")
        if max((each for each in CODE if module.startswith(each)), key=len, default="") == folder
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "shared.bus.registry"
        for name in (alias.name for alias in node.names)
        if isinstance(getattr(registry, name), registry.Topic)
    }
    allowed = {*role.reads, *role.writes}
    assert {name for name in named if getattr(registry, name) not in allowed} == IN_CLEAR.get(folder, set())


def test_nobody_but_a_site_and_what_hosts_one_writes_inputs() -> None:
    """Blocks come from sites and from the bridge for hosted ones; events from the processor and from _fleet."""
    write = Right(Resource.TOPIC, registry.INPUTS.name, Operation.WRITE)
    assert {name for name in SERVICES if write in service_rights(name)} == {"bridge"}
    events = Right(Resource.TOPIC, registry.EVENTS.name, Operation.WRITE)
    assert {name for name in SERVICES if events in service_rights(name)} == {"processor", "supervisor"}
    assert registry.EVENTS not in (*SITE.reads, *SITE.writes)
    assert not any(registry.SITES in role.writes for role in SERVICES.values())


def test_a_prefix_stands_in_front_of_every_topic_and_group() -> None:
    """Several fleets on one cluster do not see one another."""
    assert service_rights("history", "east.")
    assert all(right.name.startswith("east.") for right in service_rights("history", "east."))


def test_the_acl_of_mqtt_names_everybody_and_what_they_may() -> None:
    """The whole file, for one joined and one hosted site."""
    lines = mqtt_rules(["depot"], ["far"]).splitlines()
    users = [line.removeprefix("user ") for line in lines if line.startswith("user ")]
    assert users == [*(f"service.{name}" for name in MQTT_SERVICES), "site-depot", "site-far"]
    assert lines[lines.index("user site-depot") + 1 : lines.index("user site-far") - 1] == [
        "topic write ampward/v1/depot/status",
        "topic write ampward/v1/depot/events",
        "topic write ampward/v1/depot/+/points/#",
        "topic write ampward/v1/depot/+/+/status",
        "topic write ampward/v1/depot/+/+/frame",
    ]
    assert lines[lines.index("user site-far") + 1 :] == ["topic write ampward/v1/far/in/+"]


def test_a_name_that_is_no_id_never_gets_into_an_acl() -> None:
    """A line break or a wildcard in a site's name would be another rule."""
    for name in ("a\ntopic write #", "+", "#", "a/b", "", "A"):
        with pytest.raises(ValueError, match="is not an id"):
            site_user(name)
