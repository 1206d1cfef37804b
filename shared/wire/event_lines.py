"""Bytes of events that are made by the thousand: only what differs is written, the rest stands ready.

Of the facts of shared.domain.crossings it makes what shared.wire.events makes of the events that step() gives for the
same: the pieces between the numbers come from the same encoder, once for each row and kind of fact.

Promises: equal bytes (tests/domain/test_runs.py, tests/wire/test_event_lines.py). Limits: of each row and kind of fact
the pieces for one limit are remembered (some 0.5 KB a row that has ever crossed); of all rooms together SHOWN_MAX texts
of values, rules and limits each.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from shared.compiled.lines import Numbers, Scaled, Texts, records
from shared.domain.columns import as_column
from shared.domain.conditions import NOTHING_MEASURED
from shared.domain.crossings import RAISED, RETURNED, STATES, TYPES, Facts, codes_of, decode
from shared.domain.events import Event
from shared.domain.id_columns import event_ids_begun
from shared.domain.measures import of_column
from shared.domain.state import RoomState
from shared.wire.events import encode_event
from shared.wire.linking import behind_lengths

if TYPE_CHECKING:
    from shared.domain.layout import Ints

SHOWN_MAX: Final = 10_000
_MEASURED: Final = frozenset({RAISED, RETURNED})
_encode: Final = msgspec.json.Encoder().encode


class _Piece(NamedTuple):
    """What is the same in all events of a kind about a row, under one limit and in one state."""

    head: bytes
    subject: bytes
    rule: bytes
    tail: bytes
    decimals: int
    """Of its value, -1 when it shows none."""


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
        self._room, self._log, self._version = "", b"", ""

    def of_events(self, events: Sequence[Event]) -> bytes:
        return behind_lengths(map(encode_event, events))

    def of_facts(self, facts: Facts, state: RoomState) -> bytes:
        """The room's next events; its number is left as it is."""
        if (state.index, state.version, facts.log_id) != self._of:
            self._begin(state, facts.log_id)
        ordinals = facts.ordinals
        if not len(ordinals):
            return b""
        is_first, ids = ordinals == 0, range(int(ordinals.max()) + 1)
        begun = event_ids_begun(facts.log_id, facts.site_seqs[is_first], state.plan.id)
        codes, which = _distinct(facts.codes)
        self._prepare(codes, facts.limits, state)
        pieces = [self._pieces[number] for number in codes]
        same = ordinals * 0
        return records((
            Texts([piece.head for piece in pieces], which),
            Texts(begun, is_first.cumsum() - 1),
            Texts([f"{ordinal:04x}{self._room}" for ordinal in ids], ordinals),
            Numbers((ordinals >= 0).cumsum() + state.room_no),
            Texts([self._log], same),
            Numbers(facts.site_seqs),
            Texts([f',"ordinal":{ordinal},"tick_ms":' for ordinal in ids], ordinals),
            Numbers(facts.ticks),
            Texts([',"at_ms":'], same),
            Numbers(facts.stamps),
            Texts([piece.subject for piece in pieces], which),
            Texts(facts.names, facts.which),
            Texts([piece.rule for piece in pieces], which),
            Scaled(facts.values, as_column([piece.decimals for piece in pieces]).take(which)),
            Texts([piece.tail for piece in pieces], which),
        ))  # fmt: skip

    def _begin(self, state: RoomState, log_id: str) -> None:
        self._of = state.index, state.version, log_id
        for known in (self._pieces, self._limits, self._subjects):
            known.clear()
        plan = state.plan
        self._room = f'","site":{_text(plan.site)},"room":{_text(plan.id)},"room_no":'
        self._log = f',"log_id":{_text(log_id)},"site_seq":'.encode()
        self._version = f',"version":{_text(state.version)},"subject":'

    def _prepare(self, codes: Iterable[int], now: Mapping[int, int], state: RoomState) -> None:
        """Have the pieces of all these facts, under the limits of now."""
        pieces, limits = self._pieces, self._limits
        if not now.items() <= limits.items():
            for row, limit in now.items() - limits.items():
                for number in codes_of(row) if row in limits else ():
                    pieces.pop(number, None)
                limits[row] = limit
        for number in {*codes} - pieces.keys():
            pieces[number] = self._piece(state, *decode(number))

    def _piece(self, state: RoomState, what: int, row: int, letter: int) -> _Piece:
        index = state.index
        plan = state.plan.alarms[index.rows[row].alarm]
        has_value = what in _MEASURED
        _, unit, limit, quality = of_column(state, row, 0, self._limits[row]) if has_value else NOTHING_MEASURED
        decimals = index.point_units[index.rows[row].point][1] if has_value else -1
        subject = self._subjects.get(row)
        if subject is None:
            subject = self._subjects[row] = f'{self._version}{_text(plan.id)},"occurrence":"'.encode()
        rule = _rule(plan.rule, index.rows[row].severity.label, STATES[letter])
        return _Piece(_HEADS[what], subject, rule, _tail(unit, limit, quality), decimals)


def _distinct(codes: "Ints") -> "tuple[list[int], Ints]":
    """Which there are, and of each fact the place of its own among them."""
    found = as_column([0]).repeat(int(codes.max()) + 1)
    found[codes] = 1
    distinct = found.nonzero()[0]
    return distinct.tolist(), (found.cumsum() - 1).take(codes)


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
