"""Fixtures of the fleet's tests."""

from tests.fleet.secured import secured

__all__ = ["secured"]
