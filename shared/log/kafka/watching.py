"""Does a reader of Kafka get on? The rule by which a stuck client is noticed; pure, time comes in as a value.

    place moved, or stands at the end     well
    there is more, and it stands still    stuck after ``stuck_s``
    nobody can say where the end is       stuck after ``stuck_s`` too: it may be the client that is deaf
    the records are with us               well: who works on them is not watched here

Promises: a client that hangs is noticed within ``stuck_s`` and two looks (WATCH_S), well inside a minute; one that
waits for new records, or for us, is never called stuck.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from shared.log.kafka.records import Place

WATCH_S: Final = 5.0
STUCK_S: Final = 20.0
"""With two looks, 5 s for closing the old client and a few for the new one: below the 60 s of the goal."""


class Standing(NamedTuple):
    """How a reader stood at its last look, for metrics and probes."""

    behind: Mapping[str, int] = {}
    """Records that are there and were not read, by topic."""
    partitions: Mapping[str, int] = {}
    """Partitions that are read, by topic."""
    is_away: bool = True
    """No broker answers at present."""
    rebuilt: int = 0
    """Clients that stood still and were thrown away."""
    looked_at_s: float = 0.0
    """By time.monotonic()."""


def standing(
    now_s: float, places: Mapping[Place, int], ends: Mapping[Place, int] | None, last: Standing, rebuilt: int = 0
) -> Standing:
    """After a look that found this; without ``ends`` what was known stays."""
    if ends is None:
        return last._replace(is_away=True, rebuilt=rebuilt, looked_at_s=now_s)
    behind: Counter[str] = Counter()
    for place, offset in places.items():
        behind[place.topic] += max(0, ends.get(place, offset) - max(0, offset))
    partitions = Counter(place.topic for place in places)
    return Standing(dict(behind), dict(partitions), is_away=False, rebuilt=rebuilt, looked_at_s=now_s)


def together(all_of_them: Iterable[Standing]) -> Standing:
    """Of several readers of one program as if they were one; they share no topic."""
    one, *others = all_of_them
    for other in others:
        one = Standing(
            {**one.behind, **other.behind},
            {**one.partitions, **other.partitions},
            is_away=one.is_away or other.is_away,
            rebuilt=one.rebuilt + other.rebuilt,
            looked_at_s=min(one.looked_at_s, other.looked_at_s),
        )
    return one


class _Stand(NamedTuple):
    offset: int
    since_s: float


class Watch:
    """One client's progress; made anew with each client."""

    def __init__(self, now_s: float, stuck_s: float = STUCK_S) -> None:
        self._stuck_s = stuck_s
        self._stands: dict[Place, _Stand] = {}
        self._known_s = now_s

    def look(self, now_s: float, places: Mapping[Place, int], ends: Mapping[Place, int] | None, *, busy: bool) -> str:
        """Why the client is stuck, "" when it is not.

        ``places`` are the next offsets to be read, ``ends`` those behind the last record, None when nobody answered.
        ``busy``: the records read last are still being worked on.
        """
        for place in self._stands.keys() - places.keys():
            del self._stands[place]
        if ends is not None or busy:
            self._known_s = now_s
        worst = ""
        for place, offset in places.items():
            stand = self._stands.get(place)
            more = ends is not None and offset < ends.get(place, offset)
            if stand is None or stand.offset != offset or busy or (ends is not None and not more):
                self._stands[place] = _Stand(offset, now_s)
            elif more and now_s - stand.since_s >= self._stuck_s:
                end = ends.get(place, offset) if ends is not None else offset
                worst = f"{place.topic}/{place.partition} stands at {offset} of {end} for {now_s - stand.since_s:.0f} s"
        if not worst and now_s - self._known_s >= self._stuck_s:
            worst = f"no answer about the end of what there is for {now_s - self._known_s:.0f} s"
        return worst
