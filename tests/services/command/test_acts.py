"""Acts from the command line: what arrives at the site, and what the person is told."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from services.gateway.views import CommandAnswer, CommandState, RoomRefusal
from services.site.command.client import os_user
from shared.domain.inputs import Command, Refusal, What
from shared.domain.plan import Severity
from tests.services.command.conftest import Run, Served

ALARM = "demo/r1/gas1-h2/h2_alarm"

ACTS: list[tuple[list[str], dict[str, object]]] = [
    (["ack", ALARM], {"what": What.ACK, "subject": ALARM, "occurrence": "", "severity_seen": None}),
    (
        ["ack", ALARM, "--occurrence", "a" * 32, "--severity-seen", "critical"],
        {"what": What.ACK, "occurrence": "a" * 32, "severity_seen": Severity.CRITICAL},
    ),
    (["reset", ALARM, "-r", "aired"], {"what": What.RESET, "reason": "aired"}),
    (["shelve", ALARM, "--for", "8h", "-r", "x"], {"what": What.SHELVE, "for_ms": 28_800_000, "reason": "x"}),
    (["unshelve", ALARM], {"what": What.UNSHELVE}),
    (["silence"], {"what": What.SILENCE, "subject": "demo"}),
    (["silence", "demo/r1"], {"what": What.SILENCE, "subject": "demo/r1"}),
    (
        ["out-of-service", ALARM, "--for", "2h", "-r", "x", "--second-person", "Ben", "--measure", "portable"],
        {"what": What.OUT_OF_SERVICE, "for_ms": 7_200_000, "second_person": "Ben", "measure": "portable"},
    ),
    (["in-service", ALARM], {"what": What.IN_SERVICE}),
    (["maintenance", "demo/r1", "--for", "4h", "-r", "yearly"], {"what": What.MAINTENANCE, "for_ms": 14_400_000}),
    (["test", "demo/r1/io1-do0"], {"what": What.TEST, "subject": "demo/r1/io1-do0", "for_ms": 10_000}),
    (
        ["replace", "demo/r1/bat1/1S1", "--old", "A 1", "--new", "B2", "-r", "leaks", "--mohm", "3,125"],
        {"what": What.REPLACE, "old_serial": "A 1", "new_serial": "B2", "reason": "leaks", "value": 3_125},
    ),
    (["baseline", "demo/r1/bat1"], {"what": What.BASELINE, "subject": "demo/r1/bat1", "value": 0}),
    (["baseline", "demo/r1/bat1/1S1", "--mohm", "4"], {"what": What.BASELINE, "value": 4_000}),
    (["calibrated", "demo/r1/gas1-h2", "-r", "sheet 2"], {"what": What.CALIBRATED, "age_ms": 0, "reason": "sheet 2"}),
    (["proof-tested", "demo/r1/io1-do0"], {"what": What.PROOF_TESTED, "subject": "demo/r1/io1-do0", "age_ms": 0}),
]


@pytest.mark.parametrize(("words", "wanted"), ACTS, ids=[" ".join(words)[:40] for words, _ in ACTS])
def test_an_act_arrives_whole(run: Run, site: Served, words: list[str], wanted: dict[str, object]) -> None:
    """Each act reaches the site once, with everything that was said, and with the person's name."""
    ran = run(*words, "--data", site.folder)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("accepted: ")
    (command,) = site.views.commands
    assert {name: getattr(command, name) for name in wanted} == wanted
    assert command.actor == f"cli:{os_user()}"


def test_a_day_becomes_an_age(run: Run, site: Served) -> None:
    """--on names a day that was; the site gets whole days, so that the same act again is the same act."""
    day = datetime.now(UTC).date() - timedelta(days=20)
    assert run("calibrated", "demo/r1/gas1-h2", "--on", day, "--data", site.folder).code == 0
    (command,) = site.views.commands
    assert command.age_ms in (20 * 86_400_000, 21 * 86_400_000), "the day may have ended meanwhile"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("calibrated", "demo/r1/gas1-h2", "--on", "2999-01-01"), "not a day that was"),
        (("calibrated", "demo/r1/gas1-h2", "--on", "20260101"), "not a day that was"),
        (("proof-tested", "demo/r1/io1-do0", "--on", "yesterday"), "YYYY-MM-DD"),
        (("baseline", "demo/r1/bat1/1S1", "--mohm", "0"), "mOhm above 0"),
        (("baseline", "demo/r1/bat1/1S1", "--mohm", "3.1255"), "at most 3 decimals"),
        (("replace", "demo/r1/bat1/1S1", "--new", "x" * 65, "-r", "y"), "64 printable characters"),
    ],
)
def test_a_wrong_figure_is_told_and_nothing_is_done(run: Run, site: Served, words: tuple[str, ...], told: str) -> None:
    """Wrong usage, with what is allowed, before anything reaches the log."""
    ran = run(*words, "--data", site.folder)
    assert (ran.code, ran.out, site.views.commands) == (2, "", [])
    assert told in ran.err


def test_a_refusal_is_one_line_and_exit_1(run: Run, site: Served) -> None:
    """The reason in words, its name, and what is so now."""
    site.views.decide = lambda command: CommandAnswer(
        command.id, CommandState.REJECTED, Refusal.SEVERITY_ROSE, "", "b" * 32, "critical"
    )
    ran = run("ack", ALARM, "--data", site.folder)
    assert ran.code == 1
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert "graver since you looked (severity-rose); now it is critical" in ran.err


def test_the_rooms_that_refused_are_named(run: Run, site: Served) -> None:
    """One act over several rooms: done where it could be, and said where not."""
    quiet = RoomRefusal("r2", Refusal.NOT_ACTIVE, "")
    loud = RoomRefusal("r1", Refusal.OTHER_OCCURRENCE, "2 alarms are open there, name one")
    site.views.decide = lambda command: CommandAnswer(command.id, CommandState.ACCEPTED, refusals=(quiet,))
    ran = run("ack", "demo", "--data", site.folder)
    assert (ran.code, ran.out) == (0, "accepted: ack demo; r2 refused: not-active\n")
    site.views.decide = lambda command: CommandAnswer(
        command.id, CommandState.REJECTED, loud.reason, loud.text, refusals=(quiet, loud)
    )
    ran = run("ack", "demo", "--data", site.folder)
    assert ran.code == 1
    assert "r2 refused: not-active; r1 refused: 2 alarms are open there" in ran.err
    told = json.loads(run("ack", "demo", "--json", "--data", site.folder).out)
    assert [one["room"] for one in told["refusals"]] == ["r2", "r1"]


def test_an_act_that_means_several_alarms_asks_for_one(run: Run, site: Served) -> None:
    """No present occurrence is told, because there is not one."""
    site.views.decide = lambda command: CommandAnswer(
        command.id, CommandState.REJECTED, Refusal.OTHER_OCCURRENCE, "2 alarms are open there, name one"
    )
    ran = run("ack", "demo/r1", "--data", site.folder)
    words = "not clear which alarm is meant: 2 alarms are open there, name one (other-occurrence)\n"
    assert (ran.code, ran.err) == (1, f"ampward: refused: It is {words}")


def test_a_refusal_for_machines(run: Run, site: Served) -> None:
    """--json gives state, reason and the present occurrence on standard output."""
    site.views.decide = lambda command: CommandAnswer(
        command.id, CommandState.REJECTED, Refusal.UNKNOWN_SUBJECT, "no such alarm"
    )
    ran = run("reset", ALARM, "--data", site.folder, "--json", "--id", "c9")
    told = json.loads(ran.out)
    assert ran.code == 1
    assert (told["id"], told["state"], told["reason"]) == ("c9", "rejected", "unknown-subject")


def test_the_same_id_is_the_same_act(run: Run, site: Served) -> None:
    """A script that repeats itself acts once; another act under the id is refused."""
    for _ in range(2):
        assert run("ack", ALARM, "--id", "c1", "--data", site.folder).code == 0
    assert len(site.views.commands) == 1
    ran = run("reset", ALARM, "--id", "c1", "--data", site.folder)
    assert ran.code == 2
    assert "new id" in ran.err


def test_an_act_is_pending_until_the_site_has_decided(run: Run, site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site that takes its time is said to, and the act is not called done."""
    monkeypatch.setattr("services.site.command.acts.OUTCOME_S", 0.3)
    monkeypatch.setattr("services.site.command.acts.TOLD_S", 0.1)

    def later(command: Command) -> CommandAnswer:
        return CommandAnswer(command.id, CommandState.PENDING)

    site.views.decide = later
    ran = run("ack", ALARM, "--id", "c2", "--data", site.folder)
    assert ran.code == 0
    assert ran.err == f"ampward: pending: on its way to {ALARM.split('/')[0]}, no answer yet\n"
    assert ran.out == "pending: the site has not answered yet, what it decides stands in its log (id c2)\n"


WRONG: list[tuple[list[str], str]] = [
    (["ack"], "Missing argument"),
    (["shelve", ALARM, "-r", "x"], "Missing option"),
    (["shelve", ALARM, "--for", "30", "-r", "x"], "a number with its unit"),
    (["shelve", ALARM, "--for", "-5min", "-r", "x"], "a number with its unit"),
    (["shelve", ALARM, "--for", "5h"], "Missing option"),
    (["ack", ALARM, "--severity-seen", "fatal"], "warning, alarm, critical"),
    (["ack", ALARM, "--occurrence", "xyz"], "occurrence"),
    (["ack", "a\tb"], "printable"),
    (["ack", "x" * 251], "subject"),
    (["ack", ALARM, "-r", "a\x1b[2Jb"], "printable"),
    (["ack", ALARM, "--id", "a b"], "1 to 64 of"),
    (["ack", ALARM, "extra"], "unexpected extra argument"),
    (["ack", ALARM, "--frobnicate"], "No such option"),
    (["acknowledge", ALARM], "No such command"),
]


@pytest.mark.parametrize(("words", "said"), WRONG, ids=range(len(WRONG)))
def test_wrong_usage_is_one_line_and_exit_2(run: Run, site: Served, words: list[str], said: str) -> None:
    """Whoever mistypes learns what is allowed; nothing reaches the log."""
    ran = run(*words, *(["--data", site.folder] if words[0] != "acknowledge" else []))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("ampward: ")
    assert ran.err.count("\n") == 1
    assert said in ran.err
    assert not site.views.commands
