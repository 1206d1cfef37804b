"""When a supervisor's probe says that it is ready; without servers."""

from types import SimpleNamespace
from typing import cast

import pytest

from services.fleet.supervise_ready import Pulse
from services.fleet.supervise_term import Term


def test_a_supervisor_is_ready_while_its_database_answers() -> None:
    """Before the first answer it is not, nor when the last one is too long ago."""
    pulse = Pulse()
    assert pulse.ready()["database"] != ""
    pulse.answered()
    assert not any(pulse.ready().values())
    silent = Pulse(unsigned_s=-1.0)
    silent.answered()
    assert silent.ready()["database"] != ""


@pytest.mark.parametrize("is_deaf", [True, False])
def test_whoever_holds_the_lease_has_to_hear_the_broker(*, is_deaf: bool) -> None:
    """One that waits for the lease hears nothing and is ready."""
    pulse = Pulse()
    assert pulse.ready()["kafka"] == ""
    pulse.term = cast(Term, SimpleNamespace(is_deaf=is_deaf))
    assert (pulse.ready()["kafka"] != "") is is_deaf
