"""Kernel features that some faults need. Only a missing one may skip a test; each is listed at the end of the run."""

import os
import shutil
import subprocess
import tempfile
from collections import defaultdict
from enum import StrEnum
from functools import cache

import pytest

missing_for: defaultdict[str, set[str]] = defaultdict(set)
"""Feature -> tests that could not run without it."""


class Feature(StrEnum):
    """What a fault may need from the kernel and from being root."""

    MOUNT = "mounting a tmpfs"
    NAMESPACES = "network namespaces with veth"
    TRACE = "strace with fault injection"


_TOOLS = frozenset(("unshare", "mount", "ip", "strace"))
_PROBES: dict[Feature, tuple[str, ...]] = {
    Feature.MOUNT: ("unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", tempfile.gettempdir()),
    Feature.NAMESPACES: ("unshare", "--net", "ip", "link", "add", "type", "veth"),
    Feature.TRACE: ("strace", "-qq", "-o", os.devnull, "-e", "trace=fsync", "-e", "inject=fsync:error=EIO", "true"),
}


@cache
def has(feature: Feature) -> bool:
    """True when the feature works here, found out by using it once. A missing tool is no missing feature: it fails."""
    probe = _PROBES[feature]
    for tool in _TOOLS.intersection(probe):
        assert shutil.which(tool) is not None, f"{tool} is missing: make system-deps installs it"
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def need(feature: Feature) -> None:
    """Go on when the feature works here; else record what could not be shown and skip this one test."""
    if not has(feature):
        missing_for[feature].add(os.environ.get("PYTEST_CURRENT_TEST", "a soak run").partition(" ")[0])
        pytest.skip(f"kernel feature missing: {feature}")
