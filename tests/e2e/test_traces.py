"""A frame of a real site, followed by its trace to the relay and to the message."""

from pathlib import Path

import pytest

from tests.e2e.depot import open_depot
from tests.e2e.foreign import Site, wait_for
from tests.testkit.http_sink import HttpSink
from tests.testkit.otlp import collector

PEOPLE = """\
people: {{anna: {{email: anna@example.org}}}}
notify: [{{to: anna, by: [webhook]}}]
channels: {{webhook: {{url: "http://127.0.0.1:{port}/hook", allow: [127.0.0.0/8]}}}}
"""


def test_a_frame_over_two_per_cent_is_traced_to_the_relay_and_to_the_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relay and webhook hang on the same frame, though guard has tripped by itself; all of it is the site's, and no
    person is named."""
    with collector() as collected, HttpSink() as sink, open_depot(tmp_path) as depot:
        for name, value in collected.env.items():
            monkeypatch.setenv(name, value)
        depot.write(more=PEOPLE.format(port=sink.port))
        site = Site(depot.site_file, depot.data)
        try:
            depot.settle()
            depot.h2(25)
            way = {"decide", "relay", "message"}
            wait_for(f"a trace with {way}", lambda: any(way <= trace.keys() for trace in collected.traces().values()))
        finally:
            site.end_everything()
    assert {service for service, _ in collected.spans} == {"ampward-site"}
    assert all("anna" not in str(span) for _, span in collected.spans)
