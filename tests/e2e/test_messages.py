"""People are told: a real site, real devices, a real SMTP server and a real HTTP sink."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.depot import Depot, events, kill, open_depot, site_pid
from tests.e2e.foreign import Site, ampward, running, wait_for
from tests.testkit.http_sink import POLITE, Answer, HttpSink
from tests.testkit.smtp_server import Mail, Manner, SmtpServer

PEOPLE = """
people:
  anna: {{email: anna@example.org, language: de}}
  ben: {{email: ben@example.org}}
notify:
  - {{to: anna, by: [email, webhook], escalate_after: 2s, escalate_to: ben}}
channels:
  email: {{host: 127.0.0.1, port: {smtp}, tls: none, from: box@example.org}}
  webhook: {{url: "http://127.0.0.1:{http}/hook", allow: [127.0.0.0/8]}}
"""


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    with SmtpServer() as made:
        yield made


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with HttpSink() as made:
        yield made


@pytest.fixture
def depot(tmp_path: Path, smtp: SmtpServer, sink: HttpSink) -> Iterator[Depot]:
    with open_depot(tmp_path) as made:
        made.write(more=PEOPLE.format(smtp=smtp.port, http=sink.port))
        yield made


def mails(smtp: SmtpServer, subject: str, to: str = "anna@example.org") -> list[Mail]:
    return [mail for mail in smtp.mails if mail.recipients == (to,) and subject in str(mail.message["Subject"])]


def plan(depot: Depot) -> Any:
    """Whom to tell, as it is in force."""
    return json.loads((depot.data / "site.json").read_text())["notify"]


def rule_sets(site: Site) -> int:
    return [one["type"] for one in events(site)].count("ampward.rules.changed.v1")


def deliveries(site: Site, what: str) -> list[dict[str, Any]]:
    return [one for one in events(site) if one["type"] == f"ampward.delivery.{what}.v1"]


def test_an_alarm_reaches_its_people_in_their_language_and_so_does_its_end(depot: Depot, smtp: SmtpServer,
                                                                           sink: HttpSink) -> None:  # fmt: skip
    """Gas over 2 %: a mail and a webhook at once, the next person when nobody acks, the end in the same thread."""
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        depot.h2(25)
        (first,) = wait_for("the mail", lambda: mails(smtp, "KRITISCH Wasserstoff 2 %"))
        assert "RAUM SOFORT VERLASSEN" in first.message.get_content()
        wait_for("the webhook", lambda: any(b"h2_alarm" in request.body for request in sink.requests))
        wait_for("the next person", lambda: mails(smtp, "CRITICAL", to="ben@example.org"))
        alarm = site.alarms()["h2_alarm"]
        assert site.command("ack", alarm["id"]).returncode == 0
        depot.h2(1)
        (end,) = wait_for("the end", lambda: mails(smtp, "VORBEI Wasserstoff 2 %"))
        assert str(first.message["Message-ID"]) in str(end.message["References"])
        wait_for("the record", lambda: len(deliveries(site, "sent")) >= 4)
        told = deliveries(site, "sent")[0]
        assert told["subject"].startswith("depot/_site/")
        assert told["data"]["actor"] == "anna"
    assert len(mails(smtp, "KRITISCH Wasserstoff 2 %")) == 1


def test_a_killed_site_process_doubles_nothing_that_was_settled(depot: Depot, smtp: SmtpServer) -> None:
    """kill -9 after the message has arrived: it is not sent again, and what follows is in its thread."""
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        depot.h2(25)
        wait_for("the mail", lambda: mails(smtp, "KRITISCH"))
        wait_for("its record", lambda: deliveries(site, "sent"))
        first = site_pid(site)
        kill(first)
        wait_for("another site process", lambda: site_pid(site) != first)
        wait_for("the alarm after the return", lambda: site.alarms().get("h2_alarm"))
        depot.h2(1)
        wait_for("another mail about it", lambda: len([one for one in smtp.mails if b"h2_alarm" in one.content]) > 1,
                 seconds=100)  # fmt: skip
        assert len(mails(smtp, "KRITISCH")) == 1
    ids = smtp.ids()
    assert len(set(ids)) == len(ids)


def test_a_channel_that_fails_is_an_alarm_that_goes_by_another_one(depot: Depot, smtp: SmtpServer,
                                                                   sink: HttpSink) -> None:  # fmt: skip
    """The mail server is in trouble: the webhook tells of it; when it works again everything arrives, nothing twice."""
    smtp.manner = Manner(greeting="421 4.3.2 busy")
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        depot.h2(25)
        wait_for("the alarm about e-mail", lambda: site.alarms().get("delivery_failing"), seconds=60)
        wait_for("its webhook", lambda: any(b"delivery_failing" in request.body for request in sink.requests))
        smtp.manner = Manner()
        wait_for("the mail", lambda: mails(smtp, "KRITISCH"), seconds=60)
        wait_for("its end", lambda: site.alarms().get("delivery_failing", {}).get("condition") != "true")
    assert len(set(smtp.ids())) == len(smtp.ids())


def test_people_change_without_a_word_to_guard(depot: Depot, smtp: SmtpServer, sink: HttpSink) -> None:
    """A reload of people alone makes no rule set and leaves guard's plan; the next alarm goes to them."""
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        before = (depot.data / "guard.json").read_bytes()
        rules = rule_sets(site)
        people = PEOPLE.format(smtp=smtp.port, http=sink.port).replace("to: anna", "to: ben")
        depot.write(more=people.replace(", escalate_to: ben", ", escalate_to: anna"))
        site.process.send_signal(signal.SIGHUP)
        wait_for("the new plan", lambda: plan(depot)["routes"][0]["to"] == ["ben"])
        depot.h2(25)
        wait_for("the mail", lambda: mails(smtp, "CRITICAL", to="ben@example.org"))
        assert (depot.data / "guard.json").read_bytes() == before
        assert rule_sets(site) == rules


def test_route_and_test_channel_answer_from_the_command_line(depot: Depot, smtp: SmtpServer) -> None:
    """Who would be told, in order; and a test message that really arrives."""
    route = ampward("route", "depot/r1/gas1-h2/h2_alarm", "--site", str(depot.site_file), "--json")
    assert route.returncode == 0, route.stderr
    line = json.loads(route.stdout)
    assert [(one["person"], one["channel"], one["after_ms"]) for one in line["told"]] == [
        ("anna", "email", 0), ("anna", "webhook", 0), ("ben", "email", 2000), ("ben", "webhook", 2000),
    ]  # fmt: skip
    tested = ampward("test-channel", "email", "--to", "ben", "--site", str(depot.site_file))
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert mails(smtp, "TEST", to="ben@example.org")
    assert "not recorded" in tested.stdout


def test_a_running_site_sends_the_test_itself_and_records_it(depot: Depot, smtp: SmtpServer, sink: HttpSink) -> None:
    """The command goes into the log with who asked, and so does what became of each message; maintenance is told."""
    with running(depot.site_file, depot.data) as site:
        tested = ampward("test-channel", "email", "--data", str(depot.data), "--json")
        assert tested.returncode == 0, tested.stdout + tested.stderr
        told = {(one["person"], one["result"], one["recorded"]) for one in json.loads(tested.stdout)}
        assert told == {("anna", "sent", True), ("ben", "sent", True)}
        assert mails(smtp, "TEST", to="ben@example.org")
        sink.manner = Answer(status=410)
        refused = ampward("test-channel", "webhook", "--to", "anna", "--data", str(depot.data), "--json")
        assert refused.returncode == 1, refused.stderr
        (one,) = json.loads(refused.stdout)
        assert (one["result"], one["recorded"]) == ("refused", True) and "HTTP 410" in one["why"]
        sink.manner = POLITE
        worked = ampward("maintenance", "depot/r1", "--for", "1h", "--reason", "inspection", "--data", str(depot.data))
        assert worked.returncode == 0, worked.stderr
        wait_for("the notice", lambda: mails(smtp, "Wartung", to="anna@example.org"))
        status = ampward("status", "--data", str(depot.data))
        assert "messages by email: sent" in status.stdout
        assert site.process.poll() is None
    sheet = ampward("sheet", "--data", str(depot.data), "--json")
    proven = {(one["subject"], one["what"]): one["is_proven"] for one in json.loads(sheet.stdout)["messages"]}
    assert proven == {
        ("anna", "email"): True,
        ("anna", "webhook"): True,
        ("ben", "email"): True,
        ("ben", "webhook"): False,
    }
