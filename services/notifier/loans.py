"""Whose planned messages are (services.notifier.lease): ours, or the holder's of the lease, to whom a site lends them.

planned -> ours              -> planned, sent here
        -> theirs, at a site -> lent, for LENT_MS -> theirs
                                   | the lease has ended: planned, sent here as a repeat
"""

from collections.abc import Iterable
from dataclasses import replace

from services.notifier import lease
from services.notifier.ledger_port import Row
from services.notifier.pipeline import settle
from services.notifier.turn import Turn


class Loans:
    """Of one notifier."""

    def __init__(self, sender: str) -> None:
        self._sender = sender
        self._lent: dict[str, Row] = {}
        """What the holder of the lease is to send, for a while."""

    def begin(self, rows: Iterable[Row]) -> None:
        """With what the ledger has as lent."""
        self._lent = {row.message.id: row for row in rows}

    def assign(self, turn: Turn) -> None:
        """Say who sends what was planned since the last time: what another sends counts as told."""
        for message in turn.planned[turn.judged :]:
            if not lease.is_sent_by(self._sender, turn.leased, message):
                turn.theirs.add(message.id)
                settle(turn.picture, message)
        turn.judged = len(turn.planned)

    def ours(self, turn: Turn) -> list[Row]:
        """What is sent here."""
        term, wall_ms = turn.picture.misc.term, turn.moment.wall_ms
        return [
            Row(message, changed_at_ms=wall_ms, repeat=lease.may_be_told(message, term))
            for message in turn.planned
            if message.id not in turn.theirs
        ]

    def lend(self, turn: Turn) -> list[Row]:
        """The site remembers for a while what the centre is to send."""
        if self._sender != lease.SITE:
            return []
        end_ms = turn.moment.steady_ms + lease.LENT_MS
        rows = [
            Row(message, "lent", due_ms=end_ms, changed_at_ms=turn.moment.wall_ms)
            for message in turn.planned
            if message.id in turn.theirs
        ]
        self._lent.update({row.message.id: row for row in rows})
        return rows

    def end(self, turn: Turn) -> tuple[list[Row], list[Row]]:
        """Loans that come back because the lease has ended, and those that are over."""
        now, wall_ms = turn.moment.steady_ms, turn.moment.wall_ms
        over = [row for row in self._lent.values() if row.due_ms <= now]
        is_back = bool(self._lent) and turn.picture.misc.leased == self._sender
        back = [row for row in self._lent.values() if row.due_ms > now] if is_back else []
        for row in (*over, *back):
            del self._lent[row.message.id]
        return (
            [replace(row, state="planned", due_ms=0, repeat=True, changed_at_ms=wall_ms) for row in back],
            [replace(row, state="theirs", why="left to the centre", changed_at_ms=wall_ms) for row in over],
        )
