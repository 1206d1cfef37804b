"""The way between a real site and a real broker is cut: the site decides alone, and both agree when it is back."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from shared.domain.inputs import What
from shared.wire.events import decode_event
from shared.wire.live import LiveAlarm, LiveAnswer, LiveOutput
from shared.wire.orders import CommandOrder, OutputLease
from tests.e2e.depot import Depot
from tests.e2e.foreign import Site, wait_for
from tests.fleet.joined import SITE, Fleet, all_up, joined
from tests.testkit.fleet import KafkaBroker
from tests.testkit.ports import free_port
from tests.testkit.proxy import FaultProxy

FAN = "depot/r1/io1-do0"
PLACE = "depot/r1/gas1-h2"
PREALARM, ALARM = (f"{PLACE}/{rule}" for rule in ("h2_prealarm", "h2_alarm"))


@dataclass
class Cut:
    """A joined site behind a proxy that can be cut; the test itself reaches the broker past it."""

    proxy: FaultProxy
    fleet: Fleet
    depot: Depot
    site: Site

    def answers(self) -> dict[str, LiveAnswer]:
        return {answer.id: answer for live in self.fleet.live() for answer in live.answers}

    def picture(self) -> tuple[dict[str, LiveAlarm], dict[str, LiveOutput]]:
        """Alarms and outputs, as a reader of the live lane puts them together."""
        alarms: dict[str, LiveAlarm] = {}
        outputs: dict[str, LiveOutput] = {}
        for live in self.fleet.live():
            if live.anew:
                alarms, outputs = {}, {}
            alarms |= {each.id: each for each in live.alarms}
            outputs |= {each.id: each for each in live.outputs}
            for name in live.alarms_gone:
                alarms.pop(name, None)
        return alarms, outputs

    def causes(self, output: str) -> set[str]:
        """By what the centre has ever seen it on: a lease may be over before anybody looks."""
        return {cause for live in self.fleet.live() for each in live.outputs if each.id == output for cause in each.by}


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cut]:
    """One broker and one site for all tests here: the broker has a way for the site and another for operators."""
    folder = tmp_path_factory.mktemp("cut")
    with FaultProxy("127.0.0.1", 0) as unused:
        way = unused.port
    broker = KafkaBroker(folder / "kafka")
    port, operators, controller = broker.plan.port, free_port(), broker.plan.controller_port
    clients = f"CLIENTS://127.0.0.1:{operators}"
    settings = {
        "listeners": f"SITE://127.0.0.1:{port},{clients},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"SITE://127.0.0.1:{way},{clients}",
        "listener.security.protocol.map": "SITE:PLAINTEXT,CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }
    broker.plan = replace(broker.plan, more={**broker.plan.more, **settings})
    with FaultProxy("127.0.0.1", port, port=way) as proxy, broker:
        fleet = Fleet(f"127.0.0.1:{operators}")
        fleet.make()
        (folder / "site").mkdir()
        with joined(folder / "site", fleet, f"127.0.0.1:{way}") as (depot, site):
            yield Cut(proxy, fleet, depot, site)


def now_ms() -> int:
    return int(time.time() * 1000)


def ack(name: str, subject: str, severity_seen: int, ttl_ms: int = 600_000) -> CommandOrder:
    return CommandOrder(
        id=name, site=SITE, sent_at_ms=now_ms(), ttl_ms=ttl_ms, what=What.ACK, subject=subject, actor="anna",
        reason="seen", severity_seen=severity_seen,
    )  # fmt: skip


def lease(number: int, on_ms: int) -> OutputLease:
    return OutputLease(
        id=f"lease{number}", site=SITE, sent_at_ms=now_ms(), ttl_ms=600_000, output=FAN, epoch=1, number=number,
        on_ms=on_ms, reason="drill", actor="anna",
    )  # fmt: skip


def test_the_centre_holds_a_fan_on_for_its_time(cut: Cut) -> None:
    """The coil is written, the centre sees why, it ends by itself; the same number again is refused with the last."""
    wait_for("a quiet fan", lambda: cut.depot.fan() == 0)
    cut.fleet.order(lease(5, 10_000))
    wait_for("the fan", lambda: cut.depot.fan() == 1)
    wait_for("its cause at the centre", lambda: "central_lease centre:anna" in cut.causes(FAN))
    cut.fleet.order(lease(4, 600_000))
    wait_for("the refusal", lambda: "lease4" in cut.answers())
    wait_for("the end of the lease", lambda: cut.depot.fan() == 0)
    wait_for("the answer", lambda: "lease5" in cut.answers())
    found = cut.answers()
    assert found["lease5"].accepted
    assert (found["lease4"].accepted, found["lease4"].reason) == (False, "stale-lease")
    wait_for("the centre to see its end", lambda: cut.picture()[1][FAN].demand == "off")


def test_an_ack_in_a_cut_meets_what_has_become_of_the_alarm(cut: Cut) -> None:
    """An operator acks what was a warning at the gas head; the site has decided alone and is critical. The answer has
    the present severity, what was over before the link was back is never done, and then both agree."""
    cut.depot.h2(15)
    wait_for("the pre-alarm at the centre", lambda: cut.picture()[0].get(PREALARM))
    assert cut.picture()[0][PREALARM].severity == "warning"
    cut.proxy.cut()
    assert cut.site.command("ack", PREALARM, "--reason", "on site").returncode == 0
    cut.depot.h2(25)
    wait_for("2 % in the cut", lambda: cut.site.alarms().get("h2_alarm"))
    cut.fleet.order(ack("in-the-cut", PLACE, 1))
    cut.fleet.order(ack("too-late", ALARM, 3, ttl_ms=1))
    assert (ALARM not in cut.picture()[0], cut.answers().keys() & {"in-the-cut", "too-late"}) == (True, set())
    cut.proxy.mend()
    cut.proxy.reset()
    wait_for("the answer", lambda: "in-the-cut" in cut.answers())
    answer = cut.answers()["in-the-cut"]
    assert (answer.accepted, answer.reason, answer.severity) == (False, "severity-rose", "critical")
    assert answer.occurrence == cut.site.alarms()["h2_alarm"]["occurrence"]
    cut.fleet.order(ack("seen-now", ALARM, 3))
    wait_for("the ack", lambda: "seen-now" in cut.answers())
    _agree(cut)
    assert "too-late" not in cut.answers()
    events = [decode_event(event.data) for event in all_up(cut.site, cut.fleet).events.values()]
    acked = [
        (event.subject, event.actor.partition(":")[0]) for event in events if event.type == "ampward.alarm.acked.v1"
    ]
    assert acked == [(PREALARM, "cli"), (ALARM, "centre")]
    rejected = [
        event.severity for event in events if event.type == "ampward.input.rejected.v1" and event.subject == PLACE
    ]
    assert rejected == ["critical"]


def _agree(cut: Cut) -> None:
    """What the centre sees of each alarm is what the site says."""

    def same() -> bool:
        ours = {name: (each.state, each.severity) for name, each in cut.picture()[0].items()}
        theirs = {each["id"]: (each["state"], each["severity"]) for each in cut.site.alarms().values()}
        return ours == theirs and ours[ALARM] == ("C", "critical")

    wait_for("both to agree", same)
