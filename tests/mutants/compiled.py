"""Seeded bugs of the compiled part, of how it comes to be built, and of how a bundle is installed."""

from tests.mutants.mutant import Mutant

RECORDS = "tests/compiled/test_records.py"
LINES = "tests/compiled/test_lines.py"
NAMES = "tests/compiled/test_names.py"
COMPILER = "tests/infra/test_compiler.py"
BUNDLE = "tests/infra/test_wheel.py"
INSTALL = "tests/infra/test_install.py"

MUTANTS = (
    Mutant(
        "a record may end behind the last byte",
        "shared/compiled/records.pyx",
        "        if size - at < length:\n",
        "        if size - at < length - 1:\n",
        f"{RECORDS}::test_what_is_not_there_is_refused",
    ),
    Mutant(
        "a row may have the text behind the last",
        "shared/compiled/lines.pyx",
        "            if not 0 <= which[n] < count:\n",
        "            if not 0 <= which[n] <= count:\n",
        f"{LINES}::test_a_text_that_is_not_there_or_is_none_is_refused",
    ),
    Mutant(
        "a name may be made of the text behind the last",
        "shared/compiled/names.pyx",
        "            if not 0 <= which[row] < count:\n",
        "            if not 0 <= which[row] <= count:\n",
        f"{NAMES}::test_what_has_no_digest_is_refused",
    ),
    Mutant(
        "packages that bring no compiler are good enough",
        "infra/compiler",
        ">/dev/null || true\n  compiles && exit 0\n",
        ">/dev/null || true\n  exit 0\n",
        f"{COMPILER}::test_packages_that_do_not_help_end_the_setup",
    ),
    Mutant(
        "a changed compiled module is not built anew",
        "Makefile",
        "requirements.lock pyproject.toml $(COMPILED)\n",
        "requirements.lock pyproject.toml\n",
        f"{COMPILER}::test_setup_builds_anew_when_a_compiled_module_changed",
    ),
    Mutant(
        "a bundle's compiled part looks for libraries where its builder had them",
        "infra/bundle/make.py",
        ', "LDSHARED": f"{sysconfig.get_config_var(\'CC\')} -shared"}',
        "}",
        f"{BUNDLE}::test_the_wheel_tells_nothing_of_who_built_it",
    ),
    Mutant(
        "a bundle is switched to although its compiled part does not load",
        "infra/bundle/install.sh",
        '-c "$compiled" || fail ',
        '-c "$compiled" || say ',
        f"{INSTALL}::test_a_compiled_part_that_does_not_load_is_never_switched_to",
    ),
    Mutant(
        "the folder of pushed files is root's",
        "infra/bundle/install.sh",
        "install -d -o ampward -g ampward -m 0755",
        "install -d -m 0755",
        f"{INSTALL}::test_what_the_centre_pushes_has_a_folder_that_the_service_may_write",
    ),
    Mutant(
        "a folder of pushed files that is there is made over",
        "infra/bundle/install.sh",
        '[ -e "$pushed" ] || [ -L',
        "[ -L",
        f"{INSTALL}::test_what_the_centre_pushes_has_a_folder_that_the_service_may_write",
    ),
    Mutant(
        "the unit's sandbox makes the folder of pushed files read-only",
        "infra/systemd/ampward.service",
        "ConfigurationDirectory=ampward\n",
        "",
        f"{INSTALL}::test_the_units_sandbox_lets_the_service_write_the_folder_of_pushed_files",
    ),
)
