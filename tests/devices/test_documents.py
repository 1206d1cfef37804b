"""YAML documents: version 1.2, every fault with its place, variables in values only, nothing that hangs."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from shared.runtime.documents import Fault, Refused, load_document, parse_document, validation_faults


class Inner(BaseModel):
    """A part of the model that the tests validate with."""

    model_config = ConfigDict(extra="forbid")
    unit: int
    name: str = ""

    @field_validator("name")
    @classmethod
    def _no_x(cls, name: str) -> str:
        if "x" in name:
            raise Refused(f"{name!r} holds an x", "names without x")
        return name


class Model(BaseModel):
    """The whole."""

    model_config = ConfigDict(extra="forbid")
    version: int
    devices: dict[str, Inner] = {}
    more: list[Inner] | None = None


def faults_of(text: str) -> list[str]:
    """All faults of a document under the model, as people read them."""
    document, faults = parse_document(text.encode(), {}, "site.yaml")
    if document is not None:
        try:
            Model.model_validate(document.data)
        except ValidationError as error:
            faults = [*faults, *validation_faults(document, error, Model)]
    return [str(fault) for fault in faults]


def test_values_are_those_of_yaml_1_2() -> None:
    """no, on and 1:30 are text, 012 is twelve, 0o14 too, 1e3 is a number, and .nan is kept for the model to refuse."""
    document, faults = parse_document(
        b"a: no\nb: on\nc: 1:30\nd: 012\ne: 0o14\nf: 1e3\ng: ~\nh: true\ni: 0x10", {}, "f"
    )
    assert document is not None and not faults
    assert document.data == {"a": "no", "b": "on", "c": "1:30", "d": 12, "e": 12, "f": 1000.0, "g": None, "h": True,
                             "i": 16}  # fmt: skip


def test_variables_are_replaced_in_values_after_parsing() -> None:
    """A variable's text never becomes a key or a structure, a default stands in, and $${ is a plain ${."""
    env = {"A": "x: {y: 1}", "EMPTY": ""}
    document, faults = parse_document(b"a: ${A}\nb: ${B:-5}/${EMPTY:-six}\nc: $${A}\n${A}: k\ne: '${EMPTY}'", env, "f")
    assert document is not None and not faults
    assert document.data == {"a": "x: {y: 1}", "b": "5/six", "c": "${A}", "${A}": "k", "e": ""}


def test_a_missing_variable_is_a_fault_at_its_value() -> None:
    """A variable that is not set and has no default is named with line and column."""
    assert faults_of("version: 1\ndevices: {a: {unit: 1, name: '${NOBODY}'}}") == [
        "site.yaml:2:30: devices.a.name: the variable NOBODY is not set, set it, or ${NOBODY:-default}"
    ]


def test_keys_that_stand_twice_are_all_found() -> None:
    """Each second key is a fault that names the line of the first, also in flow style and also deep inside."""
    assert faults_of("version: 1\nversion: 2\ndevices: {a: {unit: 1, unit: 2}, a: {unit: 3}}") == [
        "site.yaml:2:1: version: stands twice, first in line 1, once",
        "site.yaml:3:24: devices.a.unit: stands twice, first in line 3, once",
        "site.yaml:3:34: devices.a: stands twice, first in line 3, once",
    ]


def test_the_model_s_errors_stand_at_their_lines() -> None:
    """Unknown, missing and wrong keys are told at once, with the nearest known key and the validator's own words."""
    assert faults_of("version: one\ndevices:\n  a: {unti: 1}\n  b: {unit: 2, name: axe}\nmore:\n- unit: 1\n- {}\n") == [
        "site.yaml:1:10: version: 'one' is wrong, input should be a valid integer,"
        " unable to parse string as an integer",
        "site.yaml:3:6: devices.a.unit: is missing, it is required",
        "site.yaml:3:7: devices.a.unti: unknown key, did you mean unit, allowed are name, unit",
        "site.yaml:4:22: devices.b.name: 'axe' holds an x, names without x",
        "site.yaml:7:3: more[1].unit: is missing, it is required",
    ]


def test_merged_mappings_keep_their_own_keys_first() -> None:
    """<<: takes what is not there yet, and a fault in a merged part stands where the part was written."""
    document, faults = parse_document(b"base: &b {unit: 1, name: q}\nd: {<<: *b, unit: 2}", {}, "f")
    assert document is not None and not faults
    assert document.data["d"] == {"unit": 2, "name": "q"}


BAD = [
    ("an open bracket", b"a: [1", "1:6: (document): is not YAML"),
    ("two documents", b"a: 1\n---\nb: 2", "holds several documents"),
    ("a list", b"- a", "is not a mapping"),
    ("nothing", b"", "is not a mapping"),
    ("bytes that are not UTF-8", b"a: 1\nb: \xff\xfe", "f:2:1: (document): is not UTF-8 text"),
    ("a zero byte", b"a: \x00", "is not YAML"),
    ("a Python object", b"a: !!python/object:os.system {}", "f:1:4: a: "),
    ("a foreign tag", b"a: !secret x", "has the unknown tag"),
    ("a key that is a list", b"? [1]\n: 2", "has a key that is not text"),
    ("an alias of nothing", b"a: *b", "undefined alias"),
    ("an alias of itself", b"a: &a [*a]", "too deep, too large or recursive"),
    ("a merge with itself", b"a: &a {<<: *a}", "cannot be merged"),
    ("brackets without end", b"a: 1\nb: " + b"[" * 5000, "f:2:44: (document): is nested too deeply"),
    ("dashes without end", b"a:\n" + b"- " * 5000, "f:2:1: (document): is nested too deeply"),
    ("a staircase", b"".join(b" " * n + b"a:\n" for n in range(400)), "f:201:1: (document): is nested too deeply"),
    ("a list without end", b"a: [" + b"1," * 50_000 + b"]", "is too long"),
    ("a laughing alias", b"a: &a [1,1,1,1,1,1,1,1,1]\n" + b"".join(
        b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % (c, c, *[c - 1] * 9) for c in range(98, 106)),
     "too large"),
    ("another version", b"%YAML 3.0\n---\na: 1", "is not YAML"),
]  # fmt: skip


@pytest.mark.parametrize(("about", "raw", "expected"), BAD, ids=[case[0] for case in BAD])
def test_bad_documents_end_with_a_fault(about: str, raw: bytes, expected: str) -> None:
    """Each is refused with a place and a reason; none raises, hangs or grows without bound."""
    _, faults = parse_document(raw, {}, "f")
    assert any(expected in str(fault) for fault in faults), (about, [str(fault) for fault in faults])


def test_files_that_cannot_be_read_are_a_fault(tmp_path: Path) -> None:
    """A missing file, a folder and a file over 1 MiB are told with the file's name."""
    big = tmp_path / "big.yaml"
    big.write_bytes(b"#" * (1 << 20) + b"\na: 1")
    for path, what in ((tmp_path / "no.yaml", "cannot be read"), (tmp_path, "cannot be read"), (big, "larger than")):
        document, faults = load_document(path, {}, name=path.name)
        assert document is None and what in faults[0].what and faults[0].file == path.name


def test_a_fault_reads_as_one_line() -> None:
    """file:line:col: key: what is wrong, what is allowed."""
    assert str(Fault("a.yaml", 3, 7, "x.y", "is odd", "even numbers")) == "a.yaml:3:7: x.y: is odd, even numbers"
