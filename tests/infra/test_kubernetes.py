"""The manifests of the cluster: against Kubernetes' own schemas, and against what they promise.

Strimzi and KEDA have no schema here: the fields that matter are looked at one by one, and tests/containers/cluster.py
hands everything to a real API server.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from services.fleet.kafka import KafkaPlan, settings
from services.fleet.supervise import expiries
from services.fleet.vault import open_vault
from services.site.command.service import SERVICES
from shared.bus.registry import THREE_NODES
from shared.runtime.fleet_file import check_fleet
from tests.architecture.source import ROOT
from tests.testkit.kustomize import load, render

KUBERNETES = ROOT / "infra" / "kubernetes"
OVERLAYS = ("single-node", "production")
VERSIONS = ("1.32", "1.34")
OURS = {*SERVICES, "set-up"}
FOREIGN = ("kafka.strimzi.io/", "keda.sh/")
Resource = dict[str, Any]


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> tuple[str, list[Resource]]:
    return request.param, render(KUBERNETES / "overlays" / request.param)


def _named(found: list[Resource], kind: str, name: str) -> Resource:
    (one,) = (each for each in found if each["kind"] == kind and each["metadata"]["name"] == name)
    return one


def _workloads(found: list[Resource]) -> Iterator[tuple[str, Resource, Resource]]:
    """(name, workload, its pod) of everything that runs."""
    for each in found:
        if each["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield each["metadata"]["name"], each, each["spec"]["template"]["spec"]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_resource_fits_the_schemas_of_kubernetes(overlay: tuple[str, list[Resource]], version: str) -> None:
    """Strictly: a field that nobody knows is a fault."""
    judged = 0
    for resource in overlay[1]:
        if not resource["apiVersion"].startswith(FOREIGN):
            kubernetes_validate.validate(resource, version, strict=True)
            judged += 1
    assert judged > 20


def test_every_service_of_the_centre_runs_and_is_probed_by_its_health(overlay: tuple[str, list[Resource]]) -> None:
    """Its own image, a startup probe before liveness, readiness by what it says of itself."""
    found = {name: pod for name, _, pod in _workloads(overlay[1])}
    assert set(found) >= OURS
    for name in SERVICES:
        (container,) = found[name]["containers"]
        assert container["image"].rpartition("/")[2].partition(":")[0] == f"ampward-{name}"
        assert {"name": "health", "containerPort": 9464} in container["ports"]
        ways = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
        assert ways["startup"] == ways["liveness"] == {"path": "/healthz", "port": "health"}
        assert ways["readiness"] == {"path": "/readyz", "port": "health"}


def test_every_pod_is_a_plain_user_who_can_change_nothing(overlay: tuple[str, list[Resource]]) -> None:
    """The restricted profile, a read-only root, no token of the cluster."""
    namespace = _named(overlay[1], "Namespace", "ampward")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for name, _, pod in _workloads(overlay[1]):
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] > 0, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), name
        for container in pod["containers"]:
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, name
            assert own["readOnlyRootFilesystem"] is True, name
            assert own["capabilities"] == {"drop": ["ALL"]}, name
            assert "memory" in container["resources"]["limits"], name


def test_secrets_are_named_and_never_shipped(overlay: tuple[str, list[Resource]]) -> None:
    """No resource holds one, no environment takes one."""
    assert not [each for each in overlay[1] if each["kind"] == "Secret"]
    for name, _, pod in _workloads(overlay[1]):
        for container in pod["containers"]:
            words = [entry for entry in container.get("env", ()) if "PASSWORD" in entry["name"]]
            assert all(entry["name"].endswith("_FILE") for entry in words), name


def test_of_the_book_of_sites_a_pod_has_its_own_folder_alone(overlay: tuple[str, list[Resource]]) -> None:
    """It holds the private keys of all sites: only set-up has the whole of it."""
    read: dict[str, str] = {}
    for service, _, pod in _workloads(overlay[1]):
        books = {
            each["name"] for each in pod["volumes"] if each.get("persistentVolumeClaim", {}).get("claimName") == "book"
        }
        for mount in (one for one in pod["containers"][0]["volumeMounts"] if one["name"] in books):
            if service != "set-up":
                assert mount["readOnly"] is True
                read[service] = mount["subPath"]
    shared = {} if overlay[0] == "production" else {"supervisor": "supervisor"}
    assert read == {"bridge": "hosted", **shared}


def test_whoever_mounts_the_book_goes_to_the_node_where_it_is(overlay: tuple[str, list[Resource]]) -> None:
    """Its volume is on one node at a time: on another one a pod would wait for ever. What has replicas has it not."""
    found = {
        name: (workload, pod)
        for name, workload, pod in _workloads(overlay[1])
        if any(each.get("persistentVolumeClaim", {}).get("claimName") == "book" for each in pod["volumes"])
    }
    if overlay[0] == "single-node":
        found.pop("supervisor")
    assert set(found) == {"set-up", "bridge"}
    assert found["bridge"][0]["spec"]["replicas"] == 1
    for _, pod in found.values():
        (near,) = pod["affinity"]["podAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        assert near["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
        assert set(_components(near["podAffinityTerm"]["labelSelector"])) == set(found)


def test_nodes_are_drained_one_replica_at_a_time_and_replicas_stand_apart(
    overlay: tuple[str, list[Resource]],
) -> None:
    """A disruption budget and a spread over nodes and zones for each service."""
    pods = {name: pod for name, _, pod in _workloads(overlay[1])}
    for name in SERVICES:
        budget = _named(overlay[1], "PodDisruptionBudget", name)["spec"]
        assert budget["maxUnavailable"] == 1
        assert budget["selector"] == {"matchLabels": {"app.kubernetes.io/component": name}}
        keys = {each["topologyKey"]: each["labelSelector"] for each in pods[name]["topologySpreadConstraints"]}
        assert set(keys) == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
        assert all(chosen == budget["selector"] for chosen in keys.values())


def test_every_flow_has_both_its_ends() -> None:
    """On one node all servers are ours: what may leave for a pod and a port is let in there, and nothing else is."""
    found = render(KUBERNETES / "overlays" / "single-node")
    leaves, enters = set[tuple[str, str, int]](), set[tuple[str, str, int]]()
    for policy in (each["spec"] for each in found if each["kind"] == "NetworkPolicy"):
        for rule, key, flows in (("egress", "to", leaves), ("ingress", "from", enters)):
            for one in policy.get(rule, ()):
                for peer in one[key]:
                    if set(peer) != {"podSelector"}:
                        continue
                    for ours in _components(policy["podSelector"]):
                        for theirs in _components(peer["podSelector"]):
                            ends = (ours, theirs) if rule == "egress" else (theirs, ours)
                            flows |= {(*ends, port["port"]) for port in one["ports"]}
    assert leaves == enters
    assert {(service, "kafka", 9092) for service in OURS} <= leaves
    assert {service for service, to, _ in leaves if to == "postgres"} >= {"notifier", "supervisor"}
    ports = {each["metadata"]["name"]: each["spec"]["ports"][0]["port"] for each in found if each["kind"] == "Service"}
    assert all(ports[to] == port for _, to, port in leaves)


def test_nothing_flows_that_is_not_named(overlay: tuple[str, list[Resource]]) -> None:
    """All pods are under the policy that lets nothing through."""
    policy = _named(overlay[1], "NetworkPolicy", "nothing")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert not policy.get("ingress") and not policy.get("egress")
    assert policy["podSelector"] == {"matchExpressions": [{"key": "app.kubernetes.io/component", "operator": "Exists"}]}
    for name, workload, _ in _workloads(overlay[1]):
        assert workload["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"] == name


def _components(selector: Resource) -> tuple[str, ...]:
    key = "app.kubernetes.io/component"
    if key in selector.get("matchLabels", {}):
        return (selector["matchLabels"][key],)
    (one,) = selector["matchExpressions"]
    assert one["key"] == key and one["operator"] == "In"
    return tuple(one["values"])


def test_the_fleet_file_of_each_overlay_is_without_faults(overlay: tuple[str, list[Resource]], tmp_path: Path) -> None:
    """Laid out as the pod of each service has it, with every secret that is mounted there."""
    name, found = overlay
    for service, _, pod in _workloads(found):
        if service not in OURS:
            continue
        place = tmp_path / service
        _lay_out(found, pod, place)
        checked = check_fleet(place / "fleet.yaml", {}, "admin" if service == "set-up" else service)
        assert [str(fault) for fault in checked.errors] == [], (name, service)
        assert checked.plan is not None
        assert checked.plan.health == "0.0.0.0:9464"
        assert checked.plan.is_tls is (name == "production")


def test_every_certificate_that_a_service_mounts_is_looked_at_by_the_supervisor(
    overlay: tuple[str, list[Resource]], tmp_path: Path
) -> None:
    """By the files of its own pod, as its configuration names them: the same keys of the same secrets."""
    name, found = overlay
    pods = {service: pod for service, _, pod in _workloads(found) if service in OURS}
    mounted = {service: _certificates(pod) for service, pod in pods.items()}
    assert set().union(*mounted.values()) == set(mounted["supervisor"])
    assert (("ampward-mqtt", "tls.crt") in mounted["bridge"]) is (name == "production")
    place = tmp_path / "ampward"
    _lay_out(found, pods["supervisor"], place)
    open_vault(tmp_path / "security", datetime.now(UTC))
    for path in mounted["supervisor"].values():
        shutil.copy(tmp_path / "security" / "ca.pem", place / path)
    plan = check_fleet(place / "fleet.yaml", {}, "supervisor").plan
    assert plan is not None
    told = {each.name for each in expiries(plan.supervisor.certificates)}
    assert told == {f"ampward-{Path(path).stem}" for path in mounted["supervisor"].values()}


def _certificates(pod: Resource) -> dict[tuple[str, str], str]:
    """(secret, key) of each certificate that a pod mounts, and the file it is."""
    items = ((secret["name"], item) for secret in _secrets(pod) for item in secret["items"])
    return {(name, item["key"]): item["path"] for name, item in items if item["key"].endswith(".crt")}


def _secrets(pod: Resource) -> list[Resource]:
    """What a pod has in /run/ampward."""
    (volume,) = (each for each in pod["volumes"] if each["name"] == "secrets")
    return [source["secret"] for source in volume["projected"]["sources"]]


def _lay_out(found: list[Resource], pod: Resource, place: Path) -> None:
    """The configuration beside every secret that is mounted in this pod, whatever it holds."""
    place.mkdir()
    for path in (item["path"] for secret in _secrets(pod) for item in secret["items"]):
        (place / path).write_text("x")
    for file, text in _named(found, "ConfigMap", "ampward-fleet")["data"].items():
        (place / file).write_text(text.replace("/run/ampward", str(place)))


def test_replicas_never_outnumber_partitions() -> None:
    """The most that lag can ask for is what can work; apply does not set a scaled count back."""
    found = render(KUBERNETES / "overlays" / "production")
    (fleet,) = load(KUBERNETES / "overlays" / "production" / "fleet.yaml")
    shape = fleet["kafka"]["topics"]
    assert (shape["partitions"], shape["replication"], shape["min_insync"]) == (
        THREE_NODES.partitions, THREE_NODES.replication, THREE_NODES.min_insync,
    )  # fmt: skip
    scaled = [each for each in found if each["kind"] == "ScaledObject"]
    assert {each["metadata"]["name"] for each in scaled} == {"processor", "notifier"}
    for each in scaled:
        spec, (trigger,) = each["spec"], each["spec"]["triggers"]
        assert 2 <= spec["minReplicaCount"] <= spec["maxReplicaCount"] <= shape["partitions"]
        assert trigger["type"] == "kafka"
        assert trigger["metadata"]["consumerGroup"] == f"ampward-{each['metadata']['name']}"
        assert trigger["metadata"]["allowIdleConsumers"] == "false"
        target = spec["scaleTargetRef"]
        assert "replicas" not in _named(found, target["kind"], target["name"])["spec"]


def test_strimzis_kafka_is_as_our_own_would_be() -> None:
    """TLS and SCRAM at each listener, no topic by accident, three of everything, records as large as ours."""
    found = render(KUBERNETES / "overlays" / "production")
    kafka = _named(found, "Kafka", "ampward")
    strimzi = [each for each in found if each["apiVersion"].startswith("kafka.strimzi.io")]
    assert {each["apiVersion"] for each in strimzi} == {"kafka.strimzi.io/v1"}
    spec = kafka["spec"]["kafka"]
    for listener in spec["listeners"]:
        assert listener["tls"] is True
        assert listener["authentication"] == {"type": "scram-sha-512"}
    assert spec["authorization"] == {"type": "simple", "superUsers": ["admin"]}
    config = {key: str(value).lower() for key, value in spec["config"].items()}
    ours = settings(KafkaPlan(Path(), Path(), Path(), 1, 2))
    for key in ("auto.create.topics.enable", "message.max.bytes", "socket.request.max.bytes"):
        assert config[key] == ours[key]
    pools = [each["spec"] for each in strimzi if each["kind"] == "KafkaNodePool"]
    assert sorted(role for pool in pools for role in pool["roles"]) == ["broker", "controller"]
    assert all(pool["replicas"] == THREE_NODES.replication for pool in pools)
    assert all(not volume["deleteClaim"] for pool in pools for volume in pool["storage"]["volumes"])
    for each in strimzi:
        if each["kind"] != "Kafka":
            assert each["metadata"]["labels"]["strimzi.io/cluster"] == "ampward"


def test_kafkas_users_are_those_of_the_table_of_rights() -> None:
    """The file is what the program writes; a site's user may do what a site may."""
    program: list[str | Path] = [sys.executable, KUBERNETES / "users.py"]
    environment = {"PYTHONPATH": str(ROOT)}
    written = subprocess.run(program, capture_output=True, text=True, check=True, env=environment).stdout
    assert written == (KUBERNETES / "overlays" / "production" / "users.yaml").read_text()
    site = subprocess.run([*program, "depot"], capture_output=True, text=True, check=True, env=environment).stdout
    assert "name: site-depot" in site
    assert "ampward.events.v1" not in site
