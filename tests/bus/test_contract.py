"""The AsyncAPI document: kept as it is made, whole, and read by the specification's own parser."""

import json
import re
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # It comes without types.
import pytest

from shared.bus import registry, topics
from shared.bus.contract import RECORDS, document, text
from tests.architecture.source import ROOT
from tests.testkit.npm import run_node
from tests.wire.fleet_samples import SAMPLES, Sample

KEPT = ROOT / "docs" / "asyncapi.json"
INFORMATION = 2
"""Severity of a remark: 0 is an error, 1 a warning."""


def test_the_kept_document_is_the_one_that_is_made() -> None:
    """A changed record or topic shows in the document's own difference: python -m shared.bus.contract > it."""
    assert KEPT.read_text(encoding="utf-8") == text()


def test_every_topic_of_the_registries_is_in_it() -> None:
    """By its address, and with at least one message."""
    channels = document()["channels"].values()
    assert {channel["address"] for channel in channels} == {
        *(topic.name for topic in registry.ALL),
        *(kind.pattern for kind in (*topics.ALL, *topics.INWARDS)),
    }
    assert all(channel["messages"] for channel in channels)


def test_every_kind_of_record_is_in_it() -> None:
    """Each has a golden sample of the same name; a rule set is what the tests of plans have."""
    names = {record.name for records in RECORDS.values() for record in records}
    assert names == {sample.name for sample in SAMPLES} | {"ruleset"}


def test_the_specifications_own_parser_finds_nothing_wrong() -> None:
    """Neither an error nor a warning; it sees every channel and message."""
    found = run_node("asyncapi.mjs", str(KEPT))
    assert [each for each in found["diagnostics"] if each["severity"] < INFORMATION] == []
    made = document()
    assert set(found["channels"]) == {channel["address"] for channel in made["channels"].values()}
    assert set(found["messages"]) == set(made["components"]["messages"])


def test_the_parser_would_find_something_wrong(tmp_path: Path) -> None:
    """A reference that leads nowhere is an error to it."""
    broken = KEPT.read_text(encoding="utf-8").replace("#/servers/mqtt", "#/servers/none", 1)
    (tmp_path / "broken.json").write_text(broken, encoding="utf-8")
    found = run_node("asyncapi.mjs", str(tmp_path / "broken.json"))
    assert [each for each in found["diagnostics"] if each["severity"] == 0]


def schema_of(message: str) -> dict[str, object]:
    """The JSON Schema of a message's payload or header line, with the document's others within reach."""
    payload = document()["components"]["messages"][message]["payload"]
    return {**payload.get("x-header-line", payload), "components": document()["components"]}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_each_record_is_as_its_schema_says(sample: Sample) -> None:
    """The golden record is valid; one that lacks a field or has another type is not."""
    line = json.loads(sample.data.partition(b"\n")[0])
    jsonschema.validate(line, schema_of(sample.name))
    for wrong in ({name: line[name] for name in line if name not in ("site", "topic", "service")}, line | {"v": "one"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema_of(sample.name))


def test_no_machine_is_named_in_it() -> None:
    """Addresses are variables: the document is the same for every fleet."""
    assert not re.search(r"127\.0\.0\.1|/work/|/home/", text())
