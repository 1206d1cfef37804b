"""What every fuzz target is held to, and how bytes are made bad.

``held`` runs one call with at most one second of processor time and 128 MiB of new memory, so a busy machine is no
excuse and no fault. Bytes are made from good samples by small edits, which reach deeper than noise does.
"""

import resource
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TypeVar

from hypothesis import strategies as st

SECONDS_MAX = 1.0
GROWTH_BYTES_MAX = 128 << 20

T = TypeVar("T")

_TOKENS = (
    b"", b"\x00", b"\xff\xff\xff\xff", b"\n", b'"', b"\\", b"{", b"}", b"[" * 2000, b"null", b"NaN", b"-Infinity",
    b"1e999", b"-1", b"65536", b"9223372036854775808", b"0.1", b"\xed\xa0\x80", "\u2028".encode(), b"${HOME}", b"&a *a",
    b"%", b"../",
)  # fmt: skip
"""Pieces that parsers trip over."""


class TooLong(Exception):
    """The call used more than a second of processor time."""


@contextmanager
def limits() -> Iterator[None]:
    """At most a second of processor time and 128 MiB of new memory inside the block."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TooLong(f"more than {SECONDS_MAX} s")

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    previous = signal.signal(signal.SIGVTALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + GROWTH_BYTES_MAX, hard))
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS_MAX)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGVTALRM, previous)


def held(call: Callable[[], T], *declared: type[Exception]) -> T | None:
    """What the call gives, or None when it raised a declared error with a text; anything else fails the test."""
    try:
        with limits():
            return call()
    except declared as refusal:
        assert str(refusal), "a refusal says what is wrong"
        return None
    except TooLong as hang:
        raise TooLong(str(hang)) from None  # Its own traceback may end in the middle of anything.


@st.composite
def edited(draw: st.DrawFn, samples: Sequence[bytes]) -> bytes:
    """A good sample after up to five small edits: cut, replaced, doubled or stuffed somewhere."""
    data = draw(st.sampled_from(list(samples)))
    for _ in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + draw(st.sampled_from((0, 1, 4, 40, 4000))))))
        piece = draw(st.one_of(st.sampled_from(_TOKENS), st.binary(max_size=8), st.just(data[start:end] * 2)))
        data = data[:start] + piece + data[end:]
    return data


def bad(samples: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Noise now and then, edited samples mostly."""
    return st.one_of(edited(samples), edited(samples), st.binary(max_size=200))
