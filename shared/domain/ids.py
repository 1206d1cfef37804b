"""Names of things: what an id may look like, and the ids that are hashes.

Ids are never reused. A point is ``site/room/point``, an output the same, an alarm ``site/room/point/rule``, a jar by
its plant path ``site/room/battery/2S4`` (jar 2 of string 4). Hash ids are 32 hexadecimal digits: the beginning of a
SHA-256, so that every runner on every machine derives the same one from the same input; an event's ends with its
ordinal.
"""

import re
from hashlib import sha256
from typing import Final, NewType

SiteId = NewType("SiteId", str)
RoomId = NewType("RoomId", str)
BusId = NewType("BusId", str)
DeviceId = NewType("DeviceId", str)
PointId = NewType("PointId", str)
OutputId = NewType("OutputId", str)
AlarmId = NewType("AlarmId", str)
RuleId = NewType("RuleId", str)
LogId = NewType("LogId", str)
EventId = NewType("EventId", str)
OccurrenceId = NewType("OccurrenceId", str)
DecisionVersion = NewType("DecisionVersion", str)

HASH_DIGITS: Final = 32
BEGUN: Final = HASH_DIGITS - 4
ID_ALLOWED = "1 to 40 of a-z 0-9 _ -"
_ID = re.compile(r"[a-z0-9_-]{1,40}")


def _digest(name: str) -> str:
    """A name and no seal: asked for so, it takes half the time, and a busy site makes some ten thousand a second."""
    return sha256(name.encode(), usedforsecurity=False).hexdigest()


SITE_ROOM = RoomId("_site")
"""The pseudo-room that carries the alarms of the box itself: log, disk, clock, replay."""


def is_id(text: str) -> bool:
    """True when ``text`` may name a site, room, bus, device, point, battery, string or rule."""
    return _ID.fullmatch(text) is not None


def site_of(path: str) -> str:
    """The site that a path begins with: of a point, an output, an alarm, a part.

    >>> site_of("demo/r1/gas1-h2")
    'demo'
    """
    return path.partition("/")[0]


def event_id(log_id: str, site_seq: int, room: str, ordinal: int) -> EventId:
    """Id of the ``ordinal``-th event that the input (log_id, site_seq) caused in ``room``."""
    return EventId(f"{event_id_begun(log_id, site_seq, room)}{ordinal:04x}")


def event_id_begun(log_id: str, site_seq: int, room: str) -> str:
    """What the ids of all events of one input in one room begin with; four digits of the ordinal end each."""
    return _digest(f"{log_id}\x1f{site_seq}\x1f{room}")[:BEGUN]


def occurrence_id(alarm: str, log_id: str, site_seq: int) -> OccurrenceId:
    """Id of the occurrence of ``alarm`` that the input (log_id, site_seq) began."""
    return OccurrenceId(_digest(f"{alarm}\x1f{log_id}\x1f{site_seq}")[:HASH_DIGITS])
