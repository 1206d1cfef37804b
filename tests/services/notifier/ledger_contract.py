"""What every adapter of the delivery ledger must do. Each adapter's test inherits this class and gives the fixture
``ledgers``: called, it opens the same ledger anew, as the next start does.
"""

from collections.abc import Callable
from dataclasses import replace

from services.notifier.ledger_port import Change, DeliveryLedger, Row, Stand
from services.notifier.messages import Form, Item, Kind, Lane, Message
from services.notifier.reports import BoxReport
from shared.domain.inputs import ReportKind
from shared.log.port import Cursor
from tests.services.notifier.lines import World, setting

STAND = Stand(Cursor("log1", 7, 2), Cursor("log1", 7, 1), 5_000, 1_767_225_600_000)
REPORT = BoxReport(ReportKind.DELIVERY_SENT, "email/anna", "m t 1 250 ok", pulse=True)
Ledgers = Callable[[], DeliveryLedger]


def row(number: int, state: str = "planned") -> Row:
    event = World(setting()).event("raised", f"r1/p{number}/rule", value="2.1")
    item = Item(Kind.RAISED, event)
    lane = Lane("anna", "email")
    at_ms = STAND.wall_ms + number
    return Row(Message(f"{number:032x}", lane, Form.ALARM, (item,), "t", ("f",), urgent=True, at_ms=at_ms), state)


def rows(*given: Row) -> dict[str, Row]:
    return {one.message.id: one for one in given}


class LedgerContract:
    async def test_a_new_ledger_has_nothing_but_its_name(self, ledgers: Ledgers) -> None:
        """No place to go on from, no records, no messages; a name of its own."""
        found = await ledgers().open()
        assert (found.stand, dict(found.records), found.rows, found.last) == (None, {}, (), 0)
        assert found.ledger

    async def test_what_was_committed_is_found_by_the_next_start(self, ledgers: Ledgers) -> None:
        """Place, records and messages that are not settled, as they were and in the order of their planning."""
        ledger = ledgers()
        await ledger.open()
        waiting = replace(row(2, "failed"), attempts=3, due_ms=7_000, changed_at_ms=9, repeat=True, why="451 später")
        await ledger.commit(Change(STAND, {"a": b"1", "b": b"\x00\xff"}, rows(waiting, row(1, "sending"))))
        await ledger.commit(Change(records={"a": None}))
        await ledger.close()
        found = await ledgers().open()
        assert found.stand == STAND
        assert dict(found.records) == {"b": b"\x00\xff"}
        assert found.rows == (row(1, "sending"), waiting)

    async def test_a_message_that_is_settled_is_not_sent_again(self, ledgers: Ledgers) -> None:
        """Sent and refused ones are not found by the next start, in whatever order their changes came."""
        ledger = ledgers()
        await ledger.open()
        await ledger.commit(Change(STAND, rows=rows(row(1), row(2), row(3))))
        await ledger.commit(Change(rows=rows(row(1, "sending"), row(2, "refused"), row(4, "sent"))))
        await ledger.commit(Change(rows=rows(row(1, "sent"))))
        await ledger.commit(Change(rows=rows(row(1, "sent"))))
        await ledger.close()
        assert (await ledgers().open()).rows == (row(3),)

    async def test_reports_are_kept_until_they_are_forgotten(self, ledgers: Ledgers) -> None:
        """By number, with the ledger's name and the highest number that was ever given."""
        ledger = ledgers()
        name = (await ledger.open()).ledger
        await ledger.commit(Change(STAND, rows=rows(row(1, "sent")), reports={1: REPORT, 2: REPORT}))
        await ledger.commit(Change(reports={3: replace(REPORT, detail="m t 2 250 ok")}, forgotten=1))
        await ledger.close()
        found = await ledgers().open()
        assert (found.ledger, found.last, sorted(found.reports)) == (name, 3, [2, 3])
        assert found.reports[2] == REPORT
        ledger = ledgers()
        await ledger.open()
        await ledger.commit(Change(forgotten=3))
        await ledger.close()
        found = await ledgers().open()
        assert (found.ledger, found.last, dict(found.reports)) == (name, 3, {})
