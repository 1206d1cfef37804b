"""Commands over HTTP: taken, refused in words, done once; and every bad body with its verdict."""

import json

import httpx
import pytest

from services.gateway.fake import FakeViews
from services.gateway.views import CommandAnswer, CommandState, RoomRefusal
from shared.domain.inputs import Refusal, What
from shared.domain.plan import Severity
from tests.services.gateway.test_door import problem

GOOD = {"id": "c1", "what": "ack", "subject": "demo/r1/gas1-h2/h2_alarm"}


async def test_a_command_is_taken(client: httpx.AsyncClient, views: FakeViews) -> None:
    """A full command arrives at the site with every field, and is accepted."""
    body = {
        "id": "0a-1",
        "what": "out_of_service",
        "subject": "demo/r1/gas1-h2/h2_alarm",
        "occurrence": "a" * 32,
        "severity_seen": "critical",
        "reason": "sensor is being replaced",
        "for": "90min",
        "second_person": "Ben",
        "measure": "portable detector",
    }
    answer = await client.post("/api/v1/commands", json=body, headers={"Ampward-Actor": "cli:anna"})
    assert answer.status_code == 202
    assert answer.json() == {"id": "0a-1", "state": "pending"}
    (command,) = views.commands
    assert command.what is What.OUT_OF_SERVICE
    assert command.severity_seen is Severity.CRITICAL
    assert command.for_ms == 90 * 60_000
    assert (command.actor, command.second_person, command.measure) == ("cli:anna", "Ben", "portable detector")
    state = (await client.get("/api/v1/commands/0a-1")).json()
    assert state == {"id": "0a-1", "state": "accepted", "reason": "", "text": "", "refusals": []}


async def test_the_same_id_again_gives_the_same_answer(client: httpx.AsyncClient, views: FakeViews) -> None:
    """A sender that did not hear the answer may ask again; the act is done once."""
    first = await client.post("/api/v1/commands", json=GOOD)
    again = await client.post("/api/v1/commands", json=GOOD)
    assert (
        (first.status_code, first.json())
        == (again.status_code, again.json())
        == (202, {"id": "c1", "state": "pending"})
    )
    assert len(views.commands) == 1


async def test_another_command_under_a_used_id_is_refused(client: httpx.AsyncClient, views: FakeViews) -> None:
    """Nobody believes his act was done because another one was."""
    await client.post("/api/v1/commands", json=GOOD)
    answer = await client.post("/api/v1/commands", json={**GOOD, "what": "reset"})
    assert answer.status_code == 422
    assert str(problem(answer)["type"]).endswith("id-reused")
    assert len(views.commands) == 1


@pytest.mark.parametrize("refusal", list(Refusal))
async def test_a_refusal_is_409_with_its_name(client: httpx.AsyncClient, views: FakeViews, refusal: Refusal) -> None:
    """``type`` ends in the reason's name, the title says it in words, the present occurrence is there."""
    views.decide = lambda command: CommandAnswer(
        command.id, CommandState.REJECTED, refusal, "why", "b" * 32, "critical"
    )
    for _ in range(2):
        answer = await client.post("/api/v1/commands", json=GOOD)
        assert answer.status_code == 409
        body = problem(answer)
        assert str(body["type"]).endswith(refusal.value)
        assert body["title"]
        assert body["detail"] == "why"
        assert (body["occurrence"], body["severity"]) == ("b" * 32, "critical")
    state = (await client.get("/api/v1/commands/c1")).json()
    assert (state["state"], state["reason"]) == ("rejected", refusal.value)


async def test_the_rooms_that_refused_are_told(client: httpx.AsyncClient, views: FakeViews) -> None:
    """Beside an acceptance in the command's state, beside a refusal in the problem."""
    quiet = RoomRefusal("r2", Refusal.NOT_ACTIVE, "it is normal")
    told = [{"room": "r2", "reason": "not-active", "text": "it is normal"}]
    views.decide = lambda command: CommandAnswer(command.id, CommandState.ACCEPTED, refusals=(quiet,))
    assert (await client.post("/api/v1/commands", json=GOOD)).status_code == 202
    state = (await client.get("/api/v1/commands/c1")).json()
    assert (state["state"], state["refusals"]) == ("accepted", told)
    views.decide = lambda command: CommandAnswer(command.id, CommandState.REJECTED, quiet.reason, refusals=(quiet,))
    answer = await client.post("/api/v1/commands", json={**GOOD, "id": "c2"})
    assert (answer.status_code, answer.json()["refusals"]) == (409, told)


async def test_an_unanswered_command_is_pending(client: httpx.AsyncClient, views: FakeViews) -> None:
    """A command whose outcome is not known yet is pending, also when asked for."""
    views.decide = lambda command: CommandAnswer(command.id, CommandState.PENDING)
    assert (await client.post("/api/v1/commands", json=GOOD)).status_code == 202
    assert (await client.get("/api/v1/commands/c1")).json()["state"] == "pending"


async def test_an_unknown_command_is_404(client: httpx.AsyncClient) -> None:
    """Asking for a command that nobody gave is a problem."""
    answer = await client.get("/api/v1/commands/none")
    assert answer.status_code == 404
    assert str(problem(answer)["type"]).endswith("unknown-command")


BAD_JSON = {
    "empty": b"",
    "not JSON": b"ack",
    "cut": b'{"id": "c1"',
    "not UTF-8": b'{"id": "\xff"}',
    "NaN": b'{"id": NaN}',
    "infinity": b'{"id": -Infinity}',
    "a field twice": b'{"id": "a", "id": "b", "what": "ack", "subject": "s"}',
    "a hundred deep": b"[" * 8000,
    "two documents": b"{} {}",
    "a byte order mark": b"\xef\xbb\xbf{}",
}


@pytest.mark.parametrize("sent", BAD_JSON.values(), ids=BAD_JSON.keys())
async def test_what_is_not_json_is_400(client: httpx.AsyncClient, views: FakeViews, sent: bytes) -> None:
    """Bodies that are not strict JSON are refused before any field is read."""
    answer = await client.post("/api/v1/commands", content=sent, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert str(problem(answer)["type"]).endswith("malformed-json")
    assert not views.commands


BAD_FIELDS: list[tuple[dict[str, object], str]] = [
    ({"id": None}, "id"),
    ({"id": ""}, "id"),
    ({"id": "a" * 65}, "id"),
    ({"id": "a/b"}, "id"),
    ({"id": "a\n"}, "id"),
    ({"id": 7}, "id"),
    ({"what": "explode"}, "what"),
    ({"what": None}, "what"),
    ({"what": ["ack"]}, "what"),
    ({"subject": None}, "subject"),
    ({"subject": "s" * 251}, "subject"),
    ({"subject": "a\x00b"}, "subject"),
    ({"subject": "a\u2028b"}, "subject"),
    ({"occurrence": "xyz"}, "occurrence"),
    ({"occurrence": "A" * 32}, "occurrence"),
    ({"occurrence": None}, "occurrence"),
    ({"severity_seen": "fatal"}, "severity_seen"),
    ({"severity_seen": 3}, "severity_seen"),
    ({"reason": "r" * 501}, "reason"),
    ({"reason": "a\r\nb"}, "reason"),
    ({"reason": "\x1b[2J"}, "reason"),
    ({"reason": {"x": 1}}, "reason"),
    ({"for": "30"}, "for"),
    ({"for": 30}, "for"),
    ({"for": "-5min"}, "for"),
    ({"for": "1e3s"}, "for"),
    ({"for": "0.0001ms"}, "for"),
    ({"for": "99999d"}, "for"),
    ({"for": "٣٠min"}, "for"),
    ({"second_person": "x" * 81}, "second_person"),
    ({"measure": "m" * 501}, "measure"),
    ({"old_serial": "s" * 65}, "old_serial"),
    ({"new_serial": "a\x7fb"}, "new_serial"),
    ({"new_serial": 1}, "new_serial"),
    ({"baseline_mohm": "0"}, "baseline_mohm"),
    ({"baseline_mohm": "3,1"}, "baseline_mohm"),
    ({"baseline_mohm": "1" * 11}, "baseline_mohm"),
    ({"baseline_mohm": 3.1}, "baseline_mohm"),
    ({"on": "2999-01-01"}, "on"),
    ({"on": "31.05.2024"}, "on"),
    ({"on": "yesterday, or so"}, "on"),
    ({"colour": "red"}, "colour"),
    ({"for_": "5s"}, "for_"),
]


ALLOWED = {
    "id": "1 to 64 of A-Z a-z 0-9 _ . : -",
    "what": "ack, reset, ",
    "subject": "at most 250 printable characters on one line",
    "occurrence": "32 of 0-9 a-f",
    "severity_seen": "warning, alarm, critical",
    "reason": "at most 500 printable characters on one line",
    "for": "500ms, 5s, 60min, 12h, 7d",
    "second_person": "at most 80 printable characters on one line",
    "measure": "at most 500 printable characters on one line",
    "old_serial": "at most 64 printable characters on one line",
    "new_serial": "at most 64 printable characters on one line",
    "baseline_mohm": "above 0, at most 100000",
    "on": "a day up to today, YYYY-MM-DD",
}
"""What a sender must learn of each field; of one that is none, the fields that there are."""


@pytest.mark.parametrize(("change", "field"), BAD_FIELDS, ids=[json.dumps(change)[:60] for change, _ in BAD_FIELDS])
async def test_a_wrong_field_is_422_with_its_name(
    client: httpx.AsyncClient, views: FakeViews, change: dict[str, object], field: str
) -> None:
    """The sender learns which field is wrong and what is allowed; nothing is done."""
    answer = await client.post("/api/v1/commands", json={**GOOD, **change})
    assert answer.status_code == 422
    errors = problem(answer)["errors"]
    assert isinstance(errors, list)
    (error,) = errors
    assert error["field"] == field
    assert ALLOWED.get(field, "id, what, subject, ") in error["allowed"]
    assert error["allowed"] not in error["message"]
    assert not views.commands


@pytest.mark.parametrize("missing", ["id", "what", "subject"])
async def test_a_missing_field_is_422(client: httpx.AsyncClient, missing: str) -> None:
    """What must be given is asked for by name."""
    body = {name: value for name, value in GOOD.items() if name != missing}
    answer = await client.post("/api/v1/commands", json=body)
    assert answer.status_code == 422
    assert missing in str(problem(answer)["detail"])


@pytest.mark.parametrize("sent", [b"[]", b'"ack"', b"3", b"null"])
async def test_a_body_that_is_no_object_is_422(client: httpx.AsyncClient, sent: bytes) -> None:
    """A command is an object."""
    answer = await client.post("/api/v1/commands", content=sent)
    assert answer.status_code == 422


async def test_every_wrong_field_is_named_at_once(client: httpx.AsyncClient) -> None:
    """Three slips are three errors in one answer."""
    answer = await client.post("/api/v1/commands", json={"id": "", "what": "explode", "subject": 1, "x": 1})
    errors = problem(answer)["errors"]
    assert isinstance(errors, list)
    assert {error["field"] for error in errors} == {"id", "what", "subject", "x"}


async def test_a_form_is_415(client: httpx.AsyncClient) -> None:
    """What is declared as something else than JSON is not read."""
    answer = await client.post("/api/v1/commands", data={"what": "ack"})
    assert answer.status_code == 415
    problem(answer)


@pytest.mark.parametrize("actor", ["anna", "cli:", "cli:a\tb", "cli:" + "a" * 65, "token:x"])
async def test_a_wrong_actor_is_refused(client: httpx.AsyncClient, views: FakeViews, actor: str) -> None:
    """Who acts is a name of the command line, nothing else."""
    answer = await client.post("/api/v1/commands", json=GOOD, headers={"Ampward-Actor": actor})
    assert answer.status_code == 422
    assert not views.commands


async def test_without_an_actor_it_is_the_token(client: httpx.AsyncClient, views: FakeViews) -> None:
    """Every act has an actor."""
    await client.post("/api/v1/commands", json=GOOD)
    assert views.commands[0].actor == "token:machine"
