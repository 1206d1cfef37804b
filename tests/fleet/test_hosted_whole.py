"""The whole way of a site that only speaks MQTT, with security on: its device, the bridge, the fleet, an operator."""

import asyncio
import base64
import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from services.site.command import repository_file
from shared.bus.registry import COMMANDS
from shared.domain.inputs import What
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Place
from shared.runtime.fleet_file import FleetPlan, read_fleet
from shared.wire.orders import CommandOrder, encode_order
from tests.fleet.secured import Mqtt, Secured
from tests.testkit.process import Running, wait_for

SITE = "mast"
ALARM = "mast/r1/gas1-h2/h2_prealarm"
ACTS = ("ampward.alarm.acked.v1", "ampward.alarm.shelved.v1", "ampward.alarm.unshelved.v1")
PATIENCE_S = 150.0


@contextmanager
def centre(fleet: Secured) -> Iterator[tuple[FleetPlan, Running]]:
    """Bridge, processor and gateway as services of this fleet; how to reach the gateway, and the bridge."""
    config = fleet.folder / "fleet.yaml"
    program = Path(sys.executable).with_name("ampward")
    with ExitStack() as services:
        for name in ("gateway", "processor", "bridge"):
            running = services.enter_context(Running([program, "service", name, "--config", config], grace_s=30))
        yield read_fleet(config, {}, "gateway"), running


def heard(plan: FleetPlan) -> list[dict[str, Any]]:
    """What an operator has in the stream of this site; nothing while the gateway does not answer."""
    try:
        token = (Path(plan.data) / "token").read_text().strip()
        answer = httpx.get(
            f"http://{plan.http}/api/v1/events",
            params={"site": SITE, "follow": "false"},
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )
    except (OSError, httpx.HTTPError):
        return []
    lines = answer.text.splitlines() if answer.status_code == 200 else []
    told = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    return [event for event in told if "subject" in event]


def frame(seq: int, tenths: int) -> bytes:
    words = base64.b64encode(tenths.to_bytes(2) + b"\x06\x00").decode()
    block = {"table": "holding", "address": 0, "words": words}
    return json.dumps({"device": "gas1", "boot": "b1", "seq": seq, "blocks": [block]}).encode()


def act(plan: FleetPlan, name: str, what: str, **more: str) -> dict[str, Any]:
    """An operator's act on the alarm at the centre; what the site has answered."""
    body = {"id": name, "what": what, "subject": ALARM, "reason": "seen", **more}
    token = (Path(plan.data) / "token").read_text().strip()
    told: dict[str, Any] = {"state": "pending"}
    with httpx.Client(base_url=f"http://{plan.http}", headers={"Authorization": f"Bearer {token}"}, timeout=60) as line:
        line.post("/api/v1/commands", json=body)

        def is_answered() -> bool:
            told.update(line.get(f"/api/v1/commands/{name}").json())
            return bool(told["state"] != "pending")

        wait_for(is_answered, within_s=PATIENCE_S, every_s=0.2, name=f"the site's answer to {what}")
    return told


async def order(secured: Secured, made: CommandOrder) -> None:
    """Put it into the topic as the gateway does."""
    partition = json.loads((secured.folder / "sites" / f"{SITE}.json").read_text())["partition"]
    async with Producer(secured.service("gateway"), "gateway") as producer:
        await producer.send(Place(COMMANDS.name, partition), SITE.encode(), encode_order(made))


def too_late() -> CommandOrder:
    """An act of eleven minutes ago that had ten."""
    sent_at_ms = int(time.time() * 1000) - 660_000
    return CommandOrder(
        id="late", site=SITE, sent_at_ms=sent_at_ms, ttl_ms=600_000, what=What.UNSHELVE, subject=ALARM, actor="anna",
        reason="done",
    )  # fmt: skip


def test_gas_at_a_site_that_only_speaks_mqtt_is_an_alarm_on_an_operators_stream(secured: Secured) -> None:
    """By its certificate to the broker, by the bridge's log and key to Kafka, decided again to the same bytes.

    What the operator does about it goes down to the hosted site, which decides it and answers; what comes there after
    its time is dropped and nothing happens.
    """
    identity = secured.enroll(SITE, "--hosted")
    (secured.folder / "hosted" / SITE / "site.yaml").write_bytes(
        repository_file("infra/sites/hosted/site.yaml").read_bytes()
    )
    device = Mqtt(secured.mqtt_port, identity)
    with centre(secured) as (plan, bridge):
        until, seq = time.monotonic() + PATIENCE_S, 0
        events: list[dict[str, Any]] = []
        while not any(event["subject"] == ALARM for event in events):
            assert time.monotonic() < until, (events, bridge.output)
            seq += 1
            device.publish(f"ampward/v1/{SITE}/in/gas1", frame(seq, 15))
            time.sleep(0.2)
            events = heard(plan)
        raised = next(event for event in events if event["subject"] == ALARM)
        assert (raised["type"], raised["data"]["value"]) == ("ampward.alarm.raised.v1", "1.5")
        assert act(plan, "a1", "ack", severity_seen="warning")["state"] == "accepted"
        again = act(plan, "a2", "ack", severity_seen="warning")
        assert (again["state"], again["reason"]) == ("rejected", "already")
        assert act(plan, "s1", "shelve", **{"for": "10min"})["state"] == "accepted"
        asyncio.run(order(secured, too_late()))
        bridge.wait_for_line("order_expired.*late|late.*order_expired", within_s=PATIENCE_S)

        def acts() -> list[str]:
            return [event["type"] for event in heard(plan) if event["subject"] == ALARM and event["type"] in ACTS]

        wait_for(lambda: len(acts()) > 1, within_s=PATIENCE_S, every_s=0.2, name="both acts on the stream")
        assert acts() == ["ampward.alarm.acked.v1", "ampward.alarm.shelved.v1"]
    device.close()
