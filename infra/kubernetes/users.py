"""Kafka's users as Strimzi's resources, from the one table of rights: `python infra/kubernetes/users.py [SITE...]`.

Without names: the users of the centre's services and the administrator, which stand in overlays/production/users.yaml;
a test compares. With names: the users of these sites, to be applied when they are enrolled and deleted when they end.
Strimzi makes the passwords and puts each into a Secret of the user's name.
"""

import sys
from collections.abc import Iterable

from services.fleet.permissions import ADMIN, SERVICES, service_rights, site_rights, site_user
from shared.log.kafka.users import Resource, Right

CLUSTER = "ampward"
_WORDS = {"read": "Read", "write": "Write", "describe_configs": "DescribeConfigs"}


def main(sites: list[str]) -> int:
    """Prints them."""
    if sites:
        texts = [user(site_user(site), site_rights()) for site in sites]
    else:
        texts = [user(ADMIN, ()), *(user(name, service_rights(name)) for name in SERVICES)]
        texts[0] = "# Written by `python infra/kubernetes/users.py`.\n" + texts[0]
    sys.stdout.write("---\n".join(texts))
    return 0


def user(name: str, rights: Iterable[Right]) -> str:
    """One user; without rights of its own it is the super user or nobody."""
    lines = [
        "apiVersion: kafka.strimzi.io/v1",
        "kind: KafkaUser",
        "metadata:",
        f"  name: {name}",
        f"  labels: {{strimzi.io/cluster: {CLUSTER}}}",
        "spec:",
        "  authentication: {type: scram-sha-512}",
    ]
    by_resource: dict[tuple[Resource, str, bool], set[str]] = {}
    for right in rights:
        by_resource.setdefault((right.resource, right.name, right.is_prefix), set()).add(
            _WORDS[right.operation.name.lower()]
        )
    if by_resource:
        lines += ["  authorization:", "    type: simple", "    acls:"]
    for (resource, named, is_prefix), operations in sorted(by_resource.items(), key=lambda each: str(each[0])):
        pattern = ", patternType: prefix" if is_prefix else ", patternType: literal"
        where = f"{{type: {resource.name.lower()}, name: {named}{pattern}}}"
        lines.append(f"      - {{resource: {where}, operations: [{', '.join(sorted(operations))}]}}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
