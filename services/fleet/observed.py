"""Where a fleet of this machine tells how it is: a health port for each service, and the list that Prometheus reads.

DIR/prometheus/targets.json     services and simulated sites, in the form of Prometheus' file_sd_configs
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from services.fleet.files import write_public

FOLDER: Final = "prometheus"
TARGETS: Final = "targets.json"


def port_name(service: str) -> str:
    """Of a service's health port among the launcher's."""
    return f"health-{service}"


def addresses(services: Iterable[str], ports: Mapping[str, int]) -> dict[str, str]:
    """By service, where it tells how it is."""
    return {name: f"127.0.0.1:{ports[port_name(name)]}" for name in services}


def config_line(health: Mapping[str, str]) -> str:
    """The key of the fleet file."""
    return f"health: {json.dumps(dict(health))}"


def write_targets(folder: Path, health: Mapping[str, str], sites: Mapping[str, str]) -> None:
    """``health`` is by service, ``sites`` by site; both HOST:PORT."""
    groups = [{"targets": [address], "labels": {"service": name}} for name, address in health.items()]
    groups += [{"targets": [address], "labels": {"service": "site", "site": site}} for site, address in sites.items()]
    (folder / FOLDER).mkdir(mode=0o755, exist_ok=True)
    write_public(folder / FOLDER / TARGETS, json.dumps(groups, indent=2) + "\n")
