"""What every test shares: fixed seeds for hypothesis, who of several workers runs what, and the list of missing kernel
features at the end of a run."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer

from tests.testkit import kernel
from tests.testkit.fleet import kafka, mosquitto, postgres
from tests.testkit.workers import Pieces, by_length

__all__ = ["kafka", "mosquitto", "postgres"]
"""Fixtures of every test."""

os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
"""Kafka lives for minutes here: it is not worth its compiler's best, which costs a third of the time of each start."""

settings.register_profile(
    "short",
    derandomize=True,
    deadline=None,
    max_examples=60,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "long", deadline=None, max_examples=10_000, database=None, print_blob=True, suppress_health_check=list(HealthCheck)
)
settings.load_profile("long" if os.environ.get("FUZZ") == "long" else "short")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Pieces:
    """Who of several workers runs what."""
    return Pieces(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Several workers begin with what takes long."""
    if hasattr(config, "workerinput"):
        items[:] = by_length(items)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands over what its kernel lacks to the process that writes the summary."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["missing"] = {str(feature): sorted(tests) for feature, tests in kernel.missing_for.items()}


def pytest_testnodedown(node: Any) -> None:
    """The other end of it; a worker that crashed has nothing to hand over."""
    for feature, tests in getattr(node, "workeroutput", {}).get("missing", {}).items():
        kernel.missing_for[feature].update(tests)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name each kernel feature that is missing here, and the tests that could not run without it."""
    for feature, tests in sorted(kernel.missing_for.items()):
        terminalreporter.write_line(f"kernel feature missing: {feature}; not run: {', '.join(sorted(tests))}")
