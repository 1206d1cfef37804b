"""A real site that joins a real fleet: what it did goes up, what the fleet wants comes down."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from shared.domain.inputs import Command, What
from shared.wire.events import decode_event
from shared.wire.inputs import decode_input
from shared.wire.orders import CommandOrder, Resend
from tests.e2e.foreign import wait_for
from tests.fleet.joined import KEY, SITE, Fleet, all_up, joined, recorded, uplink_pid
from tests.testkit.fleet import KafkaBroker, Mosquitto
from tests.testkit.proxy import FaultProxy

ALARM = "depot/r1/gas1-h2/h2_prealarm"


@pytest.fixture
def fleet(kafka: KafkaBroker) -> Fleet:
    made = Fleet(kafka.bootstrap)
    made.make()
    return made


def now_ms() -> int:
    return int(time.time() * 1000)


def commands(site_log: list[bytes]) -> list[Command]:
    bodies = (decode_input(data).body for data in site_log)
    return [body for body in bodies if isinstance(body, Command)]


def test_a_site_with_an_uplink_is_in_the_fleet(tmp_path: Path, fleet: Fleet) -> None:
    """Its whole log goes up, also over a killed uplink; an alarm and the points are seen live."""
    with joined(tmp_path, fleet) as (depot, site):
        all_up(site, fleet)
        os.kill(uplink_pid(site), signal.SIGKILL)
        depot.h2(15)
        wait_for("the pre-alarm", lambda: site.alarms().get("h2_prealarm"))
        centre = all_up(site, fleet)
        assert (centre.holes, centre.order) == ([], sorted(centre.order))

        def seen() -> bool:
            told = [decode_event(data) for live in fleet.live() for data in live.event_bytes()]
            return any(event.subject == ALARM and event.type == "ampward.alarm.raised.v1" for event in told)

        wait_for("the alarm on the live lane", seen)

        def points() -> dict[str, str]:
            return {point.id: point.value for live in fleet.live() for point in live.points}

        wait_for("its point", lambda: points()["depot/r1/gas1-h2"] == "1.5")


def test_a_revoked_box_in_clear_says_that_it_is_not_connected(tmp_path: Path, fleet: Fleet) -> None:
    """Its broker acknowledges whatever comes; its own status does not say so, and enrolled again it goes on."""
    fleet.book(KEY.public.text())

    def link() -> str:
        notes: list[str] = site.get("/api/v1/status")["notes"]
        return next((note.partition(";")[0] for note in notes if note.startswith("uplink: ")), "")

    with joined(tmp_path, fleet) as (_, site):
        wait_for("the fleet", lambda: link().startswith("uplink: connected since"))
        fleet.book()
        wait_for("the end", lambda: link() == "uplink: NOT CONNECTED")
        why = [line for line in (site.data / "ampward.log").read_text().splitlines() if "ampward revoke" in line]
        assert why
        fleet.book(KEY.public.text())
        wait_for("the fleet again", lambda: link().startswith("uplink: connected since"))
        all_up(site, fleet)


def test_an_operator_at_the_centre_acks(tmp_path: Path, fleet: Fleet) -> None:
    """The command is one input, its answer goes up; one whose time is over, or that comes again, is none."""
    with joined(tmp_path, fleet) as (depot, site):
        depot.h2(15)
        wait_for("the pre-alarm", lambda: site.alarms().get("h2_prealarm"))
        order = CommandOrder(
            id="c1", site=SITE, sent_at_ms=now_ms(), ttl_ms=60_000, what=What.ACK, subject=ALARM, actor="anna",
            reason="seen",
        )  # fmt: skip
        late = CommandOrder(
            id="c0", site=SITE, sent_at_ms=now_ms() - 61_000, ttl_ms=60_000, what=What.RESET, subject=ALARM, actor="b"
        )
        for each in (late, order, order):
            fleet.order(each)
        wait_for("the ack", lambda: site.alarms()["h2_prealarm"]["state"] == "C")
        wait_for("its answer", lambda: [answer for live in fleet.live() for answer in live.answers])
        os.kill(uplink_pid(site), signal.SIGKILL)
        centre = all_up(site, fleet)
        assert {answer.accepted for live in fleet.live() for answer in live.answers if answer.id == "c1"} == {True}
        asked = commands([row.data for row in centre.inputs.values()])
        assert [(command.id, command.actor) for command in asked] == [("c1", "centre:anna")]
        told = [decode_event(event.data) for event in centre.events.values()]
        assert [event.actor for event in told if event.type == "ampward.alarm.acked.v1"] == ["centre:anna"]


def test_the_centre_asks_again_and_gets_a_higher_epoch(tmp_path: Path, fleet: Fleet) -> None:
    """From the number it names on everything comes again, above the epoch it knows."""
    with joined(tmp_path, fleet) as (_, site):
        before = all_up(site, fleet).epoch
        fleet.order(
            Resend(id="r1", site=SITE, sent_at_ms=now_ms(), ttl_ms=60_000, from_seq=5, epoch=before, state=False)
        )
        wait_for("the higher epoch", lambda: fleet.centre().epoch == before + 1)
        assert all_up(site, fleet).holes == []


def test_a_cut_is_drained_in_order_and_live_goes_first(tmp_path: Path) -> None:
    """While the way is cut the site decides alone; after it nothing is missing, and what is new is seen at once."""
    with FaultProxy("127.0.0.1", 0) as unused:
        port = unused.port
    broker = KafkaBroker(tmp_path / "kafka", {"advertised.listeners": f"CLIENTS://127.0.0.1:{port}"})
    with FaultProxy("127.0.0.1", broker.plan.port, port=port) as proxy, broker:
        fleet = Fleet(f"127.0.0.1:{port}")
        fleet.make()
        with joined(tmp_path, fleet, f"127.0.0.1:{port}") as (depot, site):
            all_up(site, fleet)
            proxy.cut()
            before = len(recorded(site))
            depot.h2(15)
            wait_for("the pre-alarm in the cut", lambda: site.alarms().get("h2_prealarm"))
            wait_for("a backlog", lambda: len(recorded(site)) > before + 40)
            proxy.mend()
            proxy.reset()
            centre = all_up(site, fleet)
            assert (centre.holes, centre.order) == ([], sorted(centre.order))


def test_frames_and_points_are_on_the_fleets_mqtt_broker(tmp_path: Path, fleet: Fleet, mosquitto: Mosquitto) -> None:
    """Beside Kafka, by the same topics as on the site's own broker."""
    topics = ("ampward/v1/depot/r1/points/gas1-h2", "ampward/v1/depot/r1/gas1/frame")
    with joined(tmp_path, fleet, mqtt=mosquitto.url):
        host, port = mosquitto.url.removeprefix("mqtt://").split(":")
        for topic in topics:
            words = ["mosquitto_sub", "-h", host, "-p", port, "-t", topic, "-C", "1", "-W", "30"]
            heard = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
            assert json.loads(heard.stdout)
