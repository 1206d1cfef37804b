"""What the supervision makes of signs and silence, without a server: time is a number here."""

from services.fleet.supervise_plan import (
    Ending,
    Watched,
    block_differs,
    certificate_expiring,
    compile_fleet,
    delivery_failing,
    ending,
    link_lost,
    service_lost,
    site_lost,
)
from services.fleet.supervise_watch import Limits, Watch
from shared.domain.inputs import ReportKind
from shared.wire.batches import EventsBatch, Verdict
from shared.wire.deliveries import Delivery, Outcome
from shared.wire.live import Live
from shared.wire.registrations import Registration
from shared.wire.signs import Expiry, Sign

LIMITS = Limits(site_ms=30_000, link_ms=45_000, service_ms=45_000)
WALL_MS = 1_767_225_600_000
DAY_MS = 86_400_000


def live(sent_at_ms: int, *, acked_seq: int = 1, backlog_ms: int = 0, log_id: str = "l1") -> Live:
    return Live(site="a", log_id=log_id, site_seq=5, sent_at_ms=sent_at_ms, acked_seq=acked_seq, backlog_ms=backlog_ms)


def watch(*services: str) -> Watch:
    """Begun at 0, one site registered."""
    made = Watch(LIMITS, services, 0)
    made.register(Registration("a", 0, ("0" * 64,), certificate_ends_at_ms=WALL_MS + 31 * DAY_MS), 0)
    return made


def sign(service: str, replica: str, *expires: Expiry, ended: bool = False) -> Sign:
    return Sign(service=service, replica=replica, sent_at_ms=0, ended=ended, expires=expires)


def test_a_site_is_lost_after_its_time_and_not_before() -> None:
    """Before it was heard of nothing is known; one that never comes is lost too."""
    made = watch()
    assert made.facts(30_000, WALL_MS)[site_lost("a")] is None
    assert made.facts(30_001, WALL_MS)[site_lost("a")] is True
    made.live(live(1), 40_000)
    assert made.facts(70_000, WALL_MS)[site_lost("a")] is False
    assert made.facts(70_001, WALL_MS)[site_lost("a")] is True


def test_while_the_centre_starts_what_was_never_heard_is_not_told_as_lost() -> None:
    """Two minutes of grace from the supervisor's own start; what was heard since then has none, and nothing after."""
    made = Watch(LIMITS, ("gateway",), 0, is_start=True)
    for site in ("a", "b"):
        made.register(Registration(site, 0, ("0" * 64,)), 0)
    made.live(live(1), 5_000)
    found = made.facts(100_000, WALL_MS)
    assert (found[site_lost("a")], found[site_lost("b")], found[service_lost("gateway")]) == (True, None, None)
    assert made.facts(119_999, WALL_MS)[site_lost("b")] is None
    found = made.facts(120_000, WALL_MS)
    assert (found[site_lost("b")], found[service_lost("gateway")]) == (True, True)


def test_a_record_that_is_sent_again_does_not_keep_a_site_alive() -> None:
    """Somebody kept a signed one of before; of a log that began anew what is behind in number and time is old too."""
    made = watch()
    made.live(live(7), 1000)
    made.live(live(7), 20_000)
    made.live(live(6, log_id="l0"), 20_000)
    assert made.facts(31_001, WALL_MS)[site_lost("a")] is True
    made.live(live(8, log_id="l2"), 31_500)
    assert made.facts(32_000, WALL_MS)[site_lost("a")] is False


def test_what_was_said_before_the_watch_began_says_nothing() -> None:
    """A supervisor that takes over reads some minutes back: no alarm ends or begins by that."""
    made = Watch(LIMITS, (), 100_000)
    made.register(Registration("a", 0, ("0" * 64,)), 100_000)
    made.live(live(1), 20_000)
    made.sign(sign("notifier", "n1"), 20_000)
    found = made.facts(100_500, WALL_MS)
    assert {found[site_lost("a")], found[link_lost("a")], found[service_lost("notifier")]} == {None}
    assert made.facts(130_001, WALL_MS)[site_lost("a")] is True


def test_a_link_is_lost_when_a_backlog_grows_old_and_nothing_of_it_moves() -> None:
    """One that is being drained is none, however old it is."""
    made = watch()
    made.live(live(1, backlog_ms=DAY_MS, acked_seq=10), 1000)
    made.live(live(2, backlog_ms=DAY_MS, acked_seq=20), 40_000)
    assert made.facts(85_000, WALL_MS)[link_lost("a")] is False
    assert made.facts(85_001, WALL_MS)[link_lost("a")] is True
    made.live(live(3, backlog_ms=20, acked_seq=20), 86_000)
    assert made.facts(200_000, WALL_MS)[link_lost("a")] is False


def test_a_service_is_lost_with_its_last_replica() -> None:
    """A clean stop has the time of a restart; one that was never said to be there is watched from its first sign."""
    made = watch("gateway")
    assert made.facts(45_000, WALL_MS)[service_lost("gateway")] is None
    assert made.facts(45_001, WALL_MS)[service_lost("gateway")] is True
    made.sign(sign("notifier", "n1"), 0)
    made.sign(sign("notifier", "n2"), 20_000)
    assert made.facts(65_000, WALL_MS)[service_lost("notifier")] is False
    made.sign(sign("notifier", "n2", ended=True), 60_000)
    made.sign(sign("notifier", "n1", ended=True), 61_000)
    assert made.facts(106_000, WALL_MS)[service_lost("notifier")] is None
    assert made.facts(106_001, WALL_MS)[service_lost("notifier")] is True


def test_ends_are_told_thirty_days_ahead() -> None:
    """Of a site's certificate by its registration, of a token by the service that holds it."""
    made = watch()
    made.sign(sign("gateway", "g1", Expiry("token", "anna", WALL_MS + 30 * DAY_MS)), 0)
    token = ending(Ending(ReportKind.TOKEN_EXPIRING, "anna"))
    assert made.facts(0, WALL_MS - 1)[token] is False
    found = made.facts(0, WALL_MS)
    assert (found[token], found[certificate_expiring("a")]) == (True, False)
    assert made.facts(0, WALL_MS + DAY_MS)[certificate_expiring("a")] is True


def message(outcome: Outcome, reason: str = "", *, site: str = "a", channel: str = "mail") -> Delivery:
    return Delivery(
        id="m1", site=site, thread="o1", channel=channel, person="anna", outcome=outcome, attempt=1, repeat=False,
        reason=reason, at_ms=0, sender="notifier",
    )  # fmt: skip


def test_a_channel_fails_when_a_message_does_not_get_out_by_it() -> None:
    """Two minutes after its first failure, until one gets out to the same person; other channels are others."""
    made = watch()
    made.delivery(message(Outcome.SENT, channel="sms"), 0, is_new=True)
    made.delivery(message(Outcome.FAILED, "no route"), 1000, is_new=True)
    made.delivery(message(Outcome.FAILED, "timed out"), 100_000, is_new=True)
    assert made.facts(121_000, WALL_MS)[delivery_failing("mail")] is False
    found = made.facts(121_001, WALL_MS)
    assert (found[delivery_failing("mail")], found[delivery_failing("sms")]) == (True, False)
    assert made.watched().channels == {"mail", "sms"}
    made.delivery(message(Outcome.SENT), 130_000, is_new=True)
    assert made.facts(300_000, WALL_MS)[delivery_failing("mail")] is False
    assert (made.moments(), made.undelivered()) == ([], [])


def test_a_channel_no_longer_fails_by_somebody_who_was_taken_out() -> None:
    """Whose message waits is tried at least once an hour: who is not tried any more is waited for no longer."""
    made = watch()
    made.delivery(message(Outcome.FAILED, "no route"), 0, is_new=True)
    made.delivery(message(Outcome.FAILED, "no route"), 3_600_000, is_new=True)
    assert made.facts(10_800_000, WALL_MS)[delivery_failing("mail")] is True
    assert made.facts(10_800_001, WALL_MS)[delivery_failing("mail")] is False


def test_a_refused_message_is_told_once_and_never_as_an_alarm_about_an_alarm_of_ours() -> None:
    """What an earlier term has told is not told again; a channel of no id is nobody's."""
    made = watch()
    refused = message(Outcome.FAILED, "refused: no such mailbox")
    made.delivery(refused, 0, is_new=False)
    made.delivery(message(Outcome.FAILED, "refused", channel="No/Id"), 0, is_new=True)
    assert (made.moments(), made.undelivered()) == ([], [])
    made.delivery(refused, 0, is_new=True)
    assert (made.moments(), made.undelivered()) == ([delivery_failing("mail")], [refused])
    own = message(Outcome.FAILED, "refused", site="_fleet")
    made.delivery(own, 0, is_new=True)
    assert (made.moments(), made.undelivered()) == ([], [own])
    assert made.facts(DAY_MS, WALL_MS)[delivery_failing("mail")] is False


def test_a_different_block_is_told_once_and_an_ended_site_is_watched_no_more() -> None:
    """What is of a site that nobody registered says nothing."""
    made = watch()
    for site in ("a", "b"):
        made.batch(EventsBatch(site, "l", 1, 1, 2, Verdict.DIFFERENT, 1, 0, "0" * 64, ()), 10)
    assert (made.moments(), made.moments()) == ([block_differs("a")], [])
    made.register(Registration("a", 0, (), ended=True), 20)
    assert made.watched() == Watched()
    assert made.facts(99_000, WALL_MS) == {}


def test_what_belongs_to_a_lost_site_is_suppressed_by_it_alone() -> None:
    """The plan: one room a site; what shows a fault of the program is hidden by nothing."""
    plan = compile_fleet(Watched(frozenset({"b", "a"}), frozenset({"gateway"})))
    assert [str(room.id) for room in plan.rooms] == ["a", "b", "_site"]
    hidden = {alarm.rule: alarm.suppressed_by for alarm in plan.rooms[0].alarms}
    assert hidden == {
        "site_lost": (),
        "link_lost": (0,),
        "ruleset_drift": (0,),
        "certificate_expiring": (0,),
        "block_differs": (),
        "poison": (),
    }
