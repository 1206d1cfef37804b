"""The centre as a site's uplink sees it. Adapters: services.uplink.fake, and Kafka's.

What every adapter must do is tests/services/uplink/centre_contract.py.
"""

from asyncio import Future
from typing import NamedTuple, Protocol

from shared.domain.errors import AmpwardError


class CentreLost(AmpwardError):
    """The centre does not answer, or did not take what was sent; it is connected to again."""


class Order(NamedTuple):
    """A record of ampward.commands.v1 that is for this site."""

    data: bytes
    place: int
    """Rises from order to order; an uplink that comes back asks for what is behind the last it has done."""


class Centre(Protocol):
    """One connection. Every method raises CentreLost; then the connection is of no more use but for ``close``."""

    async def send_block(self, data: bytes) -> "Future[None]":
        """Hands a block over behind those before it. What comes back is done when the centre has it for good.

        A block is never acknowledged, nor taken, when one before it was not.
        """
        ...

    async def send_ruleset(self, version: str, body: bytes) -> None:
        """Returns when the centre has the body for good."""
        ...

    async def send_live(self, data: bytes) -> None:
        """Returns when it is taken; a live record that is lost costs nothing but time."""
        ...

    async def next_order(self) -> Order:
        """The next order, as soon as there is one."""
        ...

    def offset_ms(self) -> int | None:
        """How much the fleet's clock is ahead of ours, as its last answer said; None before the first."""
        ...

    async def close(self) -> None:
        """Gives up what is on its way. Never raises."""
        ...
