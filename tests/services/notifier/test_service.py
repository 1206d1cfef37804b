"""The notifier as it runs: events in, messages out by a channel, everything in the ledger and in the Reports."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.notifier.fake import FakeChannel
from services.notifier.feed import OpenAlarm
from services.notifier.ledger import NAME
from services.notifier.on_disk import LedgerOnDisk
from services.notifier.ports import Failed, Outgoing, Refused, Sent
from services.notifier.service import Notifier
from shared.domain.inputs import ReportKind
from shared.domain.plan import Severity
from shared.log.port import Cursor
from shared.runtime.clocks import SystemClock
from tests.services.notifier.fake_site import FakeSite
from tests.services.notifier.lines import World, route, setting
from tests.services.notifier.samples import ANNA, BEN

GAS = "r1/gas1/h2_alarm"


async def until(condition: Callable[[], object]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def looked(site: FakeSite) -> None:
    """Wait until a whole look has been taken that began after this."""
    before = site.looks
    await until(lambda: site.looks >= before + 2)


class Box:
    """A site with one notifier, whose channels are fakes."""

    def __init__(self, folder: Path, *routes: object, **more: object) -> None:
        self.folder = folder
        self.world = World(setting(*routes, **more), wall_ms=SystemClock().wall_ms())  # type: ignore[arg-type]
        self.site = FakeSite(self.world.setting)
        self.email, self.webhook = FakeChannel("email"), FakeChannel("webhook")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Notifier]:
        made = Notifier(
            self.site,
            LedgerOnDisk(self.folder),
            SystemClock(),
            lambda _: {"email": self.email, "webhook": self.webhook},
        )
        stop = asyncio.Event()
        task = asyncio.create_task(made.run(stop))
        try:
            yield made
        finally:
            stop.set()
            await task

    def rows(self) -> list[tuple[str, int, str]]:
        """state, attempts and channel of every message in the ledger."""
        with sqlite3.connect(self.folder / NAME) as db:
            found = db.execute("SELECT state, attempts, channel FROM message ORDER BY planned_at_ms, id").fetchall()
        db.close()
        return found


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path, route("anna"))


def subjects(channel: FakeChannel) -> list[str]:
    return [message.subject for message in channel.sent]


async def test_a_raised_alarm_is_planned_sent_and_recorded(box: Box) -> None:
    """From the event to the person, the ledger and the log."""
    async with box.running():
        raised = box.world.event("raised", GAS, "critical", value="2.1")
        box.site.put(raised)
        await until(lambda: box.site.told(ReportKind.DELIVERY_SENT))
    (message,) = box.email.sent
    assert message.person is ANNA
    assert message.subject == "KRITISCH Wasserstoff 2 %: Room 1, 2.1 %vol"
    assert message.text.startswith("RAUM SOFORT VERLASSEN")
    assert message.event_ids == (raised.id,)
    assert message.data[0]["id"] == raised.id
    assert box.rows() == [("sent", 1, "email")]
    assert box.site.told(ReportKind.DELIVERY_SENT) == [f"email/anna pulse {message.id} {raised.occurrence} 1 kept"]


async def test_a_restart_sends_nothing_again(box: Box) -> None:
    """What was sent before stays sent; what comes later is sent."""
    async with box.running():
        box.site.put(box.world.event("raised", GAS, "critical"))
        await until(lambda: box.email.sent)
    async with box.running():
        box.site.put(box.world.event("returned", GAS, "critical", state="E"))
        await until(lambda: len(box.email.sent) == 2)
    first, last = box.email.sent
    assert last.follows == (first.id,)
    assert last.thread == first.thread


async def test_a_failed_attempt_is_made_again_until_it_arrives(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trouble of the other side delays a message and loses none; the channel is told as failing and as well again."""
    monkeypatch.setattr("services.notifier.post.FIRST_RETRY_MS", 10)
    box.email.then(Failed("451 later"), Failed("451 later"), Failed("452 full"), Sent("250 ok"))
    async with box.running():
        box.site.put(box.world.event("raised", GAS, "critical"))
        await until(lambda: len(box.site.told(ReportKind.DELIVERY_FAILING)) == 2)
    assert len(box.email.sent) == 1
    assert not box.email.sent[0].repeat
    assert [text.rpartition(" 1 ")[2] for text in box.site.told(ReportKind.DELIVERY_FAILED)][:1] == ["451 later"]
    assert len(box.site.told(ReportKind.DELIVERY_FAILED)) == 2, "only news is told"
    assert box.site.told(ReportKind.DELIVERY_FAILING) == ["email on 452 full", "email off messages arrive again"]
    assert box.rows() == [("sent", 4, "email")]


async def test_a_message_that_may_have_been_taken_is_marked_when_it_is_sent_again(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that broke behind the last word: the next attempt says that it may be a repeat."""
    monkeypatch.setattr("services.notifier.post.FIRST_RETRY_MS", 10)
    box.email.then(Failed("cut", maybe_taken=True), Sent("250 ok"))
    async with box.running():
        box.site.put(box.world.event("raised", GAS, "critical"))
        await until(lambda: box.email.sent)
    assert [message.repeat for message in box.email.tried] == [False, True]
    assert "Wiederholung" in box.email.sent[0].text


async def test_a_refused_recipient_is_not_tried_again(box: Box) -> None:
    """The refusal is recorded, told as an alarm that another channel can carry, and ends the attempts."""
    box.email.then(Refused("550 no such user"))
    async with box.running():
        box.site.put(box.world.event("raised", GAS, "critical"))
        await until(lambda: box.site.told(ReportKind.DELIVERY_FAILING))
        await looked(box.site)
    assert len(box.email.tried) == 1
    assert box.rows() == [("refused", 1, "email")]
    assert box.site.told(ReportKind.DELIVERY_FAILING) == ["email pulse anna: 550 no such user"]


async def test_no_channel_waits_for_a_hanging_one(tmp_path: Path) -> None:
    """E-mail hangs; the webhook's messages go out, and critical e-mails are still begun beside hanging ones."""
    box = Box(tmp_path, route("anna", by=("email", "webhook")))
    box.email.then(3600.0, Sent("late"))
    async with box.running():
        for number in range(4):
            box.site.put(box.world.event("raised", f"r1/gas{number}/h2_alarm", "critical"))
        await until(lambda: len(box.webhook.sent) == 4 and len(box.email.tried) == 4)
        for task in asyncio.all_tasks():
            if task.get_name().startswith("send "):
                task.cancel()


async def test_without_a_ledger_only_what_is_open_is_told(box: Box) -> None:
    """A deleted ledger sends no history: one summary of what is open, from the log's head on."""
    past = [box.world.event("raised", f"r1/p{number}/rule") for number in range(20)]
    box.site.put(*(event._replace(at_ms=event.at_ms - 7_200_000, tick_ms=-7_200_000) for event in past))
    box.site.open = (OpenAlarm(past[3], ""), OpenAlarm(past[7], ""), OpenAlarm(past[9], "shelved"))
    async with box.running():
        await until(lambda: box.email.sent)
        box.site.put(box.world.event("returned", "r1/p3/rule"))
        await looked(box.site)
    (summary,) = box.email.sent
    assert summary.subject.startswith("ÜBERSICHT: 2 Alarme, 2 offen")
    assert "Sicherung" not in summary.text
    assert summary.event_ids == ()


async def test_a_young_site_is_read_from_its_beginning(box: Box) -> None:
    """The first alarms of a new site are told one by one."""
    box.site.put(box.world.event("raised", GAS, "critical"))
    async with box.running():
        await until(lambda: box.email.sent)
    assert len(box.email.sent[0].event_ids) == 1


async def test_a_young_site_that_has_told_somebody_is_not_read_from_its_beginning(box: Box) -> None:
    """Its ledger was deleted: the log knows of deliveries, so what is open comes as a summary."""
    raised = box.world.event("raised", GAS, "critical")
    told = box.world.event("acked", "_site/email")._replace(type="ampward.delivery.sent.v1")
    box.site.put(raised, told)
    box.site.open = (OpenAlarm(raised, ""),)
    async with box.running():
        await until(lambda: box.email.sent)
    assert box.email.sent[0].event_ids == ()
    assert box.email.sent[0].subject.startswith("ÜBERSICHT")


async def test_a_backlog_of_old_events_is_one_summary(box: Box) -> None:
    """After two hours without the notifier: one message, and what comes now on its own."""
    async with box.running():
        await until(lambda: box.site.looks)
    old = [box.world.event("raised", f"r1/p{number}/rule") for number in range(700)]
    box.site.put(*(event._replace(at_ms=event.at_ms - 7_200_000, tick_ms=-7_200_000) for event in old))
    async with box.running():
        await until(lambda: box.email.sent)
    (summary,) = box.email.sent
    assert len(summary.event_ids) == 700


async def test_a_damaged_ledger_is_set_aside_and_said(box: Box) -> None:
    """Whatever stands in the file, the notifier begins, and says where the old one went."""
    async with box.running():
        box.site.put(box.world.event("raised", GAS, "critical"))
        await until(lambda: box.email.sent)
    path = box.folder / NAME
    path.write_bytes(b"no database at all " * 300)
    for suffix in ("-wal", "-shm"):
        path.with_name(NAME + suffix).unlink(missing_ok=True)
    async with box.running():
        await until(lambda: box.site.told(ReportKind.LEDGER))
        box.site.put(box.world.event("raised", "r1/gas2/h2_alarm", "critical"))
        await until(lambda: len(box.email.sent) >= 2)
    assert (box.folder / "notify.damaged-1.db").exists()
    assert len([one for one in box.email.sent if one.event_ids]) == 2, "what was told before is not told anew"
    assert "notify.damaged-1.db" in box.site.told(ReportKind.LEDGER)[0]


async def test_a_place_that_is_gone_is_read_anew_from_the_head(box: Box) -> None:
    """Another log: what is open there is told in one summary, and nothing of what lies before."""
    async with box.running():
        box.site.put(box.world.event("acked", "r1/a/rule"))
        await until(lambda: box.site.place)
        box.site.put(box.world.event("raised", "r1/b/rule"))
        box.site.open = (OpenAlarm(box.world.event("raised", GAS, "critical"), ""),)
        box.site.gone = True
        await until(lambda: box.email.sent)
    (summary,) = box.email.sent
    assert summary.subject.startswith("ÜBERSICHT: 1 Alarm, 1 offen: 1 KRITISCH")


async def test_people_who_come_by_a_reload_are_told_from_then_on(box: Box) -> None:
    """A new setting is taken at the next look."""
    async with box.running():
        box.site.put(box.world.event("raised", "r1/a/rule"))
        await until(lambda: box.email.sent)
        box.site.plan = setting(route("ben"))
        box.site.put(box.world.event("raised", "r1/b/rule"))
        await until(lambda: len(box.email.sent) >= 2)
    assert {message.person for message in box.email.sent} == {ANNA, BEN}


async def test_an_alarm_that_no_route_leads_from_leaves_no_trace_until_it_rises(tmp_path: Path) -> None:
    """A flood of warnings costs the ledger nothing; what becomes graver is told."""
    box = Box(tmp_path, route("anna", severity=Severity.ALARM))
    async with box.running() as notifier:
        raised = box.world.event("raised", "r1/a/rule", "warning")
        box.site.put(raised, box.world.event("raised", "r1/b/rule", "warning"))
        await until(lambda: box.site.place == box.site.events[-1].cursor)
        assert not notifier.picture.open
        box.site.put(box.world.event("escalated", "r1/a/rule", "alarm", occurrence=raised.occurrence))
        await until(lambda: box.email.sent)
        assert set(notifier.picture.open) == {raised.occurrence}
    assert len(box.email.sent) == 1


async def test_a_reload_that_brings_a_route_for_an_open_alarm_has_it_told(tmp_path: Path) -> None:
    """It was passed over when it was raised: what is open is looked at anew, and what is shelved stays untold."""
    box = Box(tmp_path, route("anna", severity=Severity.ALARM))
    async with box.running() as notifier:
        raised = box.world.event("raised", "r1/a/rule", "warning")
        shelved = box.world.event("raised", "r1/b/rule", "warning")
        box.site.put(raised, shelved)
        box.site.open = (OpenAlarm(raised, ""), OpenAlarm(shelved, "shelved"))
        await until(lambda: box.site.place == box.site.events[-1].cursor)
        box.site.plan = setting(route("anna"))
        await until(lambda: box.email.sent)
        assert notifier.picture.open[shelved.occurrence].hidden == "shelved"
    assert [[one["subject"] for one in message.data] for message in box.email.sent] == [["s/r1/a/rule"]]


async def test_nothing_is_waited_for_between_an_event_and_the_commit_of_its_message(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else another commit writes that the alarm is known, without its message, and a crash then loses it."""
    half_done: list[bool] = []
    head = box.site.head
    box.site.put(box.world.event("raised", GAS, "critical"))
    async with box.running() as notifier:

        async def looked() -> tuple[Cursor | None, tuple[OpenAlarm, ...]]:
            half_done.append(bool(notifier.picture.changed))
            return await head()

        monkeypatch.setattr(box.site, "head", looked)
        await until(lambda: box.email.sent and half_done)
    assert not any(half_done)


async def test_a_start_with_another_route_looks_at_what_is_open(tmp_path: Path) -> None:
    """The route came while nobody ran."""
    box = Box(tmp_path, route("anna", severity=Severity.ALARM))
    raised = box.world.event("raised", "r1/a/rule", "warning")
    async with box.running():
        box.site.put(raised)
        await until(lambda: box.site.place == box.site.events[-1].cursor)
    box.site.open = (OpenAlarm(raised, ""),)
    box.site.plan = setting(route("anna"))
    async with box.running():
        await until(lambda: box.email.sent)
    assert [one["subject"] for one in box.email.sent[0].data] == ["s/r1/a/rule"]


async def test_an_undurable_alarm_says_so(box: Box) -> None:
    """The message and its data are marked."""
    async with box.running():
        box.site.put(box.world.event("raised", GAS, "critical"), undurable=True)
        await until(lambda: box.email.sent)
    message: Outgoing = box.email.sent[0]
    assert "undurable" in message.text
    assert message.data[0]["undurable"] == "true"
