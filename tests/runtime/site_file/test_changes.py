"""What a reload says about a changed site file."""

from pathlib import Path

from shared.devices.plan import SitePlan
from shared.runtime.site_file import check_site, plan_changes

GOOD = Path(__file__).parent / "good"
TEXT = (GOOD / "base.yaml").read_text(encoding="utf-8").replace("../profiles", str(GOOD.parent / "profiles"))


def plan_of(folder: Path, text: str) -> SitePlan:
    """The plan of a site file with this text."""
    file = folder / "site.yaml"
    file.write_text(text, encoding="utf-8")
    plan = check_site(file, {}).plan
    assert plan is not None
    return plan


def test_the_same_file_changes_nothing(tmp_path: Path) -> None:
    """Two plans of one file differ in nothing."""
    changes = plan_changes(plan_of(tmp_path, TEXT), plan_of(tmp_path, TEXT))
    assert changes.is_empty
    assert changes.text() == "nothing changed"


def test_a_limit_is_a_change_of_its_alarms(tmp_path: Path) -> None:
    """Another pre-alarm limit changes the pre-alarm and nothing else."""
    new = plan_of(tmp_path, TEXT + "rules: {h2_prealarm: {limit: 0.9}}\n")
    changes = plan_changes(plan_of(tmp_path, TEXT), new)
    assert changes.changed == ("t1/r1/gas1-h2/h2_prealarm",)
    assert not changes.added
    assert not changes.removed


def test_a_renamed_device_is_no_loss(tmp_path: Path) -> None:
    """With ``was:`` the alarms of a renamed device go on under their new ids."""
    text = TEXT.replace("gas1", "head1").replace("every: 500ms, room: r1", "every: 500ms, room: r1, was: gas1")
    changes = plan_changes(plan_of(tmp_path, TEXT), plan_of(tmp_path, text))
    assert ("t1/r1/gas1-h2/h2_alarm", "t1/r1/head1-h2/h2_alarm") in changes.renamed
    assert not any("h2_alarm" in name for name in (*changes.added, *changes.removed))


def test_a_jar_less_is_removed_with_its_alarms(tmp_path: Path) -> None:
    """23 jars instead of 24: the last one's alarms are gone."""
    changes = plan_changes(plan_of(tmp_path, TEXT), plan_of(tmp_path, TEXT.replace("jars: 24", "jars: 23")))
    assert "t1/r1/bat1/24S1/jar_temp_alarm" in changes.removed
    assert not changes.added


def test_what_needs_a_restart_is_named(tmp_path: Path) -> None:
    """Another port of the HTTP interface is taken up only by a new start."""
    changes = plan_changes(plan_of(tmp_path, TEXT), plan_of(tmp_path, TEXT + "http: 127.0.0.1:9999\n"))
    assert changes.needs_restart == ("http",)
    assert "only after a restart: http" in changes.text()
