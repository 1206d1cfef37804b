"""The end of a session, from threads that know nothing of its loop."""

from typing import Any

from services.bridge.seen import Seen
from services.bridge.session import Broker, Poison, Session
from shared.bus.address import Credentials, parse_url
from shared.devices.frame import Frame
from shared.runtime.clocks import ManualClock


class Nobody:
    """Takes nothing."""

    def take(self, body: Frame | Poison, n: int) -> None:
        raise AssertionError((body, n))


class Ended:
    """A loop that has ended just now."""

    asked = 0

    def is_closed(self) -> bool:
        return False

    def call_soon_threadsafe(self, _act: object) -> None:
        self.asked += 1
        raise RuntimeError("Event loop is closed")


def _session() -> Session:
    broker = Broker(parse_url("mqtt://127.0.0.1:1"), Credentials)
    return Session("far", broker, Nobody(), Seen(), ManualClock(), "b1", frozenset)


def test_what_is_safe_behind_the_end_harms_nobody() -> None:
    """The writer tells it after its last commit: it must not end by a loop that has ended before it."""
    session = _session()
    ended: Any = Ended()
    session._loop = ended
    session.safe(7)
    assert ended.asked == 1


def test_an_end_before_the_loop_is_there_is_an_end() -> None:
    """The thread that begins afterwards does not connect any more."""
    session = _session()
    session._is_over = True
    session.start()
    session.join(60)
    assert not session.is_alive()
    assert session.state.endswith("not connected yet")
