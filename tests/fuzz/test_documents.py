"""Fuzz targets of the files that people write: YAML documents and device profiles."""

import tempfile
from functools import partial
from pathlib import Path

from hypothesis import example, given

from shared.runtime.documents import parse_document
from shared.runtime.profiles import SHIPPED, load_profile, shipped_profiles
from tests.fuzz.harness import bad, held

_PROFILES = tuple((SHIPPED / f"{name}.yaml").read_bytes() for name in shipped_profiles())


@given(bad(_PROFILES))
@example(b"[" * 2000)
@example(b"a: " + b"{b: " * 1000)
@example(b"".join(b" " * n + b"- a:\n" for n in range(500)))
def test_a_document_is_read_or_every_fault_has_its_place(raw: bytes) -> None:
    """Whatever the bytes: a document, or faults with file, line and column."""
    got = held(partial(parse_document, raw, {"HOME": "x"}, "file.yaml"))
    assert got is not None
    document, faults = got
    assert document is not None or faults
    assert all(fault.line >= 1 and fault.col >= 1 and fault.what for fault in faults)


@given(bad(_PROFILES))
def test_a_profile_is_read_or_every_fault_has_its_place(raw: bytes) -> None:
    """Whatever the bytes: a profile, or faults with file, line and column."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "device.yaml").write_bytes(raw)
        got = held(partial(load_profile, "./device.yaml", Path(folder)))
    assert got is not None
    profile, faults = got
    assert profile is not None or any(fault.severity == "error" for fault in faults)
    assert all(fault.line >= 1 and fault.what for fault in faults)
