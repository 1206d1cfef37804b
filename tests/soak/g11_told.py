"""G11 (and G10 for messages): nobody is missed, nobody is told twice, whatever servers and kills do.

A run is a site's notifier in a process of its own over a seeded story of alarms: acked, returned, some critical. The
mail server puts off, refuses one person, drips, hangs and drops the line before and after the final dot; the webhook's
receiver answers 500 for ten minutes of the run's time, asks for patience, hangs, drips and drops the line. Meanwhile
the process is killed again and again: at labelled steps of its ledger, and anywhere. At the end everyone has been told
of everything; every second copy has the mark `repeat` and a reason: a line that broke before its answer, or a kill.
"""

import random
import time

from services.notifier.ledger_port import LABELS
from tests.soak.outcome import Outcome
from tests.soak.telling import ANNA, BEN, CARL, Telling
from tests.testkit.http_sink import Answer
from tests.testkit.process import wait_for
from tests.testkit.smtp_server import Manner

SCALE = 60
ALARMS = 20
KILLS = 4
STEP_S = 0.12
"""Real time between two events of the story."""
OUTAGE_MS = 600_000
"""Of the webhook's receiver: ten minutes of 500."""
LIFE_S = 4.0
"""A process that has not reached its label by then is killed where it is."""
REFUSED = frozenset({"carl/email"})
_RCPT = {"carl@example.org": "550 5.1.1 no such user"}


def run(count: int, seed: int) -> Outcome:
    """``count`` stories."""
    outcome = Outcome()
    for each in range(seed, seed + count):
        _story(each, outcome)
        outcome.runs += 1
    return outcome


def _story(seed: int, outcome: Outcome) -> None:
    draw = random.Random(seed)
    with Telling(scale=SCALE, people=(ANNA, BEN, CARL), timeout_s=1.0) as telling:
        _misbehave(telling, draw)
        telling.begin()
        telling.kill()
        for kill in range(KILLS):
            telling.start(f"{draw.choice(LABELS)}:{draw.randrange(1, 12)}" if kill % 2 else "")
            _tell(telling, draw, ALARMS // KILLS)
            _live(telling, draw.uniform(0.3, 2.0) if kill % 2 == 0 else LIFE_S)
            telling.kill()
        telling.start()
        _tell(telling, draw, ALARMS % KILLS)
        telling.ack_all()
        telling.smtp.plan = lambda _number: Manner(rcpt=_RCPT)
        telling.sink.plan = lambda _number: Answer()
        telling.settled()
        telling.stop()
        account = telling.account(refused=REFUSED)
        outcome.lost += len(account.missed)
        outcome.doubled += len(account.doubled)
        found = account.all + _idle(telling)
        outcome.faults += [f"seed {seed}: {fault}" for fault in found[:5]]


def _live(telling: Telling, seconds: float) -> None:
    """Until it has died at its label, or for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not telling.died_by_itself():
        time.sleep(0.02)


def _tell(telling: Telling, draw: random.Random, count: int) -> None:
    """So many alarms, each at a point of its own; some are acked or return."""
    for _ in range(count):
        number = telling.world.seq
        rule, severity = draw.choice((("h2_alarm", "critical"), ("h2_prealarm", "warning"), ("fan_fail", "alarm")))
        alarm = f"r1/p{number}/{rule}"
        telling.put("raised", alarm, severity, value="2.1")
        time.sleep(STEP_S)
        for what in draw.choice(((), ("acked",), ("returned",), ("acked", "returned"))):
            telling.put(what, alarm, severity)
            time.sleep(STEP_S)


def _misbehave(telling: Telling, draw: random.Random) -> None:
    """Both servers draw how they treat each connection; the receiver of the webhook is down for ten minutes first."""
    mails, hooks = random.Random(draw.random()), random.Random(draw.random())

    def mail(_number: int) -> Manner:
        return mails.choice((
            Manner(rcpt=_RCPT), Manner(rcpt=_RCPT), Manner(rcpt=_RCPT), Manner(rcpt=_RCPT),
            Manner(rcpt={**_RCPT, "*": "451 4.7.1 greylisted"}), Manner(greeting="421 4.3.2 busy"),
            Manner(rcpt=_RCPT, dot="452 4.3.1 disk full"), Manner(rcpt=_RCPT, drop_at="dot"),
            Manner(rcpt=_RCPT, drop_at=mails.choice(("greeting", "mail", "data"))), Manner(drip_s=0.05),
            Manner(rcpt=_RCPT, hang_at=mails.choice(("greeting", "rcpt", "dot"))), Manner(mail="550 5.7.1 not you"),
        ))  # fmt: skip

    def hook(_number: int) -> Answer:
        if telling.clock.monotonic_ms() < OUTAGE_MS:
            return Answer(status=500)
        return hooks.choice((
            Answer(), Answer(), Answer(), Answer(status=200, body=b"ok"), Answer(status=503),
            Answer(status=429, headers={"Retry-After": "20"}), Answer(drop_at="answer"), Answer(drop_at="head"),
            Answer(hang_at=hooks.choice(("head", "answer"))), Answer(drip_s=0.05), Answer(status=302),
        ))  # fmt: skip

    telling.smtp.plan, telling.sink.plan = mail, hook


def _idle(telling: Telling) -> list[str]:
    """Starting again over a log that was told says nothing to anybody: what is replayed is not sent."""
    before = (telling.smtp.connections, telling.sink.connections)
    telling.start()
    wait_for(telling.is_running, within_s=60, name="the notifier runs")
    time.sleep(0.5)
    telling.stop()
    after = (telling.smtp.connections, telling.sink.connections)
    return [] if after == before else [f"a start with nothing to tell made connections: {before}, {after}"]
