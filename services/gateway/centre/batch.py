"""Records of both lanes as events: what is no event of the record's own site is told and left out.

Who may write to the live lane may write for any site: a record is taken when a key that is registered for its site has
signed it.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from shared.domain.errors import WireError
from shared.domain.events import Event
from shared.log.kafka.records import Record, Tell
from shared.wire.batches import EventsBatch, Verdict, decode_batch
from shared.wire.events import own_events
from shared.wire.live import Live, decode_live
from shared.wire.signing import PublicKey

Keys = Mapping[str, PublicKey]
"""Of one site, by their ids."""
Told = tuple[tuple[Event, Mapping[str, str]], ...]
"""Events with the CloudEvents extensions that are not in their bytes."""

_PLAIN: Final[Mapping[str, str]] = {}
_UNDURABLE: Final = {"undurable": "true"}
_VERDICTS: Final = {
    Verdict.EQUAL: _PLAIN,
    Verdict.DIFFERENT: {"verdict": Verdict.DIFFERENT.value},
    Verdict.NOT_COMPARABLE: {"verdict": Verdict.NOT_COMPARABLE.value},
}


def read_batch(record: Record, tell: Tell) -> tuple[EventsBatch, Told] | None:
    """A record of ampward.events.v1; None when it is none of its site."""
    try:
        batch = decode_batch(record.value or b"")
        if batch.site.encode() != record.key:
            raise WireError(f"it is of {batch.site}")
        return batch, _events(batch.site, batch.events, _VERDICTS[batch.verdict])
    except WireError as fault:
        _unreadable(record, fault, tell)
        return None


def read_live(record: Record, keys: Keys, tell: Tell) -> tuple[Live, Told] | None:
    """A record of ampward.live.v1; None when none of its site's keys has signed it."""
    try:
        live = decode_live(record.value or b"", keys)
        if live.site.encode() != record.key:
            raise WireError(f"it is of {live.site}")
        return live, _events(live.site, live.event_bytes(), _UNDURABLE if live.undurable else _PLAIN)
    except WireError as fault:
        _unreadable(record, fault, tell)
        return None


def _events(site: str, lines: Iterable[bytes], extra: Mapping[str, str]) -> Told:
    return tuple((event, extra) for event in own_events(site, lines))


def _unreadable(record: Record, fault: WireError, tell: Tell) -> None:
    key = record.name
    tell("record_unreadable", f"{record.place.topic}/{record.place.partition} {record.offset} of {key}: {fault}")
