"""Scenarios as time lines: at a time one input, and exactly the events that it must make.

    line(room, (
        (1_000, gas(10_000), ["alarm.raised gas1-h2/h2_prealarm B", "output.demanded io1-do0 on"], "over 1 %"),
    ))

Times are milliseconds after the row before. The sentence of a row is what a failure says.
"""

from collections.abc import Callable, Sequence

from shared.domain.events import Event
from shared.domain.inputs import What
from tests.domain.driver import Room, Value, told

Act = Callable[[Room, int], list[Event]]
Row = tuple[int, Act, list[str], str]


def line(room: Room, rows: Sequence[Row]) -> None:
    """Go through the rows, and hold what each makes against what it must make."""
    for number, (after_ms, act, expected, sentence) in enumerate(rows, 1):
        events = told(act(room, after_ms))
        assert events == expected, f"row {number}, at {room.now} ms, {sentence}: {events} instead of {expected}"


def scan(device: str, *values: Value) -> Act:
    return lambda room, ms: room.scan(device, *values, after_ms=ms)


def tick(room: Room, ms: int) -> list[Event]:
    """Only time passes."""
    return room.tick(ms)


def say(what: What, subject: str, reason: str = "", for_ms: int = 0) -> Act:
    return lambda room, ms: room.command(what, subject, reason=reason, for_ms=for_ms, after_ms=ms)


def report(kind: str, subject: str, detail: str = "", *, on: bool = True, pulse: bool = False) -> Act:
    return lambda room, ms: room.report(kind, subject, on=on, pulse=pulse, detail=detail, after_ms=ms)
