"""What stands between ledger and log: Reports in their order, each once, and nobody who spins."""

import asyncio
from contextlib import suppress

from services.notifier import outbox
from services.notifier.ledger_port import Found
from services.notifier.outbox import Outbox
from services.notifier.reports import BoxReport
from shared.domain.inputs import ReportKind
from tests.services.notifier.fake_site import FakeSite
from tests.services.notifier.lines import setting
from tests.services.notifier.test_service import until


def report(number: int) -> BoxReport:
    return BoxReport(ReportKind.DELIVERY_SENT, "email/anna", f"{number}", pulse=True)


async def live(site: FakeSite, found: Found, *more: BoxReport) -> Outbox:
    """An outbox that goes on from a ledger, is given more, and ends when the log has taken all."""
    made = Outbox(site)
    await made.begin(found)
    running = asyncio.create_task(made.run())
    made.written(made.number(more))
    made.end()
    await asyncio.wait_for(running, 60)
    return made


def numbers(site: FakeSite) -> list[int]:
    return [int(one.detail) for one in site.reports]


async def test_what_the_log_has_is_not_reported_again() -> None:
    """The ledger still has three, the log has taken two of them."""
    site = FakeSite(setting())
    site.reported_at = ("one", 2)
    made = await live(site, Found(None, {}, (), "one", 3, {n: report(n) for n in (1, 2, 3)}), report(4))
    assert numbers(site) == [3, 4]
    assert (site.reported_at, made.kept) == (("one", 4), 4)


async def test_a_number_that_only_the_log_knows_is_not_given_again() -> None:
    """A ledger that was in memory is lost with its numbers: what comes now is not taken for what is there."""
    site = FakeSite(setting())
    site.reported_at = ("one", 7)
    await live(site, Found(None, {}, (), "one", 5, {}), report(8))
    assert (numbers(site), site.reported_at) == ([8], ("one", 8))


async def test_a_log_that_knows_of_no_report_gets_what_comes() -> None:
    """It was begun anew, and the ledger has forgotten what the old one took: nobody waits for that."""
    site = FakeSite(setting())
    made = Outbox(site)
    await made.begin(Found(None, {}, (), "one", 5, {}))
    running = asyncio.create_task(made.run())
    await asyncio.sleep(0.05)
    made.written(made.number([report(6)]))
    await until(lambda: made.kept == 6)
    assert not running.done()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert numbers(site) == [6]


async def test_nothing_is_forgotten_before_the_log_has_it_for_good() -> None:
    """A full disk: the log takes Reports into its memory; when it writes them the ledger may let go."""
    site = FakeSite(setting())
    site.is_full = True
    made = await live(site, Found(None, {}, (), "one", 0, {}), report(1))
    assert (numbers(site), made.kept) == ([1], 0)
    site.is_full = False
    made = await live(site, Found(None, {}, (), "one", 1, {1: report(1)}))
    assert (numbers(site), made.kept) == ([1], 1)


async def test_a_long_backlog_goes_in_pieces_and_in_order() -> None:
    """No transaction of the log is longer than its limit."""
    site = FakeSite(setting())
    many = {n: report(n) for n in range(1, 2 * outbox.AT_A_TIME + 2)}
    await live(site, Found(None, {}, (), "one", len(many), many))
    assert numbers(site) == list(many)
