"""Acts of upkeep on a real site, to their end: maintenance that runs out, a new gas head; and a killed process."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.depot import Depot, events, kill, open_depot, site_pid
from tests.e2e.foreign import Site, running, wait_for
from tests.testkit.web import web

HEAD = "depot/r1/gas1-h2"
PREALARM = f"{HEAD}/h2_prealarm"


@pytest.fixture
def depot(tmp_path: Path) -> Iterator[Depot]:
    with open_depot(tmp_path) as made:
        yield made


def nothing() -> None:
    """Happens while a command is decided."""


def act(site: Site, number: int, meanwhile: Callable[[], None] = nothing, **body: str) -> dict[str, Any]:
    """What became of a command; ``meanwhile`` happens as soon as the site has taken it."""
    record = json.loads((site.data / "run.json").read_text())
    headers = {"Authorization": f"Bearer {(site.data / 'token').read_text().strip()}"}
    url = f"http://{record['http']}/api/v1/commands"
    answer = web().post(url, json={"id": f"c{number}", **body}, headers=headers)
    assert answer.status_code in (202, 409), answer.text
    meanwhile()

    def look() -> dict[str, Any]:
        found: dict[str, Any] = web().get(f"{url}/c{number}", headers=headers).json()
        return {} if found["state"] == "pending" else found

    found: dict[str, Any] = wait_for(f"the answer to {body}", look)
    return found


def told(site: Site, subject: str) -> list[str]:
    return [one["type"].split(".")[-2] for one in events(site) if one["subject"] == subject]


def _has_started_anew(site: Site, times: int) -> bool:
    return told(site, "depot/r1").count("started") == times


def test_a_short_maintenance_ends_by_itself(depot: Depot) -> None:
    """Nobody ends it: its time does, and what it hid is announced then."""
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        work = {"what": "maintenance", "subject": "depot/r1", "reason": "work", "for": "4s"}
        assert act(site, 1, lambda: depot.h2(15), **work)["state"] == "accepted"
        wait_for("the pre-alarm", lambda: "raised" in told(site, PREALARM))
        wait_for("the end of maintenance", lambda: "reannounced" in told(site, PREALARM))
        assert told(site, PREALARM) == ["suppressed", "raised", "unsuppressed", "reannounced"]
        ended = next(one for one in events(site) if one["type"] == "ampward.maintenance.ended.v1")
        assert ended["data"]["reason"] == "time is over"
        assert depot.fan() == 1


def test_a_new_gas_head_is_recorded_with_its_certificate(depot: Depot) -> None:
    """Serial after serial, and the day of the certificate once; what is wrong is refused with what is known."""
    days = [(datetime.now(UTC) - timedelta(days=n)).strftime("%Y-%m-%d") for n in range(60)]
    with running(depot.site_file, depot.data) as site:
        first = act(site, 1, what="replace", subject=HEAD, reason="poisoned", new_serial="G2")
        other = act(site, 2, what="replace", subject=HEAD, reason="again", old_serial="G1", new_serial="G3")
        day = act(site, 3, what="calibrated", subject=HEAD, reason="certificate 7", on=days[30])
        before = act(site, 4, what="calibrated", subject=HEAD, on=days[40])
        baseline = act(site, 5, what="baseline", subject=HEAD, baseline_mohm="1")
    assert (first["state"], day["state"]) == ("accepted", "accepted")
    assert (other["state"], other["reason"]) == ("rejected", "other-serial") and "G2 is known" in other["text"]
    assert (before["state"], before["reason"]) == ("rejected", "already") and "30 days ago" in before["text"]
    assert (baseline["state"], baseline["reason"]) == ("rejected", "not-supported")


def test_a_killed_process_announces_nothing_that_was_suppressed(depot: Depot) -> None:
    """2 % stands, the site process is killed twice and comes back: the pre-alarm is told once, and stays hidden."""
    with running(depot.site_file, depot.data) as site:
        depot.settle()
        depot.h2(21)
        wait_for("the pre-alarm", lambda: "raised" in told(site, PREALARM))
        for starts in (1, 2):
            kill(site_pid(site))
            wait_for("the process to come back", partial(_has_started_anew, site, starts))
            assert act(site, starts, what="silence", subject="depot/r1")["state"] in ("accepted", "rejected")
        assert told(site, PREALARM) == ["suppressed", "raised"]
        assert depot.fan() == 1
