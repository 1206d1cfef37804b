"""One bad file per fault, named by the fault; what `check` says about it stands beside it."""

from pathlib import Path

import pytest

from shared.runtime.site_file import check_site

HERE = Path(__file__).parent
BAD = sorted((HERE / "bad").glob("*.yaml"))
WARNED = sorted((HERE / "warned").glob("*.yaml"))


def said_of(file: Path) -> str:
    """The lines that `check` would print, with severity."""
    return "".join(f"{fault.severity} {fault}\n" for fault in check_site(Path(file.name), {}).faults)


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_a_bad_file_is_refused_with_its_fault_at_its_place(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each bad file gives exactly the faults written beside it, and no plan."""
    monkeypatch.chdir(file.parent)
    assert said_of(file) == file.with_suffix(".txt").read_text(encoding="utf-8")
    assert check_site(Path(file.name), {}).plan is None


@pytest.mark.parametrize("file", WARNED, ids=lambda file: file.stem)
def test_a_warning_is_told_and_stops_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each questionable file gives exactly the warnings written beside it, and still a plan."""
    monkeypatch.chdir(file.parent)
    expected = file.with_suffix(".txt").read_text(encoding="utf-8")
    assert expected.startswith("warning ") and "error " not in expected
    assert said_of(file) == expected
    assert check_site(Path(file.name), {}).plan is not None


def test_a_file_that_is_not_there_is_a_fault() -> None:
    """A missing site file is told like every other fault, with its name."""
    checked = check_site(HERE / "nothing.yaml", {})
    assert checked.plan is None
    assert [fault.what for fault in checked.faults] == ["cannot be read (No such file or directory)"]


def test_a_part_left_out_for_a_fault_makes_no_faults_of_its_own(tmp_path: Path) -> None:
    """A device with a wrong key is told once: what refers to it is not called unknown."""
    text = (HERE / "good" / "base.yaml").read_text(encoding="utf-8").replace("../profiles", str(HERE / "profiles"))
    file = tmp_path / "site.yaml"
    file.write_text(text.replace("gas1: {bus: b1, unit: 1", "gas1: {bus: b1, unit: one"), encoding="utf-8")
    assert [fault.key for fault in check_site(file, {}).faults] == ["devices.gas1.unit"]
