"""Fuzz target of the site file: a plan, or faults that each have a place, a reason and a remedy."""

import tempfile
from pathlib import Path

from hypothesis import given

from shared.runtime.site_file import Checked, check_site
from tests.fuzz.harness import bad, held

SITE = b"""version: 1
site: {id: demo, name: Demo, time_zone: Europe/Berlin, demo: true}
buses:
  b1: {modbus_tcp: "127.0.0.1:${PORT:-5020}", timeout: 300ms}
devices:
  gas1: {bus: b1, unit: 1, profile: pemtech-pt495, every: 500ms, room: r1}
  io1: {bus: b1, unit: 2, profile: relay-io, every: 500ms, room: r1}
  bacs: {bus: b1, unit: 3, profile: bacs, every: 1s, room: r1}
rooms:
  r1:
    volume_m3: 50
    gas: [{h2: gas1.h2, warm_up: 60s}]
    fan: [{output: io1.do0, airflow: io1.di2, capacity_m3h: 1000, run_up: 5s, run_on: 60min}]
    charger_inhibit: {output: io1.do1}
    batteries:
      bat1:
        type: vented_lead
        cells_per_jar: 6
        capacity_ah: 100
        mode: {contact: io1.di3}
        strings: {s1: {device: bacs, current: bacs.s1_current, jars: 4}}
        ambient: io1.t0
rules: {h2_prealarm: {limit: 1.0, deadband: 0.2, on_delay: 0s, off_delay: 10s, latch: false}}
people: {anna: {email: a@example.org}}
http: 127.0.0.1:8080
"""


def _checked(raw: bytes) -> Checked:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "site.yaml")
        path.write_bytes(raw)
        checked = held(lambda: check_site(path, {}))
    assert checked is not None
    return checked


def test_the_good_site_file_is_good() -> None:
    """A sample that is refused would fuzz nothing."""
    checked = _checked(SITE)
    assert [str(fault) for fault in checked.errors] == []
    assert checked.plan is not None


@given(bad((SITE,)))
def test_a_site_file_is_planned_or_every_fault_has_its_place(raw: bytes) -> None:
    """Whatever the bytes: a plan without errors, or errors with file, line and column, and no plan."""
    checked = _checked(raw)
    assert (checked.plan is None) == bool(checked.errors)
    for fault in checked.faults:
        assert fault.line >= 1
        assert fault.col >= 1
        assert fault.what
