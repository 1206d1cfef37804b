"""The link to guard: nothing twice, nothing acknowledged by itself, no end to trying."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.site.guard_link import GuardLink, Source
from shared.devices.frame import Frame
from shared.domain.inputs import Report, ReportKind
from shared.wire.guardlink import Ack, Hello, Join, LeaseSent, Outputs, OutputSeen, PlanSent, Refused, ReportSent
from tests.services.site.fake_guard import FakeGuard, frame
from tests.testkit.process import wait_for


class Owner:
    """Notes what the link hands on."""

    def __init__(self) -> None:
        self.taken: list[tuple[Frame | Report, Source]] = []
        self.hellos: list[Hello] = []
        self.safe = ("", 0)

    def held(self, guard_boot: str) -> int:
        return self.safe[1] if self.safe[0] == guard_boot else 0

    def take(self, body: Frame | Report, source: Source) -> None:
        self.taken.append((body, source))

    def joined(self, hello: Hello) -> None:
        self.hellos.append(hello)


class Pair:
    def __init__(self, data: Path) -> None:
        self.data = data
        self.owner = Owner()
        self.guard = FakeGuard(data)
        self.link = GuardLink(data, self.owner, lambda: time.monotonic_ns() // 1_000_000)

    def close(self) -> None:
        self.link.end()
        self.guard.close()
        self.link.join(5)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    yield made
    made.close()


def numbers(pair: Pair) -> list[int]:
    return [source.n for _, source in pair.owner.taken]


def test_frames_and_reports_are_handed_on_in_order(pair: Pair) -> None:
    """With guard's number and boot, so that the log can say how far it holds them."""
    pair.link.start()
    assert pair.guard.accept() == Join("site", 0)
    pair.guard.send_frame(1, frame(1))
    pair.guard.say(ReportSent(2, ReportKind.WRITE, "s/r1/io1-do0", on=True, pulse=True, detail="ok"))
    wait_for(lambda: len(pair.owner.taken) == 2, within_s=60)
    assert pair.owner.taken[0] == (frame(1), Source("boot-1", 1, 995))
    assert pair.owner.taken[1][0] == Report(ReportKind.WRITE, "s/r1/io1-do0", on=True, pulse=True, detail="ok")


def test_what_the_log_holds_is_asked_for_from_there_on(pair: Pair) -> None:
    """join names the last n of this boot of guard; of another boot it names none."""
    pair.owner.safe = ("boot-1", 41)
    pair.link.start()
    assert pair.guard.accept() == Join("site", 41)
    pair.guard.hang_up()
    pair.guard.boot = "boot-2"
    assert pair.guard.accept() == Join("site", 0)


def test_what_comes_again_after_a_break_is_not_handed_on_twice(pair: Pair) -> None:
    """guard sends again what was not acked: the log must not see it twice."""
    pair.link.start()
    pair.guard.accept()
    for n in (1, 2, 3):
        pair.guard.send_frame(n, frame(n))
    wait_for(lambda: len(pair.owner.taken) == 3, within_s=60)
    pair.guard.hang_up()
    pair.guard.accept()
    for n in (1, 2, 3, 4):
        pair.guard.send_frame(n, frame(n))
    wait_for(lambda: 4 in numbers(pair), within_s=60)
    assert numbers(pair) == [1, 2, 3, 4]


def test_a_new_guard_counts_from_one_again(pair: Pair) -> None:
    """Another boot is another count: its n 1 is news."""
    pair.link.start()
    pair.guard.accept()
    pair.guard.send_frame(5, frame(5))
    wait_for(lambda: len(pair.owner.taken) == 1, within_s=60)
    pair.guard.hang_up()
    pair.guard.boot = "boot-2"
    pair.guard.accept()
    pair.guard.send_frame(1, frame(1))
    wait_for(lambda: len(pair.owner.taken) == 2, within_s=60)
    assert pair.owner.taken[1][1][:2] == ("boot-2", 1)


def test_nothing_is_acknowledged_unasked(pair: Pair) -> None:
    """An ack is the log's word, given after its commit."""
    pair.link.start()
    pair.guard.accept()
    pair.guard.send_frame(1, frame(1))
    wait_for(lambda: len(pair.owner.taken) == 1, within_s=60)
    assert not any(isinstance(message, Ack) for message in pair.guard.heard)
    pair.link.ack(1)
    assert pair.guard.hear(Ack) == Ack(1)


def test_leases_are_numbered_above_the_last_that_guard_took(pair: Pair) -> None:
    """hello says 7: a site process that begins anew must not be refused as an old one."""
    pair.link.start()
    pair.guard.accept()
    wait_for(lambda: bool(pair.owner.hellos), within_s=60)
    pair.link.lease({"s/r1/io1-do0": True})
    lease = pair.guard.hear(LeaseSent)
    assert (lease.number, lease.ttl_ms, lease.demands) == (8, 5000, {"s/r1/io1-do0": True})
    assert lease.sent_ms > 0


def test_noise_ends_the_connection_and_a_new_one_is_made(pair: Pair) -> None:
    """Bytes that are not the protocol are never guessed at."""
    pair.link.start()
    pair.guard.accept()
    pair.guard.line.sendall(b"\xff" * 64)
    assert pair.guard.accept().role == "site"


def test_what_guard_says_of_its_outputs_is_kept(pair: Pair) -> None:
    """Readiness and armed are guard's to say."""
    pair.link.start()
    pair.guard.accept()
    seen = OutputSeen(
        "s/r1/io1-do0", wanted=True, by=("trip",), coil="on", proof="proven", armed=False, armed_reason="no record",
        supervision="watchdog",
    )  # fmt: skip
    pair.guard.say(Outputs((seen,), ready=True, not_ready=(), loop_age_ms=10, kept=3, dropped=0, plan="plan"))
    wait_for(lambda: bool(pair.link.state.outputs), within_s=60)
    assert pair.link.state.outputs["s/r1/io1-do0"] == seen
    assert pair.link.state.ready
    pair.guard.hang_up()
    wait_for(lambda: not pair.link.state.connected, within_s=60)
    assert not pair.link.state.ready


def test_a_refused_plan_is_known_with_its_reason(pair: Pair) -> None:
    """The reload needs it to keep the old configuration."""
    pair.link.start()
    pair.guard.accept()
    wait_for(lambda: bool(pair.owner.hellos), within_s=60)
    assert pair.link.plan("abc", b"{}")
    pair.guard.hear(PlanSent)
    pair.guard.say(Refused("plan", "the outputs are held by pid 7"))
    wait_for(lambda: pair.link.state.refusal != "", within_s=60)
    assert pair.link.state.refusal == "the outputs are held by pid 7"


def test_without_guard_nothing_can_be_told(tmp_path: Path) -> None:
    """send says so; nobody waits."""
    link = GuardLink(tmp_path, Owner(), lambda: 0)
    assert not link.plan("abc", b"{}")
    link.ack(1)
    link.lease({})
    assert not link.state.connected
