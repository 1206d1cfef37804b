"""The fleet's trends for an export (services.history.export): the same questions, asked of PostgreSQL one by one.

For a program that has no event loop of its own. Raises what services.history.centre.asking raises.
"""

import asyncio
from types import TracebackType
from typing import Self

from services.history.answers import Step, Trend
from services.history.centre.asking import Asking
from services.history.centre.schema import SCHEMA
from shared.runtime.postgres import connect


class FleetTrends:
    """Implements services.history.export.Trends; ``with``."""

    def __init__(self, postgres_url: str) -> None:
        self._asking = Asking(lambda: connect(postgres_url, "export", schema=SCHEMA, pool=1))
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _fault: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._runner.run(self._asking.close())
        self._runner.close()

    def trend(self, point: str, begin_ms: int, end_ms: int, step: Step) -> Trend:
        return self._runner.run(self._asking.trend(None, point, begin_ms, end_ms, step))

    def span_ms(self) -> tuple[int, int]:
        """From the first to the last day of which there are single readings; (0, 0) for none."""
        return self._runner.run(self._asking.span_ms())
