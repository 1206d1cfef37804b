"""How strictly a goal's times are taken.

`make soak`, and a goal that is run by hand, take them as they are stated. `make test` runs a few of each beside other
tests, on whatever machine there is: it shows that a thing happens, and allows it several times as long.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LOOSE = 5
_times: ContextVar[int] = ContextVar("times", default=1)


def limit(stated: float) -> float:
    """The time that is allowed here for what is stated."""
    return stated * _times.get()


def faster(scale: int) -> int:
    """How fast a goal's own clock runs: twice as fast where the limits are loose."""
    return scale * min(2, _times.get())


@contextmanager
def loosely() -> Iterator[None]:
    """Every limit is LOOSE times what is stated."""
    token = _times.set(LOOSE)
    try:
        yield
    finally:
        _times.reset(token)
