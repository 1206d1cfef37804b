"""What `kubectl kustomize` makes of the kustomizations of this repository, without kubectl: Debian's is years too old.

Knows what they use: namespace, labels with templates, resources, configMapGenerator with files, images, replicas, JSON
patches by target. Refuses any other key, so that nothing passes that was not rendered. infra/kubernetes/lab.sh compares
its outcome with a real kubectl's.
"""

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

Resource = dict[str, Any]
KNOWN = {
    "apiVersion", "kind", "namespace", "labels", "resources", "configMapGenerator", "images", "replicas", "patches",
}  # fmt: skip
WITHOUT_NAMESPACE = ("Namespace",)
TEMPLATES = ("Deployment", "StatefulSet", "Job")


def load(file: Path) -> list[Any]:
    """Every document of a YAML file."""
    return [one for one in YAML(typ="safe").load_all(file.read_text(encoding="utf-8")) if one]


def render(folder: Path) -> list[Resource]:
    """The resources of a kustomization, in its order."""
    (given,) = load(folder / "kustomization.yaml")
    if unknown := set(given) - KNOWN:
        raise NotImplementedError(f"{folder}: {unknown}")
    found: list[Resource] = []
    for name in given["resources"]:
        path = folder / name
        found += render(path) if path.is_dir() else load(path)
    for made in given.get("configMapGenerator", ()):
        data = {file: (folder / file).read_text(encoding="utf-8") for file in made["files"]}
        found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": made["name"]}, "data": data})
    for resource in found:
        _common(resource, given)
    for patch in given.get("patches", ()):
        chosen = [resource for resource in found if _is_meant(resource, patch["target"])]
        assert chosen, f"{folder}: {patch['target']} is nothing"
        for resource in chosen:
            for step in YAML(typ="safe").load(patch["patch"]):
                _patch(resource, step)
    return found


def _common(resource: Resource, given: dict[str, Any]) -> None:
    """Namespace, labels, replicas and images."""
    metadata = resource["metadata"]
    if resource["kind"] not in WITHOUT_NAMESPACE:
        metadata["namespace"] = given["namespace"]
    elif metadata["name"] != given["namespace"]:
        raise AssertionError(f"{metadata['name']} is not {given['namespace']}")
    for entry in given.get("labels", ()):
        assert entry["includeTemplates"] is True
        metadata["labels"] = {**metadata.get("labels", {}), **entry["pairs"]}
        if resource["kind"] in TEMPLATES:
            template = resource["spec"]["template"]["metadata"]
            template["labels"] = {**template["labels"], **entry["pairs"]}
        for claim in resource.get("spec", {}).get("volumeClaimTemplates", ()):
            claim["metadata"]["labels"] = dict(entry["pairs"])
    for entry in given.get("replicas", ()):
        if metadata["name"] == entry["name"] and resource["kind"] in ("Deployment", "StatefulSet"):
            resource["spec"]["replicas"] = entry["count"]
    images = {entry["name"]: f"{entry['newName']}:{entry['newTag']}" for entry in given.get("images", ())}
    if resource["kind"] in TEMPLATES:
        for container in resource["spec"]["template"]["spec"]["containers"]:
            container["image"] = images.get(container["image"], container["image"])


def _is_meant(resource: Resource, target: dict[str, str]) -> bool:
    assert set(target) <= {"kind", "name", "labelSelector"}
    if "labelSelector" in target:
        key, _, value = target["labelSelector"].partition("=")
        if resource["metadata"].get("labels", {}).get(key) != value:
            return False
    return all(
        re.fullmatch(target[key], found)
        for key, found in (("kind", resource["kind"]), ("name", resource["metadata"]["name"]))
        if key in target
    )


def _patch(resource: Resource, step: dict[str, Any]) -> None:
    """One operation of a JSON patch (RFC 6902)."""
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
    where: Any = resource
    for part in way:
        where = where[int(part)] if isinstance(where, list) else where[part]
    key: Any = int(last) if isinstance(where, list) and last != "-" else last
    match step["op"]:
        case "add" if last == "-":
            where.append(deepcopy(step["value"]))
        case "add" | "replace":
            assert step["op"] == "add" or isinstance(where, list) or key in where
            where[key] = deepcopy(step["value"])
        case "remove":
            # A replica count that the overlay leaves to an autoscaler: kustomize refuses when it is not there.
            del where[key]
        case other:
            raise NotImplementedError(other)
