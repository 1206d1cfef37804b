"""The interface of a whole site, asked at random by its own description: no 5xx, whatever is asked."""

import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest
import schemathesis
from hypothesis import given, settings
from hypothesis import strategies as st

from services.site.command.stock import due, stock
from tests.e2e.depot import Depot, open_depot
from tests.e2e.foreign import Site, wait_for
from tests.fuzz.test_http import hold

EXAMPLES = 10
"""Of each operation; `make fuzz` asks the gateway alone at length."""


@pytest.fixture(scope="module")
def depot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Depot]:
    with open_depot(tmp_path_factory.mktemp("depot")) as made:
        yield made


@pytest.fixture(scope="module")
def site(depot: Depot) -> Iterator[Site]:
    running = Site(depot.site_file, depot.data)
    try:
        depot.settle()
        depot.h2(15)
        wait_for("the pre-alarm", lambda: running.alarms().get("h2_prealarm"))
        wait_for("the history", lambda: running.get("/api/v1/history/alarms")["items"])
        yield running
    finally:
        running.end_everything()


def asking(schema: Any, method: str, path: str, where: tuple[str, str]) -> Callable[[], None]:
    """Asks one operation EXAMPLES times."""

    @settings(max_examples=EXAMPLES)
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        hold(schema, method, path, data, where)

    return ask


def test_stock_and_due_are_told_as_the_commands_tell_them(site: Site) -> None:
    """Over HTTP from the running site, by the command from its log."""
    for path, command, names in (
        ("stock", stock, ("part", "kind", "serial")),
        ("due", due, ("subject", "kind", "alarm")),
    ):
        told = [[item[name] for name in names] for item in site.get(f"/api/v1/{path}")["items"]]
        with redirect_stdout(StringIO()) as out:
            command(site.data, as_json=True)
        assert told == [[item[name] for name in names] for item in json.loads(out.getvalue())["items"]]
        assert told


def test_no_question_makes_a_site_stumble(site: Site) -> None:
    """Every operation with good and bad cases, over the real log, core and history; the trip stays ready."""
    document = site.get("/openapi.json")
    schema = schemathesis.openapi.from_dict(document)
    where = f"http://{site.record['http']}", (site.data / "token").read_text().strip()
    for path, item in document["paths"].items():
        for method in item:
            asking(schema, method.upper(), path, where)()
    assert site.get("/readyz")["ready"]
    assert "Exception in ASGI application" not in (site.data / "ampward.log").read_text() + site.printed()
