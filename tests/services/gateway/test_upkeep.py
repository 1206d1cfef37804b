"""What is built in and what is due, over HTTP."""

import httpx
import pytest

from services.gateway.fake import FakeViews
from services.gateway.views import DueItem, PartItem, Upkeep
from tests.services.gateway.test_door import problem

AT_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z"""
DAY_MS = 86_400_000
JAR = PartItem(
    part="demo/r1/bat1/1S1", kind="jar", type="OPzS", serial="J-1", made="2024", installed="2024-05-31", position="A1",
    replaced_at_ms=AT_MS, replaced_by="cli:anna", reason="cracked", times=1, baseline_mohm="3.125",
    baseline_at_ms=AT_MS, measuring=0, site_file_serial="J-0", calibrated_at_ms=0, tested_at_ms=0, due_at_ms=0,
    as_of_ms=AT_MS,
)  # fmt: skip
HEAD = PartItem(
    part="demo/r1/gas1-h2", kind="gas_head", type="", serial="", made="", installed="", position="",
    replaced_at_ms=0, replaced_by="", reason="", times=0, baseline_mohm="", baseline_at_ms=0, measuring=0,
    site_file_serial="", calibrated_at_ms=AT_MS, tested_at_ms=0, due_at_ms=AT_MS + 180 * DAY_MS,
    as_of_ms=AT_MS,
)  # fmt: skip
GAS = "demo/r1/gas1-h2"
FAN = "demo/r1/fan"
LATE = DueItem("proof_test", FAN, f"{FAN}/proof_test_overdue", AT_MS, -DAY_MS - 1, 0, "", 90 * DAY_MS, AT_MS)
SOON = DueItem(
    "calibration", GAS, f"{GAS}/calibration_overdue", AT_MS + DAY_MS, 1, AT_MS, "cli:ben", 180 * DAY_MS, AT_MS
)


@pytest.fixture
def views() -> FakeViews:
    return FakeViews(maintained=Upkeep((JAR, HEAD), (LATE, SOON)))


async def test_stock_has_a_row_a_part(client: httpx.AsyncClient) -> None:
    """An instant that never was, and a baseline that nobody has, are null."""
    jar, head = (await client.get("/api/v1/stock")).json()["items"]
    assert (jar["serial"], jar["site_file_serial"], jar["baseline_mohm"]) == ("J-1", "J-0", "3.125")
    assert (jar["replaced_at"], jar["due_at"], jar["as_of"]) == ("2026-01-01T00:00:00.000Z", None, jar["replaced_at"])
    assert (head["baseline_mohm"], head["replaced_at"]) == (None, None)
    assert head["due_at"] == "2026-06-30T00:00:00.000Z"
    assert [item["part"] for item in (await client.get("/api/v1/stock?kind=jar")).json()["items"]] == [JAR.part]


async def test_a_kind_that_there_is_not_is_422(client: httpx.AsyncClient) -> None:
    """With those that there are."""
    answer = await client.get("/api/v1/stock?kind=fridge")
    assert answer.status_code == 422
    allowed = "jar, module, sensor, gas_head, device, relay_module"
    assert problem(answer)["errors"] == [{"field": "kind", "message": "is not a kind of part", "allowed": allowed}]


async def test_due_counts_whole_days(client: httpx.AsyncClient) -> None:
    """What is overdue by a day has -1 left; what is due within the day has 0 and is not overdue."""
    late, soon = (await client.get("/api/v1/due")).json()["items"]
    assert (late["overdue"], late["days_left"], late["done_at"], late["every_days"]) == (True, -1, None, 90)
    assert (soon["overdue"], soon["days_left"], soon["by"]) == (False, 0, "cli:ben")
    assert soon["as_of"] == "2026-01-01T00:00:00.000Z"
    assert soon["alarm"] == f"{GAS}/calibration_overdue"


@pytest.mark.parametrize("path", ["stock", "due"])
async def test_a_site_that_does_not_answer_in_time_is_503(
    client: httpx.AsyncClient, views: FakeViews, path: str
) -> None:
    """Nothing is made up, and the client learns when to come back."""
    views.maintained = None
    answer = await client.get(f"/api/v1/{path}")
    assert answer.status_code == 503
    assert str(problem(answer)["type"]).endswith("site-busy")
    assert answer.headers["retry-after"] == "5"
