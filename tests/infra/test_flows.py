"""The cluster's network policies against the programs: a service may reach what it can speak to, and nothing else.

What a program can speak to is read from what it imports, function by function: without a server's client library
nobody talks to that server. A collector of traces is named by whoever has one, with a policy of its own.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from services.site.command.service import ON_POSTGRES, SERVICES
from shared.runtime.fleet_file import ASKS_MQTT, ASKS_POSTGRES
from tests.architecture.source import ROOT, imports, nodes, tree_of
from tests.testkit.kustomize import TEMPLATES, render

OVERLAYS = ("single-node", "production")
PROGRAMS = SERVICES | {"set-up": "services.fleet.set_up"}
SPEAKS = {"aiokafka": "kafka", "asyncpg": "postgres", "paho": "mosquitto", "httpx": "people", "smtplib": "people"}
"""Who is at the other end of a library."""
COMPONENT = "app.kubernetes.io/component"
ANY_NAMES = "nothing", "all-to-names"
Resource = dict[str, Any]


def module_file(name: str) -> Path | None:
    path = ROOT.joinpath(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def imported(name: str) -> frozenset[str]:
    """Every module of this product and every top library that a module brings in, itself included."""
    found, waiting = set[str](), [name]
    while waiting:
        if (one := waiting.pop()) in found:
            continue
        found.add(one)
        if file := module_file(one):
            waiting += brought_in(file)
    return frozenset(found)


def brought_in(file: Path) -> Iterator[str]:
    tree = tree_of(file)
    for _, inner in imports(tree):
        top = inner.partition(".")[0]
        yield inner if top in ("services", "shared") else top
    # `from services.x import y`: y may be a module too.
    for node in nodes(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (name for each in node.names if module_file(name := f"{node.module}.{each.name}"))


def speaks(name: str) -> set[tuple[str, str]]:
    return {(name, server) for library, server in SPEAKS.items() if library in imported(PROGRAMS[name])}


def policies(found: list[Resource], direction: str) -> Iterator[tuple[str, Resource]]:
    """(component, rule) of every policy in that direction, but the two that hold for all."""
    for each in found:
        if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] not in ANY_NAMES:
            for component in components(each["spec"]["podSelector"]):
                for rule in each["spec"].get(direction, ()):
                    yield component, rule


def components(selector: Resource) -> tuple[str, ...]:
    if COMPONENT in selector.get("matchLabels", {}):
        return (selector["matchLabels"][COMPONENT],)
    (one,) = selector["matchExpressions"]
    assert (one["key"], one["operator"]) == (COMPONENT, "In")
    return tuple(one["values"])


def server(peer: Resource) -> str:
    """The other end of a flow that leaves."""
    if "ipBlock" in peer:
        return "people"
    if "namespaceSelector" in peer:
        return str(peer["namespaceSelector"]["matchLabels"]["ampward.io/has"])
    labels = peer["podSelector"]["matchLabels"]
    return str(labels.get(COMPONENT) or labels["strimzi.io/kind"].lower())


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_service_may_reach_what_its_program_can_speak_to_and_nothing_else(overlay: str) -> None:
    """Not one flow too few, which would be a service that waits for ever, and not one too many."""
    found = render(ROOT / "infra" / "kubernetes" / "overlays" / overlay)
    allowed = {(one, server(peer)) for one, rule in policies(found, "egress") for peer in rule["to"]}
    assert allowed == {pair for name in PROGRAMS for pair in speaks(name)}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_doors_of_a_service_are_open_to_those_whom_they_are_for(overlay: str) -> None:
    """Health to Prometheus, HTTP to the proxy before the gateway, and no door that no container has."""
    found = render(ROOT / "infra" / "kubernetes" / "overlays" / overlay)
    let_in = {
        (one, peer["namespaceSelector"]["matchLabels"]["ampward.io/may"], port["port"])
        for one, rule in policies(found, "ingress")
        for peer in rule["from"]
        if one in PROGRAMS
        for port in rule["ports"]
    }
    who = {"health": "scrape", "http": "forward"}
    doors = {
        (each["metadata"]["name"], who[port["name"]], port["containerPort"])
        for each in found
        if each["kind"] in ("Deployment", "StatefulSet") and each["metadata"]["name"] in PROGRAMS
        for port in each["spec"]["template"]["spec"]["containers"][0]["ports"]
    }
    assert let_in == doors
    assert {(name, "scrape", 9464) for name in SERVICES} <= doors


def test_a_service_that_waits_for_postgresql_can_speak_to_it() -> None:
    """What the start waits for is among what the policies let through, and whose file has to be there."""
    pairs = {pair for name in PROGRAMS for pair in speaks(name)}
    assert ON_POSTGRES <= ASKS_POSTGRES == {name for name, server in pairs if server == "postgres"}
    assert {name for name, server in pairs if server == "mosquitto"} == ASKS_MQTT


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_pod_holds_the_key_of_a_server_that_it_does_not_ask(overlay: str) -> None:
    """PostgreSQL's address with its password, the broker's key, and each service's own password of Kafka.

    The supervisor has the certificates that belong to that key, to tell when they end.
    """
    for each in render(ROOT / "infra" / "kubernetes" / "overlays" / overlay):
        name = each["metadata"]["name"]
        if each["kind"] not in TEMPLATES or name not in PROGRAMS:
            continue
        volumes = {volume["name"]: volume for volume in each["spec"]["template"]["spec"]["volumes"]}
        sources = [source["secret"] for source in volumes["secrets"]["projected"]["sources"]]
        held = {secret["name"] for secret in sources}
        keyed = {one["name"] for one in sources if not all(item["key"].endswith(".crt") for item in one["items"])}
        assert ("ampward-postgres" in held) is (name in ASKS_POSTGRES), name
        user = "admin" if name == "set-up" else name
        mqtt = {"ampward-mqtt"} if name in ASKS_MQTT | {"supervisor"} else set()
        secured = {"ampward-cluster-ca-cert", f"kafka-{user}"} | mqtt
        assert held - {"ampward-postgres"} == (secured if overlay == "production" else set()), name
        assert ("ampward-mqtt" in keyed) is (overlay == "production" and name in ASKS_MQTT), name
