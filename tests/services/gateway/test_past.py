"""The history over real HTTP, with a past in memory behind it."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from services.gateway.address import bind_loopback
from services.gateway.api import create_app
from services.gateway.fake import FakeViews
from services.gateway.fake_past import FakePast
from services.gateway.past import DischargeItem, Journal, JournalItem, NotTold, OnePast, TrendItem, Why
from services.gateway.server import Gateway
from tests.services.gateway.conftest import TOKEN
from tests.services.gateway.past_contract import Known, PastContract
from tests.testkit.web import web_client

BEGIN = 1_767_225_600_000
"""2026-01-01T00:00:00Z"""
MINUTE = 60_000
ALARM = "demo/r1/gas1-h2/h2_alarm"
SPAN = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T01:00:00Z"}
KNOWN = Known("demo/r1/gas1-h2", BEGIN, BEGIN + 10 * MINUTE, ALARM, "r1", ("demo/r1/bat1",))


def minute(n: int) -> TrendItem:
    return TrendItem(BEGIN + n * MINUTE, "0.1", "0.3", "0.2", "0.25", "good", 120, 0, 0)


def event(place: int, kind: str, **more: object) -> JournalItem:
    made = JournalItem(
        place=place, at_ms=BEGIN + place * 1000, type=f"ampward.alarm.{kind}.v1", room="r1", subject=ALARM,
        occurrence="a" * 32, rule="h2_alarm", severity="critical", state="B", value="2.1", unit="%vol", limit="2",
        quality="good", reason="", actor="", for_ms=0,
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


@pytest.fixture
def past() -> FakePast:
    raised, acked = event(1, "raised"), event(2, "acked", actor="cli:anna", reason="seen", value="")
    return FakePast(
        minutes=(minute(0), minute(1), minute(3)),
        events={Journal.ALARMS: (raised, acked, event(3, "returned", state="F"))},
        past_discharges=(DischargeItem("demo/r1/bat1", BEGIN, 0, 60_000, {"demo/r1/bat1/s1": "1.5"}, "", ""),),
    )


class TestFakePast(PastContract):
    @pytest.fixture
    def known(self) -> Known:
        return KNOWN

    @pytest.fixture
    def nothing(self) -> FakePast:
        return FakePast(trouble=NotTold(Why.NO_HISTORY, "there is no history in data"))


@pytest.fixture
async def client(past: FakePast) -> AsyncIterator[httpx.AsyncClient]:
    served = Gateway(create_app(FakeViews(), TOKEN, OnePast(past)), bind_loopback("127.0.0.1:0"))
    await served.start()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with web_client(served.address, headers) as made:
        yield made
    await served.stop()


async def test_a_trend_has_the_published_shape(client: httpx.AsyncClient) -> None:
    """The point's path stands in the address as it is written, and the minute without readings is not there."""
    answer = (await client.get("/api/v1/history/points/demo/r1/gas1-h2", params=SPAN)).json()
    assert (answer["point"], answer["unit"], answer["step"]) == ("demo/r1/gas1-h2", "%vol", "minute")
    assert [item["at"][14:16] for item in answer["items"]] == ["00", "01", "03"]
    assert answer["items"][0] == {
        "at": "2026-01-01T00:00:00.000Z", "min": "0.1", "max": "0.3", "mean": "0.2", "last": "0.25",
        "quality": "good", "good": 120, "uncertain": 0, "bad": 0,
    }  # fmt: skip


async def test_a_journal_is_gone_through_by_next(client: httpx.AsyncClient) -> None:
    """Each page says what to give for the next one; the last says null."""
    first = (await client.get("/api/v1/history/alarms", params={**SPAN, "limit": 2})).json()
    assert [item["type"] for item in first["items"]] == ["ampward.alarm.raised.v1", "ampward.alarm.acked.v1"]
    assert (first["items"][1]["actor"], first["items"][1]["reason"], first["items"][1]["value"]) == (
        "cli:anna", "seen", None,
    )  # fmt: skip
    second = (await client.get("/api/v1/history/alarms", params={**SPAN, "after": first["next"]})).json()
    assert [item["state"] for item in second["items"]] == ["F"]
    assert second["next"] is None


async def test_a_discharge_that_lasts_has_no_end(client: httpx.AsyncClient) -> None:
    """What is not known yet is null."""
    (item,) = (await client.get("/api/v1/history/discharges", params=SPAN)).json()["items"]
    assert (item["began"], item["ended"], item["lowest_jar"]) == ("2026-01-01T00:00:00.000Z", None, None)
    assert item["strings_ah"] == {"demo/r1/bat1/s1": "1.5"}


async def test_outputs_and_deliveries_have_journals_of_their_own(client: httpx.AsyncClient) -> None:
    """What is of another kind is not among them."""
    for which in ("outputs", "deliveries"):
        assert (await client.get(f"/api/v1/history/{which}", params=SPAN)).json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("path", "params", "field"),
    [
        ("alarms", {"from": "yesterday"}, "from"),
        ("alarms", {"from": "2026-01-01T00:00:00"}, "from"),
        ("alarms", {"to": "0001-01-01T00:00:00Z"}, "to"),
        ("alarms", {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from"),
        ("alarms", {"from": "1990-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from"),
        ("alarms", {"limit": "0"}, "limit"),
        ("alarms", {"after": "-1"}, "after"),
        ("points/demo/r1/gas1-h2", {"step": "week"}, "step"),
        ("discharges", {"battery": "x" * 300}, "battery"),
    ],
)
async def test_a_wrong_question_is_told_its_field(
    client: httpx.AsyncClient, path: str, params: dict[str, str], field: str
) -> None:
    """422 with the field's name and what is allowed, never an empty answer."""
    answer = await client.get(f"/api/v1/history/{path}", params=params)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_an_unknown_battery_is_404_as_an_unknown_point_is(client: httpx.AsyncClient) -> None:
    """With those that there are; an empty answer would say that it was never discharged."""
    answer = await client.get("/api/v1/history/discharges", params={**SPAN, "battery": "demo/r1/bat9"})
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:ampward:problem:unknown-battery")
    assert answer.json()["detail"] == "no battery demo/r1/bat9, allowed: demo/r1/bat1"


@pytest.mark.parametrize(
    ("why", "status"),
    [(Why.NO_HISTORY, 404), (Why.TOO_MUCH, 422), (Why.UNKNOWN_POINT, 404), (Why.HISTORY_BROKEN, 503)],
)
async def test_what_cannot_be_told_is_a_problem(
    client: httpx.AsyncClient, past: FakePast, why: Why, status: int
) -> None:
    """Its type ends with the reason's name, on every route."""
    past.trouble = NotTold(why, "because")
    for path in ("history/points/a/b", "history/alarms", "history/discharges", "kpis"):
        answer = await client.get(f"/api/v1/{path}")
        assert answer.status_code == status
        assert answer.json()["type"].endswith(why.value)
        assert answer.json()["detail"] == "because"


async def test_the_history_needs_the_token(client: httpx.AsyncClient) -> None:
    """As everything else does."""
    answer = await client.get("/api/v1/kpis", headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 401


async def test_the_description_names_the_routes(client: httpx.AsyncClient) -> None:
    """A program finds them in /openapi.json, with their problems."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert {"/api/v1/history/alarms", "/api/v1/history/points/{point}", "/api/v1/kpis"} <= set(paths)
    assert "application/problem+json" in paths["/api/v1/kpis"]["get"]["responses"]["422"]["content"]
