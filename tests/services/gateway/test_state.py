"""Alarms, points, outputs, status and health over real HTTP."""

import httpx
import pytest

from services.gateway.address import bind_loopback
from services.gateway.fake import FakeViews
from services.gateway.server import Gateway
from services.gateway.views import AlarmItem, Check, OutputItem, PointItem, Readiness
from shared.domain.errors import Busy, ConfigError
from shared.runtime.metrics import MetricValues

ALARM = AlarmItem(
    id="demo/r1/gas1-h2/h2_alarm",
    rule="h2_alarm",
    point="demo/r1/gas1-h2",
    severity="critical",
    state="B",
    condition="true",
    override="none",
    occurrence="a" * 32,
    since_at_ms=1_767_225_600_250,
    value="2.1",
    unit="%vol",
    guidance="Leave the room.",
)


async def test_alarms_have_the_published_shape(client: httpx.AsyncClient, views: FakeViews) -> None:
    """Every field of the interface is there, with instants in RFC 3339."""
    views.alarm_items = (ALARM,)
    answer = (await client.get("/api/v1/alarms")).json()
    assert answer == {
        "items": [
            {
                "id": "demo/r1/gas1-h2/h2_alarm",
                "rule": "h2_alarm",
                "point": "demo/r1/gas1-h2",
                "severity": "critical",
                "state": "B",
                "condition": "true",
                "override": "none",
                "occurrence": "a" * 32,
                "since": "2026-01-01T00:00:00.250Z",
                "value": "2.1",
                "unit": "%vol",
                "guidance": "Leave the room.",
                "until": None,
                "pending": "",
                "undurable": False,
            }
        ],
        "as_of": "2023-11-14T22:13:20.000Z",
    }


async def test_a_point_without_a_value_says_why(client: httpx.AsyncClient, views: FakeViews) -> None:
    """A missing value is null with its reason, never a number."""
    views.point_items = (
        PointItem("demo/r1/gas1-h2", "0.4", "%vol", "good", "", 1_767_225_600_000),
        PointItem("demo/r1/bat1/2S4/level", None, "state", "bad", "never", 0),
    )
    items = (await client.get("/api/v1/points")).json()["items"]
    assert [item["value"] for item in items] == ["0.4", None]
    assert items[1]["no_data"] == "never"
    assert items[1]["at"] is None


async def test_outputs_say_who_demands_them(client: httpx.AsyncClient, views: FakeViews) -> None:
    """An output shows demand, causes, read-back, proof and whether it is armed."""
    views.output_items = (
        OutputItem(
            "demo/r1/io1-do0", "fan", "on", ("h2_alarm",), "on", "proven", armed=False, supervision="not supervised"
        ),
    )
    (item,) = (await client.get("/api/v1/outputs")).json()["items"]
    assert (item["demand"], item["by"], item["read_back"]) == ("on", ["h2_alarm"], "on")
    assert (item["proof"], item["armed"], item["supervision"]) == ("proven", False, "not supervised")


async def test_status_tells_of_the_box(client: httpx.AsyncClient) -> None:
    """Status joins the site, its log and its readiness."""
    status = (await client.get("/api/v1/status")).json()
    assert status["site"] == "demo"
    assert status["ready"] is True
    assert status["armed"] is False
    assert status["undurable"] is False


async def test_an_unready_trip_is_503(client: httpx.AsyncClient, views: FakeViews) -> None:
    """/readyz fails only when the trip is not ready, and says what is wrong."""
    assert (await client.get("/readyz")).status_code == 200
    views.ready = Readiness(ready=False, armed=False, checks={"trip": Check(ok=False, detail="guard does not answer")})
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "armed": False,
        "checks": {"trip": {"ok": False, "detail": "guard does not answer"}},
    }


async def test_metrics_have_their_names(client: httpx.AsyncClient, views: FakeViews) -> None:
    """A scrape without a token gives the published names with the values of the moment."""
    views.values = MetricValues(
        frames_accepted=7, alarms_active={"critical": 2}, trip_armed=True, log_head_sequence=9, frame_age_s=0.5
    )
    answer = await client.get("/metrics", headers={"Authorization": ""})
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = set(answer.text.splitlines())
    assert lines >= {
        "ampward_frames_accepted_total 7.0",
        "ampward_frames_lost_total 0.0",
        'ampward_alarms_active{severity="critical"} 2.0',
        'ampward_alarms_active{severity="warning"} 0.0',
        "ampward_deadletters_total 0.0",
        "ampward_trip_armed 1.0",
        "ampward_log_head_sequence 9.0",
        "ampward_frame_age_seconds 0.5",
    }


async def test_the_interface_describes_itself(client: httpx.AsyncClient) -> None:
    """/openapi.json holds every path, and the command's schema with its limits."""
    described = (await client.get("/openapi.json")).json()
    assert set(described["paths"]) == {
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/v1/alarms",
        "/api/v1/points",
        "/api/v1/outputs",
        "/api/v1/status",
        "/api/v1/events",
        "/api/v1/commands",
        "/api/v1/commands/{command_id}",
        "/api/v1/stock",
        "/api/v1/due",
    }
    post = described["paths"]["/api/v1/commands"]["post"]
    schema = post["requestBody"]["content"]["application/json"]["schema"]
    assert schema["additionalProperties"] is False
    statuses = ("202", "400", "401", "403", "408", "409", "413", "415", "422", "429", "431", "503")
    assert set(post["responses"]) == set(statuses)
    for status, answer in post["responses"].items():
        assert list(answer["content"]) == ["application/json" if status == "202" else "application/problem+json"]
    assert described["security"] == [{"token": []}]
    assert described["paths"]["/healthz"]["get"]["security"] == []
    assert set(schema["properties"]) >= {"id", "what", "subject", "occurrence", "severity_seen", "reason", "for"}


async def test_a_taken_port_is_an_error_at_start(gateway: Gateway) -> None:
    """The second server on a port is refused with the way out."""
    with pytest.raises(Busy, match="--http"):
        bind_loopback(gateway.address)


@pytest.mark.parametrize(
    "address", ["0.0.0.0:8080", "example.org:80", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", ":80"]
)
def test_only_loopback_is_served(address: str) -> None:
    """An address that is not loopback, or none at all, is refused with what is allowed."""
    with pytest.raises(ConfigError, match="allowed: "):
        bind_loopback(address)
