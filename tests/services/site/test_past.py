"""The site's port to the history, on a real log and the history grown from it."""

from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest

from services.site.past import SitePast
from tests.services.gateway.past_contract import Known, PastContract
from tests.services.history.life import POINT, an_hour_and_a_half, begin, grow
from tests.services.processor.plant import H2_ALARM

BATTERIES = ("s/r1/bat1", "s/r1/bat2")


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Known]:
    """A folder with a history, and what is in it."""
    folder = tmp_path_factory.mktemp("lived")
    life = begin(folder)
    first_ms = life.site.clock.wall
    an_hour_and_a_half(life)
    life.site.kill()
    grow(folder)
    return folder, Known(POINT, first_ms, life.site.clock.wall, H2_ALARM, "r1", BATTERIES)


class TestSitePast(PastContract):
    @pytest.fixture
    def known(self, lived: tuple[Path, Known]) -> Known:
        return lived[1]

    @pytest.fixture
    def past(self, lived: tuple[Path, Known]) -> Iterator[SitePast]:
        made = SitePast(lived[0], lambda: UTC, lambda: BATTERIES)
        yield made
        made.close()

    @pytest.fixture
    def nothing(self, tmp_path: Path) -> Iterator[SitePast]:
        made = SitePast(tmp_path, lambda: UTC, lambda: BATTERIES)
        yield made
        made.close()
