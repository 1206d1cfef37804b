"""Commands of operators at the centre, and what a token that names sites may see, on a real broker."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from services.gateway.centre import orders, picture, service
from services.gateway.keys import Caller
from services.gateway.roles import Role
from shared.bus.registry import COMMANDS
from shared.domain.ids import site_of
from shared.wire.live import LiveAlarm, LiveAnswer, LiveOutput, LivePoint
from shared.wire.orders import CommandOrder, OutputLease, decode_order
from tests.fleet.centre import Centre
from tests.fleet.telling_sites import TOKEN, Sites, client_of, gateway, ids, listen
from tests.testkit.fleet import KafkaBroker

ALARM = "depot/r1/gas1-h2/h2_alarm"
OTHER = "mill/r1/gas1-h2/h2_alarm"
MILL = "m" * 43
WITHIN_S = 60.0


@dataclass
class TwoKeys:
    """The machine token, and one of an operator who has the mill alone."""

    mill: Caller = field(default_factory=lambda: Caller("miller", Role.OPERATOR, ("mill",), "00000001"))

    def find(self, secret: str) -> Caller | None:
        return {TOKEN: Caller("machine", Role.ENGINEER), MILL: self.mill}.get(secret)

    def is_good(self, caller: Caller) -> bool:
        return caller.name in ("machine", "miller")


@pytest.fixture
async def centre(kafka: KafkaBroker) -> AsyncIterator[Centre]:
    async with Centre(kafka, partitions=2) as made:
        await made.register("depot", "mill")
        yield made


@pytest.fixture
def sites(centre: Centre) -> Sites:
    return Sites(centre)


def act(name: str, subject: str = ALARM, **more: Any) -> dict[str, Any]:
    return {"id": name, "what": "ack", "subject": subject, "severity_seen": "alarm", "reason": "seen", **more}


def alarm(name: str) -> LiveAlarm:
    return LiveAlarm(
        name, "h2_alarm", name.rpartition("/")[0], "critical", "B", "true", "none", "a" * 32, 1, "2.1", "%vol", "go", 0
    )


async def show(sites: Sites) -> None:
    """Both sites tell an alarm, a point and an output each."""
    now = int(time.time() * 1000)
    for name in (ALARM, OTHER):
        site = site_of(name)
        point = LivePoint(f"{site}/r1/gas1-h2", "2.1", "%vol", "good", "", now)
        output = LiveOutput(f"{site}/r1/io1-do0", "fan", "on", ("h2_alarm",), "on", "proven", True, "watchdog")  # noqa: FBT003
        await sites.live(site, anew=True, alarms=(alarm(name),), points=(point,), outputs=(output,))


async def items(client: httpx.AsyncClient, what: str) -> dict[str, dict[str, Any]]:
    answer = await client.get(f"/api/v1/{what}")
    answer.raise_for_status()
    return {item["id"]: item for item in answer.json()["items"]}


async def until(client: httpx.AsyncClient, name: str, state: str) -> dict[str, Any]:
    """What became of a command, when it has this state."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            answer = await client.get(f"/api/v1/commands/{name}")
            if answer.status_code == httpx.codes.OK and answer.json()["state"] == state:
                return dict(answer.json())
            await asyncio.sleep(0.05)


async def test_a_command_goes_down_and_its_answer_is_seen(
    centre: Centre, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One order in the topic, `ack pending` meanwhile, the same by each replica; the refusal has what is so now."""
    monkeypatch.setattr(orders, "WAIT_S", 0.1)
    await show(sites)
    async with gateway(centre) as one, gateway(centre) as two, client_of(one) as client, client_of(two) as other:
        taken = await client.post("/api/v1/commands", json=act("c1"))
        assert (taken.status_code, taken.json()) == (202, {"id": "c1", "state": "pending"})
        await until(other, "c1", "pending")
        assert (await other.post("/api/v1/commands", json=act("c1"))).status_code == 202
        assert (
            (await other.post("/api/v1/commands", json=act("c1", reason="else"))).json()["type"].endswith("id-reused")
        )
        [record] = await centre.first(COMMANDS, 1)
        order = decode_order(record.value or b"")
        assert isinstance(order, CommandOrder)
        assert (order.id, order.site, order.actor, order.ttl_ms) == ("c1", "depot", "token:machine", 600_000)
        assert record.place == centre.place(COMMANDS, "depot")
        assert {name: item["pending"] for name, item in (await items(other, "alarms")).items()} == {
            ALARM: "ack pending",
            OTHER: "",
        }
        await sites.live("mill", answers=(LiveAnswer("c1", True),))  # noqa: FBT003
        refused = LiveAnswer("c1", False, "severity-rose", "it is critical", "a" * 32, "critical")  # noqa: FBT003
        await sites.live("depot", answers=(refused,))
        assert (await until(client, "c1", "rejected"))["reason"] == "severity-rose"
        await until(other, "c1", "rejected")
        again = await other.post("/api/v1/commands", json=act("c1"))
        assert (again.status_code, again.json()["severity"]) == (409, "critical")
        assert (await items(client, "alarms"))[ALARM]["pending"] == ""
        everything = [decode_order(each.value or b"").id for each in await centre.first(COMMANDS, 1)]
        assert everything == ["c1"]


async def test_a_command_that_nobody_answers_is_undelivered(
    centre: Centre, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time to live it is expired and its alarm waits for nothing; a replica that starts then knows it too."""
    monkeypatch.setattr(orders, "WAIT_S", 0.1)
    monkeypatch.setattr(orders, "TTL_MS", 1_000)
    await show(sites)
    async with gateway(centre) as served, client_of(served) as client:
        await client.post("/api/v1/commands", json=act("c1"))
        told = await until(client, "c1", "expired")
        assert told["reason"] == "undelivered"
        assert (await items(client, "alarms"))[ALARM]["pending"] == "ack undelivered"
        unknown = await client.post("/api/v1/commands", json=act("c2", "nowhere/r1"))
        assert (unknown.status_code, unknown.json()["type"].rpartition(":")[2]) == (409, "unknown-subject")
    async with gateway(centre) as later, client_of(later) as client:
        await until(client, "c1", "expired")


async def test_an_output_is_held_on_by_a_lease_above_all_before(
    centre: Centre, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease goes down in a command's stead; the next one is above it, also by a replica whose clock is behind; too
    long a one goes nowhere."""
    monkeypatch.setattr(orders, "WAIT_S", 0.1)
    await show(sites)
    output = "depot/r1/io1-do0"
    held = {"what": "hold_on", "severity_seen": None, "for": "10min"}
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(client_of(await stack.enter_async_context(gateway(centre))))
        monkeypatch.setattr(service, "wall_ms", lambda: time.time_ns() // 1_000_000 - 30_000)
        other = await stack.enter_async_context(client_of(await stack.enter_async_context(gateway(centre))))
        assert (await client.post("/api/v1/commands", json=act("h1", output, **held))).status_code == 202
        await until(other, "h1", "pending")
        assert (await items(other, "outputs"))[output]["pending"] == "hold_on pending"
        await sites.live("depot", answers=(LiveAnswer("h1", True),))  # noqa: FBT003
        await until(other, "h1", "accepted")
        assert (await items(other, "outputs"))[output]["pending"] == ""
        assert (await other.post("/api/v1/commands", json=act("h1", output, **held))).status_code == 202
        assert (await other.post("/api/v1/commands", json=act("h2", output, **held))).status_code == 202
        for wrong in ("", "16min"):
            refused = await client.post("/api/v1/commands", json=act("h3", output, **held | {"for": wrong}))
            assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (409, "out-of-range")
        first, second = (decode_order(each.value or b"") for each in await centre.first(COMMANDS, 2))
        assert isinstance(first, OutputLease) and isinstance(second, OutputLease)
        assert (first.output, first.on_ms, first.actor) == (output, 600_000, "token:machine")
        assert (second.epoch, second.number) > (first.epoch, first.number)


async def test_a_token_sees_its_sites_alone(centre: Centre, sites: Sites) -> None:
    """Alarms, points, outputs, sites, events and commands of another site are not there for it."""
    await show(sites)
    await sites.batch("depot", 1, 2)
    await sites.batch("mill", 1, 2)
    async with gateway(centre, TwoKeys()) as served, client_of(served, MILL) as miller, client_of(served) as all_sites:
        for what in ("alarms", "points", "outputs", "sites"):
            assert {site_of(name) for name in await items(all_sites, what)} == {"depot", "mill"}
            assert {site_of(name) for name in await items(miller, what)} == {"mill"}
        assert (await listen(miller)).ids == ids("mill", [1, 2])
        for answer in (
            await miller.get("/api/v1/events", params={"site": "depot"}),
            await miller.post("/api/v1/commands", json=act("c1")),
        ):
            assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (403, "other-site")
        asked = asyncio.create_task(miller.post("/api/v1/commands", json=act("c2", OTHER)))
        await until(all_sites, "c2", "pending")
        await sites.live("mill", answers=(LiveAnswer("c2", True),))  # noqa: FBT003
        assert (await asked).status_code == 202
        done = asyncio.create_task(all_sites.post("/api/v1/commands", json=act("c3")))
        await until(all_sites, "c3", "pending")
        assert (await miller.get("/api/v1/commands/c3")).status_code == 404
        await sites.live("depot", answers=(LiveAnswer("c3", True),))  # noqa: FBT003
        await done


async def test_a_silent_site_shows_no_good_value(centre: Centre, sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing came for so long: its points have no value, its alarms no condition, and it is said to be silent."""
    await show(sites)
    async with gateway(centre) as served, client_of(served) as client:
        assert (await items(client, "points"))["depot/r1/gas1-h2"]["value"] == "2.1"
        assert not (await items(client, "sites"))["depot"]["silent"]
        monkeypatch.setattr(picture, "SILENT_MS", -1)
        point = (await items(client, "points"))["depot/r1/gas1-h2"]
        assert (point["value"], point["quality"], point["no_data"]) == (None, "bad", "site_silent")
        assert (await items(client, "alarms"))[ALARM]["condition"] == "unknown"
        assert (await items(client, "outputs"))["depot/r1/io1-do0"]["read_back"] == "unknown"
        assert (await items(client, "sites"))["depot"]["silent"]
