"""Fixtures of the fleet's tests."""

from collections.abc import AsyncIterator

import pytest

from tests.fleet.database import new_database, pool_of
from tests.fleet.secured import secured
from tests.fleet.shelved import Database, Knowing, Lived, live, made_database
from tests.testkit.fleet import Postgres

__all__ = ["database", "lived", "secured"]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """A site's life over midnight with its own history, and its blocks."""
    return live(tmp_path_factory.mktemp("lived"))


@pytest.fixture
async def database(postgres: Postgres, lived: Lived) -> AsyncIterator[Database]:
    """A new one with the history's schema."""
    async with pool_of(await new_database(postgres)) as pool:
        yield await made_database(pool, Knowing(lived.rules))
