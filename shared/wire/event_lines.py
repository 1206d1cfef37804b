"""Bytes of events that are made by the thousand: only what differs is written, the rest stands ready.

Of the facts of shared.domain.crossings it makes what shared.wire.events makes of the events that step() gives for the
same: the pieces between the numbers come from the same encoder, once for each row and kind of fact.

Promises: equal bytes (tests/domain/test_runs.py, tests/wire/test_event_lines.py). Limits: of each row and kind of fact
the pieces for one limit are remembered (some 0.5 KB a row that has ever crossed); of all rooms together SHOWN_MAX texts
of values, rules and limits each.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import chain, count, repeat
from operator import getitem
from typing import Any, Final, NamedTuple

import msgspec

from shared.domain.conditions import NOTHING_MEASURED
from shared.domain.crossings import RAISED, RETURNED, STATES, TYPES, Facts, codes_of, decode
from shared.domain.events import Event
from shared.domain.ids import event_id_begun
from shared.domain.measures import of_column
from shared.domain.state import RoomState
from shared.domain.units import format_scaled
from shared.wire.events import encode_event

SHOWN_MAX: Final = 10_000
_MEASURED: Final = frozenset({RAISED, RETURNED})
_encode: Final = msgspec.json.Encoder().encode


class _Piece(NamedTuple):
    """What is the same in all events of a kind about a row, under one limit and in one state."""

    head: bytes
    subject: bytes
    rule: bytes
    tail: bytes
    texts: "Texts"
    """Of values with its decimals."""


class EventLines:
    """Of one room at a time: what another room, rule set or log needs is made anew."""

    def __init__(self) -> None:
        self._of: tuple[object, str, str] = (None, "", "")
        self._pieces: dict[int, _Piece] = {}
        """By what a fact's code says."""
        self._limits: dict[int, int] = {}
        """By row that of its pieces."""
        self._subjects: dict[int, bytes] = {}
        """By row. What else a piece has, all rooms have in common: a worker has thousands of them."""
        self._room = self._log = self._version = ""

    def of_events(self, events: Sequence[Event]) -> list[bytes]:
        return list(map(encode_event, events))

    def of_facts(self, facts: Facts, state: RoomState) -> list[bytes]:
        """The room's next events; its number is left as it is.

        Written as columns: each piece of all events, one after another, then the pieces of each event joined.
        """
        if (state.index, state.version, facts.log_id) != self._of:
            self._begin(state, facts.log_id)
        self._prepare(facts, state)
        log, version, room, log_id = self._log, self._version, state.plan.id, facts.log_id
        moments, counts = facts.moments, [moment.facts for moment in facts.moments]
        begun = [event_id_begun(log_id, moment.site_seq, room).encode() for moment in moments]
        seqs = [f'{log}{moment.site_seq},"ordinal":'.encode() for moment in moments]
        times = [f',"tick_ms":{moment.now},"at_ms":{moment.at_ms}{version}'.encode() for moment in moments]
        most = max(counts, default=0)
        ids = [f"{ordinal:04x}{self._room}".encode() for ordinal in range(most)]
        ordinals = [b"%d" % ordinal for ordinal in range(most)]
        heads, subjects, rules, tails, texts = _columns([*map(self._pieces.__getitem__, facts.codes)])
        columns: tuple[Iterable[bytes], ...] = (
            heads,
            _of_moments(begun, counts),
            _of_ordinals(ids, counts),
            map(b"%d".__mod__, count(state.room_no + 1)),
            _of_moments(seqs, counts),
            _of_ordinals(ordinals, counts),
            _of_moments(times, counts),
            subjects,
            map(str.encode, facts.occurrences),
            rules,
            map(getitem, texts, facts.values),
            tails,
        )
        return list(map(b"".join, zip(*columns, strict=False)))

    def _begin(self, state: RoomState, log_id: str) -> None:
        self._of = state.index, state.version, log_id
        for known in (self._pieces, self._limits, self._subjects):
            known.clear()
        plan = state.plan
        self._room = f'","site":{_text(plan.site)},"room":{_text(plan.id)},"room_no":'
        self._log = f',"log_id":{_text(log_id)},"site_seq":'
        self._version = f',"version":{_text(state.version)},"subject":'

    def _prepare(self, facts: Facts, state: RoomState) -> None:
        """Have the pieces of all these facts, under the limits of now."""
        pieces, limits = self._pieces, self._limits
        if not facts.limits.items() <= limits.items():
            for row, limit in facts.limits.items() - limits.items():
                for number in codes_of(row) if row in limits else ():
                    pieces.pop(number, None)
                limits[row] = limit
        for number in {*facts.codes} - pieces.keys():
            pieces[number] = self._piece(state, *decode(number))

    def _piece(self, state: RoomState, what: int, row: int, letter: int) -> _Piece:
        index = state.index
        plan = state.plan.alarms[index.rows[row].alarm]
        has_value = what in _MEASURED
        _, unit, limit, quality = of_column(state, row, 0, self._limits[row]) if has_value else NOTHING_MEASURED
        decimals = index.point_units[index.rows[row].point][1] if has_value else -1
        subject = self._subjects.get(row)
        if subject is None:
            subject = self._subjects[row] = f'{_text(plan.id)},"occurrence":"'.encode()
        rule = _rule(plan.rule, index.rows[row].severity.label, STATES[letter])
        return _Piece(_HEADS[what], subject, rule, _tail(unit, limit, quality), _texts(decimals))


def _columns(pieces: Sequence[_Piece]) -> Iterable[Iterable[Any]]:
    """Of each part of the pieces a column."""
    return zip(*pieces, strict=True) if pieces else repeat((), len(_Piece._fields))


def _of_moments(texts: Sequence[bytes], counts: Sequence[int]) -> Iterator[bytes]:
    """Each text as many times as its moment has facts."""
    return chain.from_iterable(map(repeat, texts, counts))


def _of_ordinals(texts: Sequence[bytes], counts: Sequence[int]) -> Iterator[bytes]:
    """The texts of each moment's facts."""
    return chain.from_iterable(map(texts.__getitem__, map(slice, counts)))


class Texts(dict[int, bytes]):
    """Values as people read them, each made once; with decimals below 0 nothing is shown. All rooms share them."""

    def __init__(self, decimals: int) -> None:
        super().__init__()
        self._decimals = decimals

    def __missing__(self, value: int) -> bytes:
        if len(self) >= SHOWN_MAX:
            self.clear()
        text = self[value] = format_scaled(value, self._decimals).encode() if self._decimals >= 0 else b""
        return text


_texts: Final = cache(Texts)


@lru_cache(maxsize=SHOWN_MAX)
def _rule(rule: str, severity: str, letter: str) -> bytes:
    return f'","rule":{_text(rule)},"severity":{_text(severity)},"state":"{letter}","value":"'.encode()


@lru_cache(maxsize=SHOWN_MAX)
def _tail(unit: str, limit: str, quality: str) -> bytes:
    measured = f'","unit":{_text(unit)},"limit":{_text(limit)},"quality":{_text(quality)}'
    return (measured + ',"reason":"","actor":"","until_ms":0}').encode()


def _text(value: str) -> str:
    """As it stands in JSON, with its quotes."""
    return _encode(value).decode()


_HEADS: Final = tuple(f'{{"type":{_text(kind)},"id":"'.encode() for kind in TYPES)
