"""Which events the history keeps, and under which kind they are looked for."""

from enum import IntEnum
from functools import lru_cache

from shared.domain.events import EventType


class Kind(IntEnum):
    """The number stands in the table ``events``."""

    ALARM = 1
    """Every transition of an alarm."""
    OUTPUT = 2
    """Every change of an output's demand, proof or silence, with its cause."""
    DELIVERY = 3
    """What became of a message to a person."""
    MODE = 4
    """What a battery is doing."""
    MARK = 5
    """What a curve must be read by: rules, maintenance, tests, replacements, new logs, lost and found signals."""
    INPUT = 6
    """Refused commands, holes and undecodable records."""


_KINDS = {
    "alarm": Kind.ALARM,
    "output": Kind.OUTPUT,
    "delivery": Kind.DELIVERY,
    "mode": Kind.MODE,
    "input": Kind.INPUT,
}
_LEFT_OUT = {EventType.INPUT_LATE.value, EventType.REPORT_RECORDED.value}
"""One a frame at worst, and shown by the quality; and what guard wrote and read, which outputs tell."""


@lru_cache(maxsize=1000)
def kind_of(type_: str) -> Kind | None:
    """None for an event that the history leaves out.

    >>> kind_of("ampward.alarm.raised.v1").name
    'ALARM'
    """
    if type_ in _LEFT_OUT:
        return None
    parts = type_.split(".")
    return _KINDS.get(parts[1] if len(parts) > 2 else "", Kind.MARK)
