"""Backup from a running site and restore on another box, as a person does it: real processes, devices and mail."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.e2e.depot import Depot, events, open_depot
from tests.e2e.foreign import Site, ampward, running, wait_for
from tests.testkit.smtp_server import SmtpServer

PEOPLE = """
people:
  anna: {{email: anna@example.org, language: en}}
notify:
  - {{to: anna, by: [email]}}
channels:
  email: {{host: 127.0.0.1, port: {smtp}, tls: none, from: box@example.org}}
"""


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    with SmtpServer() as made:
        yield made


@pytest.fixture
def depot(tmp_path: Path, smtp: SmtpServer) -> Iterator[Depot]:
    with open_depot(tmp_path) as made:
        made.write(more=PEOPLE.format(smtp=smtp.port))
        yield made


def subjects(smtp: SmtpServer) -> list[str]:
    return [str(mail.message["Subject"]) for mail in smtp.mails]


def answering(site: Site) -> Site:
    """The site, once its process answers: run.json is there before."""

    def answers() -> bool:
        with suppress(httpx.HTTPError):
            return bool(site.get("/api/v1/status")["log_id"])
        return False

    wait_for("an answer", answers)
    return site


def log_id(site: Site) -> str:
    return str(answering(site).get("/api/v1/status")["log_id"])


def test_a_backup_of_a_running_site_goes_on_on_another_box(depot: Depot, smtp: SmtpServer, tmp_path: Path) -> None:
    """Gas over 2 % was told before the backup: the new box says so once, in a summary, and its log names the old."""
    file, new, passphrase = tmp_path / "depot.tar.gz", tmp_path / "new", tmp_path / "passphrase"
    passphrase.write_text("correct horse battery\n")
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        depot.h2(25)
        wait_for("the mail", lambda: any("CRITICAL" in subject for subject in subjects(smtp)))
        occurrence = site.alarms()["h2_alarm"]["occurrence"]
        before = log_id(site)
        options = ("--secrets", "--passphrase-file", str(passphrase))
        made = ampward("backup", str(depot.data), str(file), *options, "--json")
        assert made.returncode == 0, made.stderr
        token = (depot.data / "token").read_text()
        site.stop()
    told = json.loads(made.stdout)
    assert told["log_id"] == before
    assert {"log.db", "notify.db", "secrets.sealed", "site/site.yaml", "site/gas.yaml", "site/io.yaml"} <= {
        member["name"] for member in told["members"]
    }

    said = ampward("restore", str(file), str(new), "--passphrase-file", str(passphrase))
    assert said.returncode == 0, said.stderr
    assert "both give the same numbers to different things, under different log_ids" in said.stdout
    assert (new / "token").read_text() == token
    assert ampward("verify", str(new)).returncode == 0

    smtp.mails.clear()
    with running(new / "site" / "site.yaml", new) as site:
        assert log_id(site) != before
        found = wait_for(
            "the log's own word",
            lambda: [one for one in events(site) if one["data"].get("rule") == "log_restored"],
        )
        assert f"the log ended at {told['head_seq']} as {before}" in found[0]["data"]["reason"]
        started = [one for one in events(site) if one["type"] == "ampward.log.started.v1"][-1]
        assert before in started["data"]["reason"]
        assert site.alarms()["h2_alarm"]["occurrence"] == occurrence
        wait_for("the summary", lambda: smtp.mails)
        site.stop()
    (summary,) = smtp.mails
    assert "2 %" in summary.message.get_content()
    assert not (new / "restored.json").exists()
    for command in ("verify", "replay"):
        checked = ampward(command, str(new))
        assert checked.returncode == 0, checked.stdout + checked.stderr
