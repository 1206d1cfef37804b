"""Bytes of events that are made by the thousand: only what differs is written, the rest stands ready.

Of the facts of shared.domain.crossings it makes what shared.wire.events makes of the events that step() gives for the
same: the pieces between the numbers come from the same encoder, once for each row and kind of fact.

Promises: equal bytes (tests/domain/test_runs.py, tests/wire/test_event_lines.py). Limits: of each row and kind of fact
the pieces for one limit are remembered (some 0.5 KB a row that has ever crossed); of all rooms together SHOWN_MAX texts
of values, rules and limits each.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Final

import msgspec

from shared.domain.conditions import NOTHING_MEASURED
from shared.domain.crossings import RAISED, RETURNED, TYPES, Moment
from shared.domain.events import Event
from shared.domain.ids import event_id_begun
from shared.domain.measures import of_column
from shared.domain.state import RoomState
from shared.domain.units import format_scaled
from shared.wire.events import encode_event

SHOWN_MAX: Final = 10_000
_MEASURED: Final = frozenset({RAISED, RETURNED})
_encode: Final = msgspec.json.Encoder().encode
_KINDS: Final = len(TYPES)
_Piece = tuple[int, str, str, str, str, "Texts"]
"""Limit, head, subject, rule and tail of an event, and the texts of values with its decimals."""


class EventLines:
    """Of one room at a time: what another room, rule set or log needs is made anew."""

    def __init__(self) -> None:
        self._of: tuple[object, str, str] = (None, "", "")
        self._pieces: list[_Piece | None] = []
        """By row, and in it by kind of fact."""
        self._subjects: dict[int, str] = {}
        """By row. What else a piece has, all rooms have in common: a worker has thousands of them."""
        self._room = self._log = self._version = ""

    def of_events(self, events: Sequence[Event]) -> list[bytes]:
        return list(map(encode_event, events))

    def of_facts(self, moments: Sequence[Moment], state: RoomState) -> list[bytes]:
        """The room's next events; its number is left as it is."""
        told: list[bytes] = []
        number = state.room_no
        for moment in moments:
            log_id, site_seq = moment.log_id, moment.site_seq
            if (state.index, state.version, log_id) != self._of:
                self._begin(state, log_id)
            room, pieces = self._room, self._pieces
            ordinals = _ORDINALS if len(moment.facts) <= len(_ORDINALS) else _ordinals(len(moment.facts))
            begun = event_id_begun(log_id, site_seq, state.plan.id)
            seq = f'{self._log}{site_seq},"ordinal":'
            times = f',"tick_ms":{moment.now},"at_ms":{moment.at_ms}{self._version}'
            for ordinal, (what, row, limit, letter, occurrence, value) in zip(ordinals, moment.facts, strict=False):
                number += 1
                piece = pieces[_KINDS * row + what]
                if piece is None or piece[0] != limit:
                    piece = self._piece(state, what, row, limit)
                _, head, subject, rule, tail, texts = piece
                told.append(
                    f"{head}{begun}{ordinal[0]}{room}{number}{seq}{ordinal[1]}{times}{subject}{occurrence}{rule}"
                    f'{letter}","value":"{texts[value]}{tail}'.encode()
                )
        return told

    def _begin(self, state: RoomState, log_id: str) -> None:
        self._of = state.index, state.version, log_id
        self._pieces = [None] * (_KINDS * state.index.column_rows)
        self._subjects.clear()
        plan = state.plan
        self._room = f'","site":{_text(plan.site)},"room":{_text(plan.id)},"room_no":'
        self._log = f',"log_id":{_text(log_id)},"site_seq":'
        self._version = f',"version":{_text(state.version)},"subject":'

    def _piece(self, state: RoomState, what: int, row: int, limit: int) -> _Piece:
        """What is the same in all events of a kind about a row under one limit."""
        index = state.index
        plan = state.plan.alarms[index.rows[row].alarm]
        has_value = what in _MEASURED
        _, unit, its_limit, quality = of_column(state, row, 0, limit) if has_value else NOTHING_MEASURED
        decimals = index.point_units[index.rows[row].point][1] if has_value else -1
        subject = self._subjects.get(row)
        if subject is None:
            subject = self._subjects[row] = f'{_text(plan.id)},"occurrence":"'
        rule, tail = _rule(plan.rule, index.rows[row].severity.label), _tail(unit, its_limit, quality)
        made = limit, _HEADS[what], subject, rule, tail, _texts(decimals)
        self._pieces[_KINDS * row + what] = made
        return made


def _ordinals(count: int) -> list[tuple[str, str]]:
    """How an id ends, and the number itself."""
    return [(f"{ordinal:04x}", str(ordinal)) for ordinal in range(count)]


_ORDINALS: Final = _ordinals(64)


class Texts(dict[int, str]):
    """Values as people read them, each made once; with decimals below 0 nothing is shown. All rooms share them."""

    def __init__(self, decimals: int) -> None:
        super().__init__()
        self._decimals = decimals

    def __missing__(self, value: int) -> str:
        if len(self) >= SHOWN_MAX:
            self.clear()
        text = self[value] = format_scaled(value, self._decimals) if self._decimals >= 0 else ""
        return text


_texts: Final = cache(Texts)


@lru_cache(maxsize=SHOWN_MAX)
def _rule(rule: str, severity: str) -> str:
    return f'","rule":{_text(rule)},"severity":{_text(severity)},"state":"'


@lru_cache(maxsize=SHOWN_MAX)
def _tail(unit: str, limit: str, quality: str) -> str:
    measured = f'","unit":{_text(unit)},"limit":{_text(limit)},"quality":{_text(quality)}'
    return measured + ',"reason":"","actor":"","until_ms":0}'


def _text(value: str) -> str:
    """As it stands in JSON, with its quotes."""
    return _encode(value).decode()


_HEADS: Final = tuple(f'{{"type":{_text(kind)},"id":"' for kind in TYPES)
