"""Records that were once written are read for ever, and those of the next program too."""

from pathlib import Path

import msgspec
import pytest

from tests.golden.records import FOLDER, NEWEST, write
from tests.wire.fleet_samples import PACKED, SAMPLES, Sample

FORMS = sorted(path.name for path in FOLDER.iterdir())


def named(sample: Sample) -> str:
    return sample.name


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sample", SAMPLES, ids=named)
def test_a_kept_record_means_what_it_meant(sample: Sample, form: str) -> None:
    """Of an older form, of this one and of the next: decoded it is the same value."""
    found = sample.decode((FOLDER / form / f"{sample.name}.bin").read_bytes())
    if isinstance(found, msgspec.Struct):
        found = msgspec.structs.replace(found, v=sample.value.v)
    assert found == sample.value


@pytest.mark.parametrize("sample", PACKED, ids=named)
def test_a_kept_packed_record_means_what_it_meant(sample: Sample) -> None:
    """As some version of Zstandard has packed it, and as this one does."""
    kept = (FOLDER / NEWEST / f"{sample.name}.bin").read_bytes()
    assert sample.decode(kept) == sample.decode(sample.data) == sample.value


def test_the_records_are_what_this_program_writes(tmp_path: Path) -> None:
    """Byte for byte, no file missing and none too many; a change means a new form, once this one is released."""
    write(tmp_path)
    for part in (NEWEST, "next"):
        kept = {path.name: path.read_bytes() for path in (FOLDER / part).iterdir() if "packed" not in path.name}
        assert kept == {path.name: path.read_bytes() for path in (tmp_path / part).iterdir()}
