"""The simulated sites of `ampward fleet up`: each has files of its own, as a site that files are pushed to must."""

from pathlib import Path

import pytest

from services.fleet.demo import Demo, site_server

ADDRESSES = {"kafka": "127.0.0.1:1", "mqtt": "mqtt://127.0.0.1:2", "http": "127.0.0.1:3", "devices": "127.0.0.1:4"}


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    shipped = tmp_path / "shipped"
    (shipped / "centre").mkdir(parents=True)
    for name in ("site.yaml", "rules.yaml", "centre/people.yaml"):
        (shipped / name).write_text(f"# {name}\n")
    return Demo(("north", "south"), shipped / "site.yaml", shipped / "centre" / "people.yaml")


def own_files(folder: Path, demo: Demo, site: str) -> Path:
    """Where the site that is started has its site file and what stands beside it."""
    server = site_server(folder, demo, site, folder / "identities" / site, ADDRESSES)
    return Path(next(word for word in server.command if word.endswith("site.yaml"))).parent


def test_each_site_goes_by_a_copy_of_its_own(tmp_path: Path, demo: Demo) -> None:
    """What is pushed to one is not the other's, and never the shipped file; what belongs to the centre stays there."""
    north, south = (own_files(tmp_path / "fleet", demo, site) for site in demo.sites)
    assert sorted(path.name for path in north.iterdir()) == ["rules.yaml", "site.yaml"]
    (north / "rules.yaml").write_text("rules: {}\n")
    assert (south / "rules.yaml").read_text() == (demo.site_file.parent / "rules.yaml").read_text() == "# rules.yaml\n"


def test_another_start_leaves_what_was_pushed(tmp_path: Path, demo: Demo) -> None:
    """The copy is made once."""
    north = own_files(tmp_path / "fleet", demo, "north")
    (north / "rules.yaml").write_text("rules: {}\n")
    assert own_files(tmp_path / "fleet", demo, "north") == north
    assert (north / "rules.yaml").read_text() == "rules: {}\n"
