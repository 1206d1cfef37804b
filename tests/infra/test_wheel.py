"""The wheel of a bundle: what is in it, and that it does not depend on where and when it was built."""

import importlib.util
import shutil
import sys
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def maker(tmp_path: Path) -> ModuleType:
    """infra/bundle/make.py over a copy of the sources that nobody edits meanwhile."""
    spec = importlib.util.spec_from_file_location("bundle_make", ROOT / "infra" / "bundle" / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in module.SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, tmp_path / name)
    module.ROOT = tmp_path  # type: ignore[attr-defined]
    return module


def build(maker: ModuleType, folder: Path) -> Path:
    """Built in ``folder``."""
    (folder / "wheels").mkdir(parents=True)
    maker.own_wheel(folder / "source", folder / "wheels", "")
    (wheel,) = (folder / "wheels").iterdir()
    return wheel


def test_the_wheel_tells_nothing_of_who_built_it(maker: ModuleType, tmp_path: Path) -> None:
    """Each compiled module is in it for this platform; built twice, elsewhere, it is the same bytes; and the compiled
    part names no folder in which Python or the sources stood."""
    one, other = build(maker, tmp_path / "one"), build(maker, tmp_path / "other" / "place")
    assert one.name == other.name
    assert sha256(one.read_bytes()).digest() == sha256(other.read_bytes()).digest()
    assert one.stem.endswith("-cp311-cp311-linux_" + maker.platform().split("-")[1])
    with ZipFile(one) as archive:
        built = [name for name in archive.namelist() if name.endswith(".so")]
        sources = sorted((ROOT / "shared" / "compiled").glob("*.pyx"))
        assert sorted(name.partition(".")[0] for name in built) == [f"shared/compiled/{path.stem}" for path in sources]
        for name in built:
            data = archive.read(name)
            assert str(tmp_path).encode() not in data
            assert f"{sys.base_prefix}/lib".encode() not in data
