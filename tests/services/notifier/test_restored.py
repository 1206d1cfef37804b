"""A ledger that came with a backup: nothing of it is sent again, what is open is told once."""

import sqlite3
from itertools import pairwise
from pathlib import Path

import pytest

from services.notifier.feed import OpenAlarm
from services.notifier.ledger import NAME, Ledger
from services.notifier.ports import Failed, Sent
from services.notifier.restored import settle_ledger
from shared.domain.errors import LogNewer
from shared.domain.inputs import ReportKind
from tests.services.notifier.lines import route
from tests.services.notifier.test_service import GAS, Box, until

BACKUP, RESTORE = "00c0ffee00c0ffee", "5eed00005eed0000"


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path, route("anna"))


async def test_what_was_planned_before_a_backup_is_not_sent_from_the_restored_box(box: Box) -> None:
    """One alarm was told, one was on its way: the restored box sends one summary of both, which says so, and no alarm
    again."""
    told = box.world.event("raised", GAS, "critical", value="2.1")
    async with box.running():
        box.site.put(told)
        await until(lambda: box.site.told(ReportKind.DELIVERY_SENT))
        box.email.then(Failed("451 later"))
        waiting = box.world.event("raised", "r1/bat1/2S4/jar_temp_alarm", "alarm", value="46")
        box.site.put(waiting)
        await until(lambda: any(state == "failed" for state, _, _ in box.rows()))
    settle_ledger(box.folder / NAME, BACKUP, RESTORE)
    box.email.then(Sent("kept"))
    box.email.sent.clear()
    box.site.open = (OpenAlarm(told, ""), OpenAlarm(waiting, ""))
    async with box.running():
        await until(lambda: box.email.sent)
        await until(lambda: not any(state in ("planned", "sending") for state, _, _ in box.rows()))
    (summary,) = box.email.sent
    assert {one["data"]["occurrence"] for one in summary.data} == {told.occurrence, waiting.occurrence}
    assert "Diese Station wurde aus einer Sicherung wiederhergestellt" in summary.text
    assert sorted(state for state, _, _ in box.rows()) == ["restored", "sent", "sent"]


async def test_the_summary_of_a_restored_box_is_told_once(box: Box) -> None:
    """The mark goes with the transaction that plans the summary; the next start is one like any other."""
    told = box.world.event("raised", GAS, "critical", value="2.1")
    async with box.running():
        box.site.put(told)
        await until(lambda: box.site.told(ReportKind.DELIVERY_SENT))
    settle_ledger(box.folder / NAME, BACKUP, RESTORE)
    box.site.open = (OpenAlarm(told, ""),)
    box.email.sent.clear()
    async with box.running():
        await until(lambda: box.email.sent)
    async with box.running() as notifier:
        await until(lambda: box.site.place is not None)
        assert notifier.picture.restored == ""
    assert len(box.email.sent) == 1


async def test_an_alarm_that_the_restored_log_does_not_know_is_told_as_over(box: Box) -> None:
    """The ledger is a moment younger than the log: what was told in between does not stay open for ever."""
    told = box.world.event("raised", GAS, "critical", value="2.1")
    async with box.running():
        box.site.put(told)
        await until(lambda: box.site.told(ReportKind.DELIVERY_SENT))
    settle_ledger(box.folder / NAME, BACKUP, RESTORE)
    box.email.sent.clear()
    async with box.running() as notifier:
        await until(lambda: box.email.sent)
        assert not notifier.picture.open


async def test_reminders_of_a_restored_box_have_ids_that_no_other_box_gives(box: Box) -> None:
    """The old box counted on, and another one may be restored from the same backup; a receiver drops known ids."""
    told = box.world.event("raised", GAS, "critical", value="2.1")
    async with box.running():
        box.site.put(told)
        await until(lambda: box.site.told(ReportKind.DELIVERY_SENT))
    box.site.open = (OpenAlarm(told, ""),)
    numbers = [0]
    for restore in ("00000000111111", "00000000222222"):
        settle_ledger(box.folder / NAME, BACKUP, restore)
        async with box.running() as notifier:
            await until(lambda: told.occurrence in notifier.picture.open and not notifier.picture.restored)
            numbers.append(notifier.picture.open[told.occurrence].reminders)
    assert all(after - before > 1_000_000 for before, after in pairwise(numbers))


def test_a_ledger_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    """It is not set aside: the newer program goes on with it."""
    Ledger(tmp_path).open()
    with sqlite3.connect(tmp_path / NAME) as db:
        db.execute("PRAGMA user_version = 2")
    db.close()
    with pytest.raises(LogNewer, match="format 2, this program reads up to 1"):
        Ledger(tmp_path).open()
    assert [path.name for path in tmp_path.glob("notify*.db")] == [NAME]
