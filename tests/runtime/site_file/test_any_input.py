"""Whatever stands in a site file, the check ends with faults or a plan."""

from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from shared.runtime.site_file import check_site

GOOD = Path(__file__).parent / "good"
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["r1", "gas1", "gas1.h2", "io1.do0", "b1", "500ms", "0s", "site", "on", "1e400", "24", "1-9999"]),
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner))


def plain(path: Path) -> Any:
    """A good file's data."""
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def places(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in the data."""
    entries = list(data.items()) if isinstance(data, dict) else list(enumerate(data)) if isinstance(data, list) else []
    return [at, *(place for key, value in entries for place in places(value, (*at, key)))]


BASE = plain(GOOD / "full.yaml")
BASE["rooms"]["r1"]["batteries"]["bat1"]["strings"]["s1"]["jars"] = 4
PLACES = places(BASE)[1:]


@given(raw=st.binary(max_size=300))
def test_any_bytes_are_a_fault(raw: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Random bytes are never a site, and never a crash."""
    file = tmp_path_factory.getbasetemp() / "bytes.yaml"
    file.write_bytes(raw)
    assert check_site(file, {}).errors


@given(place=st.sampled_from(PLACES), value=VALUES)
def test_any_value_at_any_place_ends_with_faults_or_a_plan(
    place: tuple[Any, ...], value: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One value of a good file is replaced by anything; the check says what is wrong, or gives a plan."""
    data = deepcopy(BASE)
    inner = data
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    text = StringIO()
    YAML(typ="safe", pure=True).dump(data, text)
    file = tmp_path_factory.getbasetemp() / "value.yaml"
    profiles = GOOD.parent / "profiles"
    file.write_text(text.getvalue().replace("../profiles", str(profiles)), encoding="utf-8", errors="replace")
    checked = check_site(file, {})
    assert (checked.plan is None) == bool(checked.errors)


@given(place=st.sampled_from(PLACES))
def test_any_part_may_be_missing(place: tuple[Any, ...], tmp_path_factory: pytest.TempPathFactory) -> None:
    """One part of a good file is left out; the check says what is missing, or gives a plan."""
    data = deepcopy(BASE)
    inner = data
    for part in place[:-1]:
        inner = inner[part]
    del inner[place[-1]]
    text = StringIO()
    YAML(typ="safe", pure=True).dump(data, text)
    file = tmp_path_factory.getbasetemp() / "missing.yaml"
    file.write_text(text.getvalue().replace("../profiles", str(GOOD.parent / "profiles")), encoding="utf-8")
    checked = check_site(file, {})
    assert (checked.plan is None) == bool(checked.errors)
