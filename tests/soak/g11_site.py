"""G6, G10, G11 for the whole site: from gas at a device to people, over kills of the site process and bad servers.

A run is `ampward run` with two devices, a mail server and a webhook's receiver. Gas rises over 2 % and falls again; the
first alarms find polite servers and measure the way (event to first attempt), the others meet servers that put off and
break lines, and the site process is killed between and while it is at it. At the end every 2 % alarm that the log knows
has reached everybody in line, as the log's own stream tells it, and every second copy has its mark and its reason.
"""

import random
import tempfile
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

from services.notifier.ledger_port import OPEN
from tests.e2e.depot import Depot, events, kill, open_depot, site_pid
from tests.e2e.foreign import Site, running, wait_for
from tests.soak.account import Account, copies_of, judge_bodies, judge_copies, judge_events, read_messages, read_states
from tests.soak.limits import limit
from tests.soak.outcome import Outcome
from tests.testkit.http_sink import Answer, HttpSink
from tests.testkit.smtp_server import Manner, SmtpServer

LIMIT_S = 5.0
POLITE = 3
"""Alarms before anything misbehaves."""
KILLS = 3
SETTLED_S = 240.0
LANES = ("anna/email", "anna/webhook", "ben/email", "ben/webhook")
REFUSED = ("ben/email",)
_RCPT = {"ben@example.org": "550 5.1.1 no such user"}
PEOPLE = """
people:
  anna: {{email: anna@example.org, language: de}}
  ben: {{email: ben@example.org}}
notify:
  - {{match: {{severity: critical}}, to: [anna, ben], by: [email, webhook]}}
channels:
  email: {{host: 127.0.0.1, port: {smtp}, tls: none, from: box@example.org}}
  webhook: {{url: "http://127.0.0.1:{http}/hook", allow: [127.0.0.0/8]}}
"""


def run(count: int, seed: int) -> Outcome:
    """``count`` sites."""
    outcome = Outcome()
    for each in range(seed, seed + count):
        with (
            tempfile.TemporaryDirectory(prefix="ampward-g11-") as name,
            SmtpServer() as smtp,
            HttpSink() as sink,
            open_depot(Path(name)) as depot,
        ):
            depot.write(more=PEOPLE.format(smtp=smtp.port, http=sink.port))
            with running(depot.site_file, depot.data) as site:
                account = _lived(depot, site, smtp, sink, random.Random(each))
        outcome.lost += len(account.missed)
        outcome.doubled += len(account.doubled)
        outcome.faults += [f"seed {each}: {fault}" for fault in account.all[:5]]
        outcome.runs += 1
    return outcome


def _lived(depot: Depot, site: Site, smtp: SmtpServer, sink: HttpSink, draw: random.Random) -> Account:
    under_way: Counter[str] = Counter()
    depot.settle()
    smtp.manner = Manner(rcpt=_RCPT)
    for _ in range(POLITE):
        _raise(depot, site)
    found = Account()
    _judge_waits(site, smtp, sink, found)
    smtp.plan = lambda _number: _bad_mail(draw)
    sink.plan = lambda _number: _bad_answer(draw)
    for _ in range(KILLS):
        _raise(depot, site)
        depot.h2(25)
        time.sleep(draw.uniform(0.2, 2.0))
        _kill(depot, site, under_way)
        _fall(depot, site)
    smtp.plan, sink.plan = None, None
    raised = _raised(site)
    wait_for(
        "every alarm in a message and every message settled", lambda: _is_settled(depot, raised), seconds=SETTLED_S
    )
    copies, messages = copies_of(smtp.mails, sink.requests), read_messages(depot.data)
    judge_copies(copies, messages, under_way, found)
    judge_events(list(_raised(site)), LANES, REFUSED, (copies, messages), found)
    judge_bodies(smtp.mails, sink.requests, messages, "", found)
    return found


def _kill(depot: Depot, site: Site, under_way: Counter[str]) -> None:
    """kill -9 of the site process; what its ledger had under way, and another process afterwards."""
    pid = site_pid(site)
    kill(pid)
    under_way.update(ident for ident, state in read_states(depot.data) if state == "sending")
    wait_for("another site process", lambda: site_pid(site) != pid)


def _raise(depot: Depot, site: Site) -> None:
    """Gas over 2 % until the log has it, then below again."""
    before = len(_raised(site))
    depot.h2(25)
    wait_for("the alarm", lambda: len(_raised(site)) > before)
    _fall(depot, site)


def _fall(depot: Depot, site: Site) -> None:
    """Gas low until the alarm's condition has ended: what rises again before that is the same alarm."""
    depot.h2(1)
    wait_for("its end", lambda: site.alarms()["h2_alarm"]["condition"] != "true")


def _raised(site: Site) -> dict[str, float]:
    """Id and time of each 2 % alarm that the log knows."""
    return {
        one["id"]: datetime.fromisoformat(one["time"]).timestamp()
        for one in events(site)
        if one["type"] == "ampward.alarm.raised.v1" and one["data"]["rule"] == "h2_alarm"
    }


def _judge_waits(site: Site, smtp: SmtpServer, sink: HttpSink, found: Account) -> None:
    """From the event's stamp to the first arrival anywhere."""
    raised = _raised(site)
    wait_for(
        "the polite ones are told", lambda: len(smtp.mails) >= len(raised) and len(sink.requests) >= 2 * len(raised)
    )
    offset = time.time() - time.monotonic()
    messages = read_messages(site.data)
    for event, at in raised.items():
        about = {ident for ident, (message, _) in messages.items() if event in message.event_ids}
        waits = [copy.at + offset - at for copy in copies_of(smtp.mails, sink.requests) if copy.id in about]
        if not waits or min(waits) > limit(LIMIT_S):
            found.faults.append(f"{event}: first attempt after {min(waits, default=-1):.1f} s")


def _is_settled(depot: Depot, raised: dict[str, float]) -> bool:
    told = {event for message, _ in read_messages(depot.data).values() for event in message.event_ids}
    return raised.keys() <= told and not any(state in OPEN for _, state in read_states(depot.data))


def _bad_mail(draw: random.Random) -> Manner:
    return draw.choice((
        Manner(rcpt=_RCPT), Manner(rcpt=_RCPT), Manner(rcpt=_RCPT, drop_at="dot"), Manner(greeting="421 4.3.2 busy"),
        Manner(rcpt={**_RCPT, "*": "451 4.7.1 greylisted"}), Manner(rcpt=_RCPT, drop_at="mail"),
    ))  # fmt: skip


def _bad_answer(draw: random.Random) -> Answer:
    return draw.choice((Answer(), Answer(), Answer(drop_at="answer"), Answer(status=500), Answer(drop_at="head")))
