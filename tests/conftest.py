"""What every test shares: fixed seeds for hypothesis, and the list of missing kernel features at the end of a run."""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.testkit import kernel
from tests.testkit.fleet import kafka, mosquitto, postgres

__all__ = ["kafka", "mosquitto", "postgres"]
"""Fixtures of every test."""

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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name each kernel feature that is missing here, and the tests that could not run without it."""
    for feature, tests in sorted(kernel.missing_for.items()):
        terminalreporter.write_line(f"kernel feature missing: {feature}; not run: {', '.join(sorted(tests))}")
