"""A plant on a real port, and a guard process that protects it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from services.guard.planfile import write_plan
from shared.devices.plan import SitePlan
from tests.services.guard.peer import Peer
from tests.services.guard.plant import Plant, running
from tests.testkit.process import Running, wait_for

StartGuard = Callable[..., Running]
StartPeer = Callable[..., Peer]


@pytest.fixture
def plant() -> Iterator[Plant]:
    """Gas at 0.3 %, the relay module at its safe values."""
    with running(Plant()) as made:
        yield made


@pytest.fixture
def start_guard(tmp_path: Path) -> Iterator[StartGuard]:
    """Starts guards; each is ended with its test."""
    with ExitStack() as stack:

        def start(plan: SitePlan | None, data: Path = tmp_path, env: Mapping[str, str] | None = None) -> Running:
            if plan is not None:
                write_plan(data, plan)
            return stack.enter_context(Running.python("services.guard", data, env=env))

        yield start


@pytest.fixture
def start_peer(tmp_path: Path) -> Iterator[StartPeer]:
    """Connects sites and parents to the guard of the test's folder."""
    with ExitStack() as stack:

        def connect(role: str = "site", after: int = 0, *, data: Path = tmp_path, join: bool = True) -> Peer:
            return stack.enter_context(Peer(data, role, after, join=join))

        yield connect


def until_coil(plant: Plant, address: int, on: bool, within_s: float = 60.0) -> None:
    """Wait for a coil; the failure says all that was written until then."""
    try:
        wait_for(lambda: plant.coil(address) is on, within_s=within_s, name=f"coil {address} {on}")
    except AssertionError as fault:
        raise AssertionError(f"{fault}; writes {plant.writes}") from None
