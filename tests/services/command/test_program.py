"""The program as a whole: help, completion, pipes, one line for trouble, and what `run` loads."""

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from services.site.command import app as app_module
from services.site.command.app import build, call
from services.site.command.start import RunOptions, parse_plain
from shared.domain.version import CORE_VERSION
from tests.services.command.conftest import Run

ROOT = Path(__file__).parents[3]
AMPWARD = [sys.executable, "-c", "from services.site.command import main; main()"]
COMMANDS = sorted(str(command.name) for command in build().registered_commands)


def test_every_command_teaches_with_an_example(run: Run) -> None:
    """--help of each command has an example that begins with its own name."""
    assert len(COMMANDS) >= 18
    for name in COMMANDS:
        ran = run(name, "--help")
        assert ran.code == 0
        assert f"ampward {name}" in " ".join(ran.out.split()).replace("Usage: ampward", ""), name


def test_each_example_has_a_line_of_its_own(run: Run) -> None:
    """What is to be typed can be copied."""
    lines = [line.strip() for line in run("replay", "--help").out.splitlines()]
    assert "Example: ampward replay data" in lines
    assert "Example: ampward replay data --rules site-with-lower-limits.yaml" in lines


def test_a_data_folder_that_is_none_is_said_in_words(tmp_path: Path) -> None:
    """A file where the folder should be: exit 3, its name, no numbers of the system."""
    path = tmp_path / "file"
    path.touch()
    done = subprocess.run(
        [*AMPWARD, "run", "--data", path, "--no-view"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert done.stderr == f"ampward: cannot start: {path}: File exists\n"


def test_the_help_says_what_it_is_not_and_the_exit_codes(run: Run) -> None:
    """A supplement to a listed detector; and what the numbers mean."""
    text = " ".join(run("--help").out.split())
    assert "does not replace them" in text
    assert "Exit codes: 0 done" in text
    assert "Traceback" not in text


def test_the_version_is_said(run: Run) -> None:
    """The program's and the core's, on one line."""
    done = run("--version")
    assert (done.code, done.out) == (0, f"ampward {metadata.version('ampward')}, core version {CORE_VERSION}\n")


@pytest.mark.parametrize("words", [[], ["-h"], ["check", "-h"]])
def test_asking_for_help_is_no_error_line(run: Run, words: list[str]) -> None:
    """No arguments and -h both show the help and nothing on standard error."""
    ran = run(*words)
    assert "Usage: ampward" in ran.out
    assert ran.err == ""


def test_a_fault_of_the_program_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What nobody foresaw ends with exit code 4 and how to see more, not with a stack of frames."""

    def broken(*_args: object) -> None:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr("services.processor.verify.verify", broken)
    monkeypatch.delenv("AMPWARD_DEBUG", raising=False)
    ran = run("verify", tmp_path)
    assert ran.code == 4
    assert ran.err == "ampward: a fault of this program: RuntimeError: first line (AMPWARD_DEBUG=1 shows where)\n"
    monkeypatch.setenv("AMPWARD_DEBUG", "1")
    with pytest.raises(RuntimeError):
        call(["verify", str(tmp_path)])


def test_the_shell_completes() -> None:
    """Completion names the commands."""
    environment = {**os.environ, "_AMPWARD_COMPLETE": "complete_bash", "COMP_WORDS": "ampward uns", "COMP_CWORD": "1"}
    done = subprocess.run(AMPWARD, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "unshelve" in done.stdout


def test_a_file_name_of_any_bytes_is_said(tmp_path: Path) -> None:
    """A name that is no text of this terminal ends in a line as well."""
    file = os.fsencode(tmp_path) + b"/\xff\n.yaml"
    Path(os.fsdecode(file)).write_bytes(b"\x00\xff")
    done = subprocess.run([*AMPWARD, "check", file], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stdout.count(b"\n") == 1
    assert done.stdout.endswith(b"\n")
    assert done.stderr == b""


def test_a_reader_that_goes_away_is_no_trouble() -> None:
    """`ampward schema | head -c 1` ends quietly."""
    line = " ".join(f"'{word}'" for word in AMPWARD)
    done = subprocess.run(
        ["bash", "-c", f"{line} schema | head -c 1; exit ${{PIPESTATUS[0]}}"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.stdout == b"{"
    assert done.stderr == b""
    assert done.returncode == 0


def test_check_prints_each_fault_on_a_line(run: Run, tmp_path: Path) -> None:
    """FILE:LINE:COL: KEY: what, allowed; JSON with the same; exit 1, and 0 for a good file."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\nsite: {id: Demo}\ncolour: red\n")
    ran = run("check", bad)
    assert ran.code == 1
    assert all(line.startswith(f"{bad}:") for line in ran.out.splitlines())
    told = json.loads(run("check", bad, "--json").out)
    assert len(told) == len(ran.out.splitlines()) >= 2
    assert all(set(one) == {"file", "line", "col", "key", "severity", "message"} for one in told)
    good = run("check", ROOT / "infra/sites/demo/site.yaml")
    assert good.code == 0
    assert run("check", tmp_path / "none.yaml").code == 2


def test_schema_is_a_json_schema(run: Run) -> None:
    """Editors can read it."""
    assert "properties" in json.loads(run("schema").out)


GOOD_RUNS: list[tuple[list[str], RunOptions]] = [
    ([], RunOptions(ROOT / "infra/sites/demo/site.yaml")),
    (["--no-view", "--for", "30s"], RunOptions(ROOT / "infra/sites/demo/site.yaml", for_s=30.0, view=False)),
    (
        ["--data=/d", "--http", "127.0.0.1:0"],
        RunOptions(ROOT / "infra/sites/demo/site.yaml", Path("/d"), "127.0.0.1:0"),
    ),
    ([str(ROOT / "README.md")], RunOptions(ROOT / "README.md")),
]


@pytest.mark.parametrize(("words", "wanted"), GOOD_RUNS, ids=range(len(GOOD_RUNS)))
def test_plain_arguments_of_run_are_read_at_once(
    words: list[str], wanted: RunOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The usual command lines need no library, and mean the same as with it."""
    monkeypatch.chdir(ROOT)
    plain = parse_plain(words)
    assert plain is not None
    assert plain.site_file.resolve() == wanted.site_file.resolve()
    assert (plain.data, plain.http, plain.for_s, plain.view) == (wanted.data, wanted.http, wanted.for_s, wanted.view)
    taken: list[RunOptions] = []

    def start(options: RunOptions) -> int:
        taken.append(options)
        return 0

    monkeypatch.setattr("services.site.command.sites.start", start)
    assert call(["run", *words]) == 0
    assert (taken[0].data, taken[0].http, taken[0].for_s, taken[0].view) == (
        plain.data,
        plain.http,
        plain.for_s,
        plain.view,
    )


@pytest.mark.parametrize(
    "words",
    [
        ["--for", "0s"],
        ["--help"],
        ["-h"],
        ["--for", "30"],
        ["--for"],
        ["--data"],
        ["--data", "--no-view"],
        ["--colour"],
        ["/none.yaml"],
        ["a", "b"],
    ],
)
def test_anything_to_explain_is_left_to_the_library(words: list[str]) -> None:
    """Help and mistakes are answered where everything is explained."""
    assert parse_plain(words) is None


def test_run_loads_no_library_of_the_command_line() -> None:
    """The parent lives for years: neither the parser nor the painter of terminals is in it."""
    code = (
        "import sys, services.site.command as c, services.site.parent as p\n"
        "heavy = ('typer', 'rich', 'fastapi', 'numpy', 'pydantic', 'paho', 'sqlite3')\n"
        "p.run = lambda *a: print([m for m in heavy if m in sys.modules]) or 0\n"
        "sys.argv = ['ampward', 'run', '--no-view']\n"
        "c.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_help_loads_nothing_heavy() -> None:
    """`ampward --help` starts quickly: no server, no field bus, no numbers."""
    heavy = ("numpy", "fastapi", "uvicorn", "pymodbus", "paho", "sqlite3", "pydantic")
    code = (
        "import sys\nfrom services.site.command.app import call\ncall(['--help'])\n"
        f"print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == "[]\n"
    assert app_module.EPILOG.startswith("Exit codes")
