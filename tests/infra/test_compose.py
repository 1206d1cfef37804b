"""docker-compose.yml and the Dockerfile: whole, as careful as they say, and with the settings that we run ourselves.

infra/docker/lab.sh builds and runs all of it by podman.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from services.fleet.kafka import KafkaPlan, settings
from services.fleet.mosquitto import MosquittoPlan, lines
from services.site.command.service import SERVICES
from shared.runtime.fleet_file import ASKS_POSTGRES, check_fleet
from shared.runtime.site_file import check_site
from shared.runtime.site_file.people import read_people
from tests.architecture.source import ROOT
from tests.testkit.kustomize import load, render

DOCKER = ROOT / "infra" / "docker"
COMPOSE = ROOT / "infra" / "compose"
SITES = ("site-north", "site-south")
SERVERS = {"kafka": "apache/kafka", "mosquitto": "eclipse-mosquitto", "postgres": "postgres"}
OURS = {*SERVICES, *SITES, "set-up", "secrets"}
Part = dict[str, Any]


@pytest.fixture(scope="module")
def compose() -> Part:
    loaded: Part = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return loaded


def test_everything_starts_without_a_profile_but_what_observes(compose: Part) -> None:
    """Servers, every service of the centre, two sites; Prometheus and Grafana by their profile."""
    core = {name for name, part in compose["services"].items() if "profiles" not in part}
    assert core == OURS | set(SERVERS)
    observing = {name for name, part in compose["services"].items() if part.get("profiles") == ["observability"]}
    assert observing == {"prometheus", "grafana"}
    for name, image in SERVERS.items():
        assert image in compose["services"][name]["image"]


def test_each_of_our_containers_can_change_nothing_but_its_data(compose: Part) -> None:
    """One image a service; a read-only root, no capability, no new privileges; alive by what it says of itself."""
    for name in OURS:
        part = compose["services"][name]
        service = "site" if name in SITES else "set-up" if name == "secrets" else name
        build = part["build"]
        assert (build["context"], build["dockerfile"], build["args"]) == (
            ".", "infra/docker/Dockerfile", {"SERVICE": service},
        )  # fmt: skip
        assert part["image"].startswith(f"localhost/ampward-{service}:")
        assert part["read_only"] is True
        assert part["cap_drop"] == ["ALL"]
        assert part["security_opt"] == ["no-new-privileges:true"]
        if name not in ("set-up", "secrets"):
            assert part["healthcheck"]["test"] == ["CMD", "/opt/ampward/container/healthy"]
            assert part["restart"] == "unless-stopped"


def test_what_is_mounted_is_there_and_nothing_is_open_beyond_loopback(compose: Part) -> None:
    """Volumes are declared, files exist, ports are published on loopback only."""
    for name, part in compose["services"].items():
        for volume in part.get("volumes", ()):
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in compose["volumes"], (name, volume)
        assert all(port.startswith("127.0.0.1:") for port in part.get("ports", ()))


def test_private_keys_and_passwords_are_mounted_where_they_are_needed(compose: Part) -> None:
    """Only set-up has the book of sites; each key has one reader, which cannot write it; root may give folders away."""
    parts = compose["services"]
    users: dict[str, set[str]] = {}
    for name, part in parts.items():
        for source, _, *mode in (volume.split(":") for volume in part.get("volumes", ())):
            users.setdefault(source, set()).add(name)
            assert (
                mode == ["ro"] or name in ("secrets", "set-up") or not source.startswith(("key-", "hosted", "secrets"))
            )
    assert users["book"] == {"set-up"}
    keys = {"hosted": "bridge", "key-supervisor": "supervisor", "key-north": "site-north", "key-south": "site-south"}
    assert {each: users[each] - {"secrets", "set-up"} for each in keys} == {each: {one} for each, one in keys.items()}
    assert users["secrets"] == {"secrets", "postgres", *ASKS_POSTGRES}
    assert {name: part["cap_add"] for name, part in parts.items() if "cap_add" in part} == {"secrets": ["CHOWN"]}


def test_kafka_and_mosquitto_are_set_as_the_launcher_sets_them(compose: Part) -> None:
    """One node each, in containers, on one cluster node and without containers: the same limits."""
    ours = settings(KafkaPlan(Path(), Path(), Path(), 1, 2))
    environment = compose["services"]["kafka"]["environment"]
    found = render(ROOT / "infra/kubernetes/overlays/single-node")
    (kafka,) = (one for one in found if (one["kind"], one["metadata"]["name"]) == ("StatefulSet", "kafka"))
    cluster = {one["name"]: one["value"] for one in kafka["spec"]["template"]["spec"]["containers"][0]["env"]}
    for container in (environment, cluster):
        given = {key.removeprefix("KAFKA_").lower().replace("_", "."): value for key, value in container.items()}
        for key, value in ours.items():
            if not re.search(r"listener|voters|log\.dirs", key):
                assert given.get(key) == value, key
    told = {line for line in lines(MosquittoPlan(Path(), Path(), 1), Path()) if line.startswith("max_")}
    configured = (ROOT / "infra/mosquitto/mosquitto.conf").read_text()
    assert told <= set(configured.splitlines())
    assert configured == (ROOT / "infra/kubernetes/overlays/single-node/mosquitto.conf").read_text()


def test_the_configuration_in_containers_is_without_faults(compose: Part, tmp_path: Path) -> None:
    """The fleet file for each service, the people's file, the file of each site with its environment."""
    text = (COMPOSE / "fleet.yaml").read_text().replace("/run/ampward", str(tmp_path))
    (tmp_path / "fleet.yaml").write_text(text)
    (tmp_path / "people.yaml").write_bytes((COMPOSE / "people.yaml").read_bytes())
    (tmp_path / "postgres.url").write_text("postgresql://ampward:x@postgres:5432/ampward")
    for service in SERVICES:
        checked = check_fleet(tmp_path / "fleet.yaml", {}, service)
        assert [str(fault) for fault in checked.errors] == []
        assert checked.plan is not None
        assert checked.plan.health == "0.0.0.0:9464"
    read_people(COMPOSE / "people.yaml", {})
    for name in SITES:
        site = check_site(ROOT / "infra/sites/fleet/site.yaml", compose["services"][name]["environment"])
        assert [str(fault) for fault in site.errors] == []
        assert site.plan is not None
        assert site.plan.uplink.kafka == "kafka:9092"


def test_prometheus_asks_every_service_of_the_centre() -> None:
    """As compose names them, at the port of their health."""
    listed = json.loads((ROOT / "infra/prometheus/targets.json").read_text())
    assert {one["targets"][0]: one["labels"]["service"] for one in listed} == {
        f"{name}:9464": name for name in SERVICES
    }


def test_an_image_gets_the_lock_without_the_developers_part() -> None:
    """Everything that runs, at the versions and hashes of the lock, and not pytest."""

    def part(which: str) -> str:
        command: list[str | Path] = [sys.executable, DOCKER / "lock.py", which]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    run, lock = part("run"), (ROOT / "requirements.lock").read_text()
    names = set(re.findall(r"(?m)^([a-z0-9-]+)==", run))
    assert {"faust-streaming", "aiokafka", "asyncpg", "duckdb", "msgspec", "pydantic-core", "mode-streaming"} <= names
    assert not {"pytest", "mypy", "ruff", "hypothesis", "amqtt", "cython", "setuptools"} & names
    assert all(line in lock.splitlines() for line in run.splitlines())
    assert re.findall(r"(?m)^([a-z0-9-]+)==", part("build")) == ["cython", "setuptools"]


@pytest.mark.parametrize(("service", "code"), [("processor", 0), ("site", 0), ("set-up", 0), ("nonsense", 1)])
def test_an_image_is_made_for_a_service_that_exists(service: str, code: int) -> None:
    """What is not one ends the build, with the names that are allowed."""
    script = (DOCKER / "start").read_text().replace("/opt/ampward/bin/python", sys.executable)
    done = subprocess.run(
        ["sh", "-s", "--", "--check"], input=script, env={"AMPWARD_SERVICE": service, "PATH": "/usr/bin:/bin"},
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert code == 0 or "allowed: site, set-up, processor" in done.stderr


def test_every_image_of_the_cluster_is_one_that_compose_builds(compose: Part) -> None:
    """The names in the overlays are those of the tags."""
    built = {part["image"].split(":")[0].rpartition("/")[2] for part in compose["services"].values() if "build" in part}
    for overlay in ("single-node", "production"):
        (given,) = load(ROOT / "infra/kubernetes/overlays" / overlay / "kustomization.yaml")
        assert {one["name"] for one in given["images"]} <= built
