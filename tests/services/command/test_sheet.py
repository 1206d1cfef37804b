"""The commissioning sheet from a real log: what was seen, what was proven, who was reached, and what is missing."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.guard.armed import RECORD, Proofs, Proven, Record, output_hash
from services.guard.binding import bind
from services.site.command.sheet import as_markdown, as_page
from services.site.sheet import Line, Sheet
from shared.devices.frame import Block, Frame
from shared.devices.plan import SitePlan
from shared.domain.inputs import Report, ReportKind
from shared.domain.units import NoData
from shared.log.sqlite_read import SqliteReader
from shared.log.store import DATABASE
from shared.runtime.site_file import check_site
from tests.services.command.conftest import Run
from tests.services.processor.site import Site, on_disk

FILE = """
version: 1
site: {id: demo, name: "Demo | <b>", demo: true}
buses: {b1: {modbus_tcp: "127.0.0.1:9"}}
devices:
  gas1: {bus: b1, unit: 1, profile: pemtech-pt495, every: 500ms, room: r1}
  io1: {bus: b1, unit: 2, profile: relay-io, every: 500ms, room: r1}
rooms:
  r1:
    volume_m3: 50
    gas: [{h2: gas1.h2}]
    fan: [{output: io1.do0, airflow: io1.di2, capacity_m3h: 100}]
people: {anna: {email: a@example.org, language: de}}
notify: [{match: {severity: critical}, to: [anna], by: [email], repeat: 5min}]
channels: {email: {host: 127.0.0.1, port: 2525, tls: none, from: b@example.org}}
"""
GAS, AIR, FAN = "demo/r1/gas1-h2", "demo/r1/io1-di2", "demo/r1/io1-do0"
MAIL = f"{'a' * 32} {'b' * 32} 1 test"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(FILE)
    return path


@pytest.fixture
def plan(file: Path) -> SitePlan:
    checked = check_site(file, {})
    assert checked.plan is not None, [str(fault) for fault in checked.errors]
    return checked.plan


@pytest.fixture
def site(tmp_path: Path, plan: SitePlan) -> Site:
    made = on_disk(tmp_path, plan=plan.decision)
    made.open()
    return made


def _frame(plan: SitePlan, device: str, seq: int, outcome: NoData = NoData.PRESENT, **raw: int) -> Frame:
    """One poll with these raw words or bits, zero in all others."""
    found = next(one for one in plan.decision.devices if one.id == device)
    channels = {channel.name: channel for channel in found.channels}
    blocks = []
    for block in found.blocks:
        cells = [0] * block.count
        for name, value in raw.items():
            channel = channels[name]
            if channel.table is block.table and 0 <= channel.address - block.address < block.count:
                cells[channel.address - block.address] = value
        if block.table.is_bits:
            words = sum(bit << at for at, bit in enumerate(cells)).to_bytes((block.count + 7) // 8, "little")
        else:
            words = b"".join(cell.to_bytes(2, "big") for cell in cells)
        blocks.append(Block(block.table, block.address, block.count, words))
    detail = "" if outcome is NoData.PRESENT else "no answer"
    held = tuple(blocks) if outcome is NoData.PRESENT else ()
    return Frame(device, "b", seq, 0, 0, synced=True, outcome=outcome, detail=detail, blocks=held)


def _end(site: Site) -> None:
    """The site stops."""
    site.runner.close()
    site.store.close()


def _head(folder: Path) -> str:
    reader = SqliteReader.open(folder / DATABASE)
    try:
        return reader.head().hash.hex()
    finally:
        reader.close()


def _sheet(run: Run, file: Path, folder: Path, *more: object, code: int = 1) -> dict[str, Any]:
    ran = run("sheet", file, "--data", folder, "--json", *more)
    assert (ran.code, ran.err) == (code, "")
    told: dict[str, Any] = json.loads(ran.out)
    return told


def _lines(told: dict[str, Any], part: str) -> dict[str, bool]:
    return {one["subject"]: one["is_proven"] for one in told[part]}


def test_before_anything_was_seen_everything_is_missing(run: Run, file: Path, site: Site, tmp_path: Path) -> None:
    """A log without frames proves nothing: each input, output and person is named."""
    _end(site)
    told = _sheet(run, file, tmp_path)
    assert {one["subject"] for one in told["missing"]} == {GAS, AIR, FAN, "anna"}
    assert (told["head"], told["site"]) == (_head(tmp_path), "demo")


def test_what_was_seen_at_both_ends_is_proven(run: Run, file: Path, site: Site, plan: SitePlan, tmp_path: Path) -> None:
    """Test gas over the first limit, airflow on and off, a commissioning record, a message that was taken over."""
    site.commit(_frame(plan, "gas1", 1), _frame(plan, "io1", 1, di2=0))
    site.commit(_frame(plan, "gas1", 2, h2=9), _frame(plan, "io1", 2, di2=1))
    site.commit(Report(ReportKind.DELIVERY_SENT, "demo/_site/email/anna", on=True, pulse=True, detail=MAIL))
    bound = bind(plan).outputs[0]
    proven = Proven(output_hash(plan, bound), "2026-11-01T10:00:00Z", "cli:ben", Proofs("wired", "", "", "air"))
    (tmp_path / RECORD).write_bytes(msgspec.json.encode(Record({FAN: proven})))
    site.runner.close()
    assert _lines(_sheet(run, file, tmp_path), "inputs") == {GAS: False, AIR: True}
    site.open()
    site.commit(_frame(plan, "gas1", 3, h2=10))
    _end(site)
    told = _sheet(run, file, tmp_path, code=0)
    assert told["missing"] == []
    assert next(one for one in told["outputs"])["seen"] == "2026-11-01T10:00:00Z by cli:ben: wired; air"
    assert told["messages"][0]["seen"].startswith("taken over 2026-")


def test_a_failed_poll_and_a_failed_message_prove_nothing(
    run: Run, file: Path, site: Site, plan: SitePlan, tmp_path: Path
) -> None:
    """Silence is no open contact; a refusal is said in its words."""
    site.commit(_frame(plan, "io1", 1, di2=1), _frame(plan, "io1", 2, NoData.TIMEOUT))
    site.commit(Report(ReportKind.DELIVERY_FAILED, "demo/_site/email/anna", on=True, pulse=True, detail=f"{MAIL}: no"))
    _end(site)
    told = _sheet(run, file, tmp_path)
    assert (_lines(told, "inputs")[AIR], _lines(told, "messages")["anna"]) == (False, False)
    assert "test: no" in told["messages"][0]["seen"]


def test_a_person_without_a_route_and_a_heartbeat_without_an_answer_are_missing(
    run: Run, file: Path, site: Site, tmp_path: Path
) -> None:
    """Cleo stands under people: only; the heartbeat counts as long as its last outcome is that it arrives."""
    more = file.read_text().replace("people: {", "people: {cleo: {email: c@example.org}, ")
    file.write_text(more + 'heartbeat: {url: "https://beat.example.org/"}\n')
    beat = "demo/_site/heartbeat"
    _end(site)
    assert _lines(_sheet(run, file, tmp_path), "messages") == {"anna": False, "cleo": False, beat: False}
    for is_well, words in ((True, "it arrives"), (False, "answers HTTP 404")):
        site.open()
        site.commit(Report(ReportKind.HEARTBEAT, beat, on=is_well, pulse=False, detail=words))
        _end(site)
        told = _sheet(run, file, tmp_path)
        assert _lines(told, "messages")[beat] is is_well
        assert told["messages"][-1]["seen"].startswith(words)


def test_only_what_was_seen_since_a_day_counts(
    run: Run, file: Path, site: Site, plan: SitePlan, tmp_path: Path
) -> None:
    """An inspection of this year does not rest on last year's; a word that is no day is wrong usage."""
    site.commit(_frame(plan, "io1", 1, di2=1), _frame(plan, "io1", 2, di2=0))
    _end(site)
    assert _lines(_sheet(run, file, tmp_path, "--since", "2000-01-01"), "inputs")[AIR]
    assert not _lines(_sheet(run, file, tmp_path, "--since", "2990-01-01"), "inputs")[AIR]
    assert run("sheet", file, "--data", tmp_path, "--since", "today").code == 2


def test_the_sheet_is_text_that_breaks_nothing(run: Run, file: Path, site: Site, tmp_path: Path) -> None:
    """Names with marks of Markdown or HTML stay names; the head's hash and lines to sign stand below."""
    _end(site)
    text = run("sheet", file, "--data", tmp_path).out
    assert text.startswith("# Commissioning sheet: Demo \\| &lt;b> (demo)")
    assert "| MISSING | demo/r1/gas1-h2 | hydrogen, to 1 %vol | never seen |" in text
    assert f"`{_head(tmp_path)}`" in text
    page = run("sheet", file, "--data", tmp_path, "--html").out
    assert "<h1>Commissioning sheet: Demo | &lt;b&gt; (demo)</h1>" in page
    assert "<b>" not in page


def test_a_sheet_without_gaps_says_so() -> None:
    """Nothing is missing: in both forms."""
    made = Sheet("s", "S", "v", "l", 3, "ab", 0, 0, inputs=[Line("s/r/p", "contact", is_proven=True, seen="open")])
    assert "Nothing is missing." in as_markdown(made, "ben")
    assert "Nothing is missing." in as_page(made, "ben")


def test_a_folder_without_a_log_is_told(run: Run, file: Path, tmp_path: Path) -> None:
    """Exit 3, and nothing on standard output."""
    ran = run("sheet", file, "--data", tmp_path)
    assert (ran.code, ran.out) == (3, "")
    assert "there is no log" in ran.err


def test_commissioning_writes_the_sheet_too(run: Run, file: Path, site: Site, tmp_path: Path) -> None:
    """Also when an output could not be proven: then it stands there as missing."""
    _end(site)
    path = tmp_path / "sheet.md"
    ran = run("commission", file, "--yes", "--output", FAN, "--sheet", path, "--data", tmp_path)
    assert ran.code == 1
    text = path.read_text(encoding="utf-8")
    assert f"| MISSING | {FAN} | fan | never commissioned |" in text
    assert f"`{_head(tmp_path)}`" in text
