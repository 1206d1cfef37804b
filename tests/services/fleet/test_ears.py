"""What the supervision believes of what sites say, and what it sends by which key; without servers."""

from types import SimpleNamespace

import pytest

from services.fleet.supervise_read import BAD_SIGNATURE, Ears, Waiting
from services.fleet.supervise_tell import Who
from services.fleet.supervise_term import Renewed, Term
from services.fleet.supervise_watch import Limits, Watch
from shared.bus.registry import EVENTS, LIVE, SITES
from shared.domain.errors import WireError
from shared.domain.inputs import Report, ReportKind, What
from shared.log.kafka.access import Access
from shared.log.kafka.records import Place, Record, silent
from shared.runtime.clocks import SystemClock
from shared.wire.batches import EventsBatch, Verdict, encode_batch
from shared.wire.blocks import encode_block
from shared.wire.deliveries import Outcome
from shared.wire.events import encode_event
from shared.wire.live import Live, LiveAnswer, encode_live
from shared.wire.orders import CommandOrder
from shared.wire.registrations import Registration, encode_registration
from shared.wire.signing import SigningKey
from tests.services.fleet.test_watch import message
from tests.services.gateway.samples import event
from tests.services.processor.recorded import blocks_of, recorded

KEYS = {site: SigningKey(bytes([number]) * 32) for number, site in enumerate(("a", "b", "_fleet", "renewed"), 1)}


def ears() -> Ears:
    """With sites a and b and _fleet registered; _fleet has been renewed twice."""
    made = Ears(Access("127.0.0.1:1"), "", 1, Watch(Limits(), (), 0), SystemClock(), silent)
    for site in ("a", "b", "_fleet"):
        texts = tuple(KEYS[name].public.text() for name in ((site, "renewed") if site == "_fleet" else (site,)))
        hear(made, SITES.name, site, encode_registration(Registration(site, 0, texts)))
    return made


def hear(made: Ears, topic: str, key: str, value: bytes) -> None:
    made._take(topic, Record(Place(topic, 0), 0, key.encode(), value, (), 0), value)


def answered(site: str, ident: str, signer: str) -> bytes:
    answers = (LiveAnswer(ident, False, BAD_SIGNATURE, "not the centre's"),)  # noqa: FBT003
    return encode_live(Live(site=site, log_id="l", site_seq=1, sent_at_ms=1, answers=answers), KEYS[signer])


def test_a_site_answers_for_itself_alone() -> None:
    """What it says of another's command or file changes nothing, though it is signed and may be written."""
    made = ears()
    order = CommandOrder(id="c1", site="a", sent_at_ms=1, ttl_ms=1, what=What.ACK, subject="a/r1/x/y", actor="u:anna")
    made.waiting["c1"] = Waiting(order, 1)
    hear(made, LIVE.name, "b", answered("b", "c1", "b"))
    assert list(made.waiting) == ["c1"]
    assert [site for site, _, _ in made.turned_away] == ["b"]
    with pytest.raises(WireError, match="it is of a"):
        hear(made, LIVE.name, "b", answered("a", "c1", "b"))
    hear(made, LIVE.name, "a", answered("a", "c1", "a"))
    assert not made.waiting


def test_a_site_says_of_its_own_files_alone_what_became_of_them() -> None:
    """Else one could open the next wave of a push for another."""
    made = ears()
    for subject in ("b/_site/files/people.yaml", "a/_site/files/people.yaml"):
        told = event(1)._replace(
            site="a", rule=ReportKind.PUSHED_FILE.value, subject=subject, state="on", reason="ab by centre: taken"
        )
        batch = EventsBatch("a", "l", 1, 1, 1, Verdict.EQUAL, 1, 0, "a" * 64, (encode_event(told),))
        hear(made, EVENTS.name, "a", encode_batch(batch))
    assert [one.site for one in made.files] == ["a"]


async def test_what_an_earlier_term_signed_is_sent_after_any_number_of_renewals() -> None:
    """Its folder has two keys; the registration has all of them."""
    blocks = blocks_of(recorded(0), site="_fleet", seed=1)[:2]
    sent: list[int] = []

    class Log:
        async def unsent(self) -> list[bytes]:
            return [encode_block(block, KEYS["_fleet"]) for block in blocks]

        async def sent(self, last_seq: int) -> None:
            sent.append(last_seq)

    class Teller:
        async def events(self, _block: object) -> None:
            return

    term = object.__new__(Term)
    term.log, term._ears, term._teller = Log(), ears(), Teller()  # type: ignore[assignment]
    term._setting = SimpleNamespace(who=Who(SigningKey(bytes(32)), 0))  # type: ignore[assignment]
    await term._send_unsent()
    assert sent == [block.last_seq for block in blocks]


def test_who_has_no_broker_is_deaf() -> None:
    """And before the first record: a supervisor that holds the lease is not ready then."""
    made = ears()
    assert made.is_deaf
    for is_away in (True, False):
        made._reader = SimpleNamespace(standing=SimpleNamespace(is_away=is_away))  # type: ignore[assignment]
        assert made.is_deaf is is_away


async def test_a_new_key_is_gone_by_once_the_fleet_knows_it() -> None:
    """Until then whoever checks would refuse what it signs."""
    term, folder = object.__new__(Term), [Who(SigningKey(bytes(32)), 0)]
    term._ears = ears()
    term._setting = SimpleNamespace(who=Who(KEYS["_fleet"], 0), ask_who=lambda: folder[0])  # type: ignore[assignment]
    await term._look_at_key()
    folder[0] = Who(KEYS["renewed"], 0)
    with pytest.raises(Renewed):
        await term._look_at_key()


def test_a_message_that_was_refused_for_good_goes_into_the_log() -> None:
    """With what it was, to whom and why."""
    term = object.__new__(Term)
    term._ears, term._clock = ears(), SystemClock()
    term._watch = term._ears._watch
    term._watch.delivery(message(Outcome.FAILED, "refused: no such mailbox"), 0, is_new=True)
    [said] = term._undelivered()
    assert isinstance(said, Report)
    assert (said.kind, said.subject) == (ReportKind.UNDELIVERED, "_fleet/a/messages")
    assert said.detail.endswith("refused: no such mailbox")
