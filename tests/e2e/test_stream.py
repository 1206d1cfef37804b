"""The operators' event stream of a whole site, checked like a watch: ordered, unique, no gap, over kills and cuts."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from services.gateway.cursors import decode_cursor
from tests.e2e.depot import Depot, events, kill, open_depot, site_pid
from tests.e2e.foreign import Site, ampward, wait_for
from tests.testkit.web import web


class Watch(threading.Thread):
    """Follows the stream as a browser does: after each break it comes back with the last ``id:`` it has."""

    def __init__(self, site: Site, token: str = "") -> None:
        super().__init__(daemon=True)
        self._site = site
        self._token = token or (site.data / "token").read_text().strip()
        self.cursors: list[str] = []
        self.events: list[dict[str, object]] = []
        self.resets = 0
        self.breaks = 0
        self._ended = threading.Event()
        self._line: http.client.HTTPConnection | None = None

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                for cursor, event in self._follow():
                    self.cursors.append(cursor)
                    self.events.append(event)
            except (OSError, http.client.HTTPException, ValueError, AttributeError):
                time.sleep(0.05)
            finally:
                if self._line is not None:
                    self._line.close()
            self.breaks += 1

    def _follow(self) -> Iterator[tuple[str, dict[str, object]]]:
        address = json.loads((self._site.data / "run.json").read_text())["http"]
        self._line = http.client.HTTPConnection(address, timeout=60)
        last = {"Last-Event-ID": self.cursors[-1]} if self.cursors else {}
        self._line.request("GET", "/api/v1/events", headers={"Authorization": f"Bearer {self._token}", **last})
        cursor = ""
        for raw in self._line.getresponse():
            key, _, value = raw.decode().rstrip("\n").partition(": ")
            if key == "id":
                cursor = value
            elif key == "event" and value == "reset":
                self.resets += 1
            elif key == "data" and value.startswith('{"specversion"'):
                yield cursor, json.loads(value)

    def has_more_than(self, count: int) -> bool:
        return len(self.events) > count

    def cut(self) -> None:
        """Break its connection, as a network does."""
        if self._line is not None and self._line.sock is not None:
            self._line.sock.shutdown(2)

    def end(self) -> None:
        self._ended.set()
        self.cut()
        self.join(20)


@pytest.fixture
def depot(tmp_path: Path) -> Iterator[Depot]:
    with open_depot(tmp_path) as made:
        yield made


def test_a_reader_misses_and_doubles_nothing_over_kills_and_cuts(depot: Depot) -> None:
    """Alarms come and go while the site process is killed and the line is cut; the reader has what the log has."""
    site = Site(depot.site_file, depot.data)
    watch = Watch(site)
    try:
        depot.settle()
        watch.start()
        for turn in range(6):
            before = len(watch.events)
            depot.h2(15 if turn % 2 == 0 else 0)
            if turn in (1, 4):
                kill(site_pid(site))  # Which may have told all of it just before.
            elif turn == 2:
                watch.cut()
            wait_for("another event on the stream", partial(watch.has_more_than, before))
        depot.h2(0)
        everything = wait_for("the site to answer", lambda: events(site))
        last = everything[-1]["id"]
        wait_for("the stream to have all of it", lambda: any(one["id"] == last for one in watch.events))
        watch.end()
        ids = [one["id"] for one in watch.events]
        known = [one["id"] for one in everything]
        assert len(set(ids)) == len(ids)
        assert ids[: len(known)] == known
        places = [decode_cursor(text) for text in watch.cursors]
        assert all(place is not None for place in places)
        order = [(place.site_seq, place.ordinal) for place in places if place is not None]
        assert order == sorted(set(order))
        assert watch.breaks >= 3
        assert watch.resets == 0
    finally:
        watch.end()
        site.end_everything()


def test_named_tokens_act_under_their_names_and_are_recorded(depot: Depot) -> None:
    """An operator acknowledges as herself, a viewer may not; the log holds who made and revoked the tokens."""
    site = Site(depot.site_file, depot.data)
    try:
        depot.settle()
        secrets = {}
        for name, role in (("anna", "operator"), ("vera", "viewer")):
            made = ampward("user", "add", name, "--role", role, "--data", str(depot.data), "--json")
            secrets[name] = json.loads(made.stdout)["secret"]
        depot.h2(15)
        alarm = wait_for("the pre-alarm", lambda: site.alarms().get("h2_prealarm"))

        def ack(name: str) -> httpx.Response:
            return web().post(
                f"http://{site.record['http']}/api/v1/commands",
                json={"id": f"ack-{name}", "what": "ack", "subject": alarm["id"]},
                headers={"Authorization": f"Bearer {secrets[name]}"},
            )

        refused = ack("vera")
        assert refused.status_code == 403
        assert refused.json()["needed"] == "operator"
        assert ack("anna").status_code == 202
        assert ampward("user", "revoke", "vera", "--data", str(depot.data)).returncode == 0
        assert ack("vera").status_code == 401

        def told() -> list[str]:
            return [one["data"]["reason"] for one in events(site) if "/tokens/" in one["subject"]]

        wait_for("three records of tokens", lambda: len(told()) == 3)
        assert [("added" in text, "revoked by" in text) for text in told()] == [(True, False)] * 2 + [(False, True)]
        assert all("cli:" in text for text in told())
        acked = [one for one in events(site) if one["type"] == "ampward.alarm.acked.v1"]
        assert [one["data"]["actor"] for one in acked] == ["anna"]
        everything = json.dumps(events(site)) + (depot.data / "ampward.log").read_text()
        assert not any(secret in everything for secret in secrets.values())
    finally:
        site.end_everything()
