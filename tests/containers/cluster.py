"""`KUBECONFIG=... python -m tests.containers.cluster`: the base and every overlay handed to a real API server.

It needs kubectl and a cluster whose API server may be written to; a control plane without nodes is enough. For each
of them: what kubectl renders is what the tests render; the server takes every resource, with its admission; each pod of
a template is created for real in a namespace under the restricted profile, and one that breaks it is refused.
CRDS=DIR names a folder with Strimzi's and KEDA's definitions, where they are not there yet.
Everything is removed again. The last line says how many resources were taken.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.architecture.source import ROOT
from tests.testkit.kustomize import TEMPLATES, render

FOLDERS = ("base", "overlays/single-node", "overlays/production")
NAMESPACE = "ampward"
Resource = dict[str, Any]


def kubectl(*words: str, said: str = "", fails: bool = False) -> str:
    """Its output. Ends the program when it fails, or when it does not and should."""
    done = subprocess.run(["kubectl", *words], input=said, capture_output=True, text=True, check=False)
    if (done.returncode != 0) is not fails:
        raise SystemExit(f"kubectl {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    if "Warning:" in done.stderr:
        raise SystemExit(f"kubectl {' '.join(words)}: {done.stderr}")
    return done.stdout + done.stderr


def plain(resources: list[Resource]) -> dict[str, Resource]:
    """By kind and name, without what kustomize alone adds: the hash behind a ConfigMap's name."""
    text = json.dumps(resources)
    for one in resources:
        name = one["metadata"]["name"]
        head, _, tail = name.rpartition("-")
        if one["kind"] == "ConfigMap" and len(tail) == 10 and tail.isalnum():
            text = text.replace(json.dumps(name), json.dumps(head))
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in json.loads(text)}


def compare(folder: Path) -> list[Resource]:
    """What kubectl renders, which is what our tests look at."""
    theirs: list[Resource] = list(YAML(typ="safe").load_all(kubectl("kustomize", str(folder))))
    ours = plain(render(folder))
    for name, resource in plain(theirs).items():
        if resource != ours.pop(name):
            raise SystemExit(f"{folder}: {name} is rendered otherwise by kubectl")
    if ours:
        raise SystemExit(f"{folder}: kubectl does not render {', '.join(ours)}")
    return theirs


def pods(resources: list[Resource]) -> list[Resource]:
    """A pod of each template."""
    made = []
    for one in resources:
        if one["kind"] in TEMPLATES:
            template = one["spec"]["template"]
            metadata = {"name": f"try-{one['metadata']['name']}", "namespace": NAMESPACE, **template["metadata"]}
            made.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
    return made


def account() -> None:
    """The namespace and its service account, which the cluster makes a moment later."""
    until = time.monotonic() + 60
    while "ampward" not in kubectl("-n", NAMESPACE, "get", "serviceaccounts", "-o", "name"):
        if time.monotonic() > until:
            raise SystemExit("no service account after a minute")
        time.sleep(0.2)


def main() -> int:
    """0 when the server took everything and refused what it must."""
    if crds := os.environ.get("CRDS"):
        kubectl("apply", "--server-side", "-f", crds)
        time.sleep(1)  # kubectl's wait stumbles over a definition that has no conditions yet.
        kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", crds)
    taken = 0
    for name in FOLDERS:
        folder = ROOT / "infra" / "kubernetes" / name
        resources = compare(folder)
        try:
            kubectl("apply", "-k", str(folder))
            kubectl("apply", "-k", str(folder))
            account()
            for pod in pods(resources):
                # A volume that a workload claims by its own template has no name in a pod.
                mounts = {mount["name"] for box in pod["spec"]["containers"] for mount in box["volumeMounts"]}
                for missing in mounts - {volume["name"] for volume in pod["spec"]["volumes"]}:
                    pod["spec"]["volumes"].append({"name": missing, "emptyDir": {}})
                kubectl("create", "-f", "-", said=json.dumps(pod))
                pod["metadata"]["name"] += "-as-root"
                pod["spec"]["securityContext"].pop("runAsNonRoot")
                refusal = kubectl("create", "-f", "-", said=json.dumps(pod), fails=True)
                if "violates PodSecurity" not in refusal:
                    raise SystemExit(refusal)
            taken += len(resources)
            sys.stdout.write(f"{name}: {len(resources)} resources and {len(pods(resources))} pods taken\n")
        finally:
            subprocess.run(["kubectl", "delete", "--wait=false", "-k", str(folder)], capture_output=True, check=False)
            subprocess.run(
                ["kubectl", "-n", NAMESPACE, "delete", "pods", "--all", "--force"], capture_output=True, check=False
            )
        gone()
    sys.stdout.write(f"{taken} resources taken\n")
    return 0


def gone() -> None:
    """Wait until the namespace is away, so that the next overlay begins anew."""
    until = time.monotonic() + 120
    while f"namespace/{NAMESPACE}" in kubectl("get", "namespaces", "-o", "name").split():
        if time.monotonic() > until:
            raise SystemExit("the namespace does not go")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
