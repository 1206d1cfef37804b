"""docs/topics.md against the records: a stranger decodes a batch of events by the page's own words."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # It comes without types.
import pytest

from shared.bus.contract import RECORDS, document
from shared.bus.registry import EVENTS
from shared.wire.batches import decode_batch
from shared.wire.events import cloud_event, decode_event
from shared.wire.live import SIGNED
from shared.wire.sections import SECTION_BYTES_MAX
from tests.architecture.source import ROOT

PAGE = (ROOT / "docs" / "topics.md").read_text(encoding="utf-8")
GOLDEN = ROOT / "tests" / "golden" / "records" / "1"


def by_the_page(record: bytes, folder: Path) -> list[dict[str, Any]]:
    """What the page's program prints."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (folder / "events.py").write_text(program)
    ran = subprocess.run(
        [sys.executable, "-I", folder / "events.py"], input=record, capture_output=True, check=True, timeout=60
    )
    return [json.loads(line) for line in ran.stdout.splitlines()]


@pytest.mark.parametrize("name", ["batch", "packed_batch"])
def test_the_pages_program_reads_a_batch(name: str, tmp_path: Path) -> None:
    """Its events are the batch's, field by field, and valid by the document's schema."""
    record = (GOLDEN / f"{name}.bin").read_bytes()
    found = by_the_page(record, tmp_path)
    assert found == [json.loads(event) for event in decode_batch(record).events]
    schema = document()["components"]["messages"]["batch"]["payload"]["x-records-behind"]
    for event in found:
        jsonschema.validate(event, {**schema, "components": document()["components"]})


def test_the_page_names_every_field_of_a_cloud_event() -> None:
    """Attributes and data, as this program makes them of an event."""
    record = decode_batch((GOLDEN / "batch.bin").read_bytes())
    made = [cloud_event(decode_event(event)) for event in record.events]
    attributes = {name for one in made for name in one} - {"specversion", "datacontenttype"}
    data = {name for one in made for name in one["data"]}  # type: ignore[attr-defined]
    table = PAGE.partition("As a CloudEvent")[2]
    assert {name for name in attributes | data if f"`{name}`" not in table} == set()


def test_the_page_tells_of_every_record_that_is_more_than_json() -> None:
    """Each topic whose value is a line and bytes, and the figures in its words."""
    packed = {topic for topic, records in RECORDS.items() if any(record.behind for record in records)}
    assert {topic for topic in packed if f"| `{topic}` |" not in PAGE} == set()
    assert EVENTS.name in packed
    assert f"{SECTION_BYTES_MAX:,}" in PAGE
    assert len(SIGNED) == 16
