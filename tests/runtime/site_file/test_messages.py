"""What people, schedules, routes and channels of a site file compile to."""

from pathlib import Path

import pytest

from shared.domain.notify_plan import DailyTest, HeartbeatPlan, Hours, NotifyPlan, Person, Route, Schedule
from shared.domain.plan import Severity
from shared.runtime.outside import may_hold_secret
from shared.runtime.site_file import check_site

HERE = Path(__file__).parent
BASE = (HERE / "good" / "base.yaml").read_text(encoding="utf-8").replace("../profiles", str(HERE / "profiles"))
PEOPLE = """
people:
  anna: {name: Anna A., email: a@example.org, phone: "+49 30 1234567", language: de, quiet: "22:00-06:00"}
  ben: {email: b@example.org, quiet: ["sat-mon 00:00-24:00", "wed, fri 12:30 - 13:00"]}
  carl: {email: c@example.org}
schedules: {late: [mon-fri 16:00-24:00]}
notify:
  - {match: {severity: critical, room: [r1, site], rule: h2_alarm}, to: anna, by: [email, webhook], repeat: 2min,
     escalate_after: 10min, when: late}
  - {to: [ben, carl], by: email, escalate_after: 5min, escalate_to: anna}
channels:
  email: {host: mail.example.org, user: box, password_file: secret, from: box@example.org}
  webhook: {url: "https://hooks.example.org/x", secret_file: secret, allow: [10.0.0.0/8]}
heartbeat: {url: "https://beat.example.org/1", every: 30s}
daily_test: 7:30
"""


@pytest.fixture
def plan(tmp_path: Path) -> NotifyPlan:
    """Of a site file with everything about people."""
    (tmp_path / "secret").write_text("x")
    (tmp_path / "site.yaml").write_text(BASE + PEOPLE.replace("wed, fri", "wed,fri"), encoding="utf-8")
    checked = check_site(tmp_path / "site.yaml", {})
    assert [str(fault) for fault in checked.faults if "notify" in fault.key or "people" in fault.key] == []
    assert checked.plan is not None
    return checked.plan.notify


def test_people_have_hours_and_the_sites_language(plan: NotifyPlan) -> None:
    """Quiet hours by days, in minutes; a person without a language gets the site's."""
    night = Hours((0, 1, 2, 3, 4, 5, 6), 1320, 360)
    assert plan.people == (
        Person("anna", "Anna A.", "a@example.org", "+49 30 1234567", "de", (night,)),
        Person("ben", "ben", "b@example.org", "", "en", (Hours((0, 5, 6), 0, 1440), Hours((2, 4), 750, 780))),
        Person("carl", "carl", "c@example.org", "", "en"),
    )


def test_routes_name_their_people_in_line(plan: NotifyPlan) -> None:
    """Without escalate_to everybody else is next, in the order of the file."""
    assert plan.schedules == (Schedule("late", (Hours((0, 1, 2, 3, 4), 960, 1440),)),)
    assert plan.routes == (
        Route(1, Severity.CRITICAL, ("r1", "_site"), ("h2_alarm",), ("anna",), ("email", "webhook"), 120_000, 600_000,
              ("ben", "carl"), "late"),
        Route(2, Severity.WARNING, (), (), ("ben", "carl"), ("email",), 0, 300_000, ("anna",)),
    )  # fmt: skip


def test_channels_know_where_their_secrets_are(plan: NotifyPlan, tmp_path: Path) -> None:
    """Paths start from the file that names them; a secret itself is never in a plan."""
    assert plan.channels == ("email", "webhook")
    assert plan.email[0].password_file == plan.webhook[0].secret_file == str(tmp_path / "secret")
    assert plan.webhook[0].allow == ("10.0.0.0/8",)
    assert plan.heartbeat == (HeartbeatPlan("https://beat.example.org/1", 30_000),)
    assert plan.daily_test == (DailyTest(450),)


def test_a_site_without_people_tells_nobody() -> None:
    """Nothing about people stands in the file: the plan is empty, and nothing is said about it."""
    checked = check_site(HERE / "good" / "base.yaml", {})
    assert checked.plan is not None
    assert checked.plan.notify == NotifyPlan()
    assert not [fault for fault in checked.faults if fault.key == "notify"]


def test_a_url_can_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    """Then the plan has the file's name, and not the URL, which is a secret; nothing is advised about it."""
    secret = "https://beat.example.org/0b6f3c1e-very-secret"
    (tmp_path / "beat.url").write_text(f"{secret}\n")
    (tmp_path / "site.yaml").write_text(f"{BASE}heartbeat: {{url_file: beat.url}}\n", encoding="utf-8")
    checked = check_site(tmp_path / "site.yaml", {})
    assert checked.plan is not None
    assert checked.plan.notify.heartbeat == (HeartbeatPlan("", 60_000, url_file=str(tmp_path / "beat.url")),)
    assert not [fault for fault in checked.faults if fault.key.startswith("heartbeat")]


@pytest.mark.parametrize(
    ("url", "is_advised"),
    [
        ("https://hooks.example.org/", False),
        ("https://hooks.example.org/ampward/building-seven-messages", False),
        ("https://hooks.example.org/site-7", False),
        ("https://hooks.example.org/services/T024/B024/XnM8cQ0f2LkTgGm1vRz9aBcD", True),
        ("https://beat.example.org/0b6f3c1e-3c1f-4a53-9a55-7bb2c3f0d1aa", True),
        ("https://hooks.example.org/?key=1", True),
    ],
)
def test_a_file_is_advised_for_a_url_that_may_be_a_secret(url: str, is_advised: bool) -> None:
    """A query, or a part of the path that looks made by chance; plain words are none."""
    assert may_hold_secret(url) is is_advised
