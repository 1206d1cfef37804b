"""Which worker of pytest runs what, when several run (`-n`).

The fleet's servers are started once a run: all tests that use them are one piece of work. Long tests that share nothing
are a piece each; any other file stays whole, so that what it makes once is made once. Long pieces come first: at the
end nobody waits long for the other.
"""

from collections.abc import Iterable

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

FLEET = ("tests/contract/test_kafka_log.py", "tests/fleet/")
APART = (
    "tests/e2e/test_foreign_devices.py", "tests/e2e/test_hangs.py", "tests/e2e/test_life.py",
    "tests/e2e/test_messages.py", "tests/soak/test_goals.py",
)  # fmt: skip
LONG = (*FLEET, "tests/soak/", "tests/e2e/")


def piece_of(nodeid: str) -> str:
    """The name of a test's piece of work."""
    if nodeid.startswith(FLEET):
        return "fleet"
    return nodeid if nodeid.startswith(APART) else nodeid.partition("::")[0]


def by_length(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Tests in the order in which their pieces are given out."""

    def rank(item: pytest.Item) -> int:
        return next((place for place, start in enumerate(LONG) if item.nodeid.startswith(start)), len(LONG))

    return sorted(items, key=rank)


class Pieces(LoadScopeScheduling):  # type: ignore[misc]  # It comes without types.
    """A piece goes to whoever is free, in the order of the collection."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return piece_of(nodeid)
