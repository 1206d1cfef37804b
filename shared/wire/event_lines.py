"""Bytes of events that are made by the thousand: only what differs is written, the rest stands ready.

Of the facts of shared.domain.crossings it makes what shared.wire.events makes of the events that step() gives for the
same: the pieces between the numbers come from the same encoder, once for each row and kind of fact.

Promises: equal bytes (tests/domain/test_runs.py, tests/wire/test_event_lines.py). Limit: PIECES_MAX rows and limits are
remembered of a room; more, which only limits that move on and on can make, are made anew.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from shared.domain.crossings import RAISED, RETURNED, TYPES, Moment
from shared.domain.events import Event
from shared.domain.ids import event_id_begun
from shared.domain.measures import of_column, shown
from shared.domain.state import RoomState
from shared.wire.events import encode_event

PIECES_MAX: Final = 50_000
_MEASURED: Final = frozenset({RAISED, RETURNED})
_encode: Final = msgspec.json.Encoder().encode
_Piece = tuple[str, str, str, str, int]
"""Head, subject, rule and tail of an event, and the decimals of its value; -1 when it has none."""


class EventLines:
    """Of one room at a time: what another room, rule set or log needs is made anew."""

    def __init__(self) -> None:
        self._of: tuple[object, str, str] = (None, "", "")
        self._pieces: dict[tuple[int, int, int], _Piece] = {}
        self._room = self._log = self._version = ""

    def of_events(self, events: Sequence[Event]) -> list[bytes]:
        return list(map(encode_event, events))

    def of_facts(self, moment: Moment, state: RoomState) -> list[bytes]:
        """The room's next events; its number is left as it is."""
        log_id, site_seq = moment.log_id, moment.site_seq
        if (state.index, state.version, log_id) != self._of:
            self._begin(state, log_id)
        begun = event_id_begun(log_id, site_seq, state.plan.id)
        room, pieces, number = self._room, self._pieces, state.room_no
        seq = f'{self._log}{site_seq},"ordinal":'
        times = f',"tick_ms":{moment.now},"at_ms":{moment.at_ms}{self._version}'
        told: list[bytes] = []
        for ordinal, (what, row, limit, letter, occurrence, value) in enumerate(moment.facts):
            number += 1
            piece = pieces.get((what, row, limit))
            head, subject, rule, tail, decimals = piece or self._piece(state, what, row, limit)
            value_text = shown(value, decimals) if decimals >= 0 else ""
            text = (
                f"{head}{begun}{ordinal:04x}{room}{number}{seq}{ordinal}{times}{subject}{occurrence}"
                f'{rule}{letter}","value":"{value_text}{tail}'
            )
            told.append(text.encode())
        return told

    def _begin(self, state: RoomState, log_id: str) -> None:
        self._of = state.index, state.version, log_id
        self._pieces.clear()
        plan = state.plan
        self._room = f'","site":{_text(plan.site)},"room":{_text(plan.id)},"room_no":'
        self._log = f',"log_id":{_text(log_id)},"site_seq":'
        self._version = f',"version":{_text(state.version)},"subject":'

    def _piece(self, state: RoomState, what: int, row: int, limit: int) -> _Piece:
        """What is the same in all events of a kind about a row under one limit."""
        index = state.index
        plan = state.plan.alarms[index.rows[row].alarm]
        has_value = what in _MEASURED
        _, unit, its_limit, quality = of_column(state, row, 0, limit) if has_value else ("", "", "", "")
        made = (
            f'{{"type":{_text(TYPES[what])},"id":"',
            f'{_text(plan.id)},"occurrence":"',
            f'","rule":{_text(plan.rule)},"severity":{_text(index.rows[row].severity.label)},"state":"',
            f'","unit":{_text(unit)},"limit":{_text(its_limit)},"quality":{_text(quality)},'
            f'"reason":"","actor":"","until_ms":0}}',
            index.point_units[index.rows[row].point][1] if has_value else -1,
        )
        if len(self._pieces) >= PIECES_MAX:
            self._pieces.clear()
        self._pieces[what, row, limit] = made
        return made


def _text(value: str) -> str:
    """As it stands in JSON, with its quotes."""
    return _encode(value).decode()
