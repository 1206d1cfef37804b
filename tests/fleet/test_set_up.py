"""`ampward fleet set-up` on brokers that others run, and services that wait for what it makes."""

import asyncio
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from services.fleet.identities import Book
from shared.bus.registry import ALL, SITES
from shared.log.kafka.access import Access
from shared.log.kafka.records import Place
from shared.log.kafka.stretch import read_stretch
from shared.log.kafka.topics import drifts
from shared.runtime.fleet_file import check_fleet
from shared.wire.registrations import Registration, decode_registration
from tests.testkit.fleet import KafkaBroker, unique
from tests.testkit.ports import free_port
from tests.testkit.process import Running, wait_for

AMPWARD = Path(sys.executable).with_name("ampward")


class Fleet:
    """A fleet file with topics of its own on a broker."""

    def __init__(self, folder: Path, bootstrap: str, more: str = "") -> None:
        self.folder = folder
        self.file = folder / "fleet.yaml"
        self.health = f"127.0.0.1:{free_port()}"
        topics = f"{{partitions: 2, prefix: {unique('set-up')}.}}"
        kafka = f'kafka: {{bootstrap: "{bootstrap}", security: plain, topics: {topics}}}'
        self.file.write_text(f"version: 1\n{kafka}\nhealth: {self.health}\ndata: data\n{more}")

    def set_up(self, *sites: str) -> str:
        words = [word for site in sites for word in ("--site", site)]
        command: list[str | Path] = [
            AMPWARD,
            "fleet",
            "set-up",
            "--config",
            self.file,
            "--dir",
            self.folder / "book",
            *words,
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

    def probe(self, path: str) -> int:
        """The answer's status; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://{self.health}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            return refused.code
        except OSError:
            return 0


def test_topics_and_registrations_are_made_once(kafka: KafkaBroker, tmp_path: Path) -> None:
    """A second run changes nothing: the same keys, no site enrolled again; what was ended in between is said."""
    fleet = Fleet(tmp_path, kafka.bootstrap)
    assert f"{len(ALL)} topics made" in (said := fleet.set_up("depot", "mill"))
    assert "depot is enrolled, partition" in said
    identity = tmp_path / "book" / "identities" / "depot"
    key = (identity / "signing.key").read_bytes()
    subprocess.run([AMPWARD, "revoke", "mill", "--dir", tmp_path / "book"], check=True, stdout=subprocess.DEVNULL)
    assert f"0 topics made, {len(ALL)} were there" in (said := fleet.set_up("depot", "mill"))
    assert "enrolled" not in said
    assert "mill was ended: `ampward enroll mill` makes it anew" in said
    assert (identity / "signing.key").read_bytes() == key
    plan = check_fleet(fleet.file, {}, "admin").plan
    assert plan is not None

    async def look() -> dict[str, Registration]:
        access, told = Access(kafka.bootstrap), {}
        assert await drifts(access, [topic.named(plan.prefix) for topic in ALL], plan.shape) == ()
        for partition in range(plan.shape.partitions):
            async for record in read_stretch(access, Place(plan.prefix + SITES.name, partition)):
                made = decode_registration(record.value or b"")
                told[made.site] = made
        return told

    told = asyncio.run(look())
    assert not told["depot"].ended
    assert told["mill"].ended


def test_a_service_waits_for_its_topics_and_then_begins(kafka: KafkaBroker, tmp_path: Path) -> None:
    """Meanwhile it is alive and not ready; it begins by itself when they are there, and ends by TERM with 0."""
    fleet = Fleet(tmp_path, kafka.bootstrap)
    with Running([AMPWARD, "service", "processor", "--config", fleet.file]) as running:
        running.wait_for_line("waits_for_servers", within_s=90)
        assert fleet.probe("/healthz") == 200
        assert fleet.probe("/readyz") == 503
        fleet.set_up()
        wait_for(lambda: fleet.probe("/readyz") == 200, within_s=90, name="the processor to be ready")
        running.signal(signal.SIGTERM)
        assert running.wait() == 0


@pytest.mark.parametrize(("service", "is_waited_for"), [("notifier", "PostgreSQL"), ("processor", "Kafka")])
def test_a_service_that_waits_ends_by_term(
    kafka: KafkaBroker, tmp_path: Path, service: str, is_waited_for: str
) -> None:
    """Nobody is there: it says for whom it waits, without a password, and lets itself be ended."""
    (tmp_path / "postgres.url").write_text(f"postgresql://ampward:geheim@127.0.0.1:{free_port()}/ampward\n")
    (tmp_path / "people.yaml").write_text("version: 1\nsite: {id: centre, time_zone: UTC, language: en}\npeople: {}\n")
    nobody = f"127.0.0.1:{free_port()}"
    bootstrap = kafka.bootstrap if service == "notifier" else nobody
    fleet = Fleet(tmp_path, bootstrap, "postgres: {url_file: postgres.url}\nnotify: people.yaml\n")
    if service == "notifier":
        fleet.set_up()
    with Running([AMPWARD, "service", service, "--config", fleet.file]) as running:
        running.wait_for_line(f"waits_for_servers.*{is_waited_for}", within_s=90)
        running.signal(signal.SIGTERM)
        assert running.wait() == 0
        assert "geheim" not in "\n".join(running.lines)


def test_where_others_make_kafkas_users_a_site_has_the_name_of_its_own(tmp_path: Path) -> None:
    """The identity says as whom the uplink comes; the password is put beside it by whoever made the user."""
    book = Book(tmp_path, None, 4, users_elsewhere=True)
    book.enroll("depot")
    identity = json.loads((tmp_path / "identities" / "depot" / "identity.json").read_text())
    assert identity["kafka_user"] == "site-depot"
    assert not (tmp_path / "identities" / "depot" / "kafka.password").exists()
