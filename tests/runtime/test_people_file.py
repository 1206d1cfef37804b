"""The centre's file of people: the site file's form and checks, for every site alike."""

from pathlib import Path

import pytest

from shared.domain.errors import ConfigError
from shared.runtime.site_file.people import read_people

GOOD = """
version: 1
site: {id: centre, time_zone: Europe/Berlin, language: de}
people: {anna: {email: anna@example.org}}
channels: {email: {host: 127.0.0.1, port: 2525, tls: none, from: box@example.org}}
heartbeat: {url: "https://example.org/beat", every: 5min}
daily_test: "08:00"
notify: [{match: {severity: alarm}, to: [anna], by: [email]}]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "people.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_people_channels_and_routes_are_read(tmp_path: Path) -> None:
    """What is each site's own, a heartbeat and a daily test message, is left out."""
    found = read_people(write(tmp_path, GOOD), {})
    assert [person.id for person in found.plan.people] == ["anna"]
    assert [route.to for route in found.plan.routes] == [("anna",)]
    assert found.plan.channels == ("email",)
    assert (found.time_zone, found.language) == ("Europe/Berlin", "de")
    assert (found.plan.heartbeat, found.plan.daily_test) == ((), ())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("to: [anna]", "to: [ana]", "there is no person ana"),
        ("Europe/Berlin", "Europe/Berlinn", "is no time zone"),
        ("match: {severity: alarm}", "match: {room: [r1]}", "there is no room r1"),
        ("notify: [{match: {severity: alarm}, to: [anna], by: [email]}]", "", "nobody is told anything"),
        ("version: 1", "version: 2", "version"),
    ],
)
def test_a_fault_is_told_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    """File, line and what is wrong, as of a site file."""
    with pytest.raises(ConfigError, match=said) as told:
        read_people(write(tmp_path, GOOD.replace(old, new)), {})
    assert "people.yaml:" in str(told.value)
