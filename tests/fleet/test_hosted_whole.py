"""The whole way of a site that only speaks MQTT, with security on: its device, the bridge, the fleet, an operator."""

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
from shared.runtime.fleet_file import FleetPlan, read_fleet
from tests.fleet.secured import Mqtt, Secured
from tests.testkit.process import Running

SITE = "mast"
ALARM = "mast/r1/gas1-h2/h2_prealarm"
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


def test_gas_at_a_site_that_only_speaks_mqtt_is_an_alarm_on_an_operators_stream(secured: Secured) -> None:
    """By its certificate to the broker, by the bridge's log and key to Kafka, decided again to the same bytes."""
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
    device.close()
