"""A hosted site's file: the bridge runs it, a box does not."""

from pathlib import Path

import pytest

from services.site.command import repository_file
from services.site.compile import compile_site
from services.site.start import read_start, refuse_hosted
from shared.domain.errors import ConfigError


def test_the_shipped_hosted_site_is_no_file_for_a_box(tmp_path: Path) -> None:
    """It is a good file, and `ampward run` says who runs it: here nothing would hear its devices."""
    made = compile_site(repository_file("infra/sites/hosted/site.yaml"), tmp_path)
    start = read_start(tmp_path)
    assert made["ok"] and start is not None and start.hosted
    with pytest.raises(ConfigError, match="the devices of far hand their frames in by MQTT"):
        refuse_hosted(start)


def test_a_site_with_lines_is_for_a_box(tmp_path: Path) -> None:
    """As ever."""
    made = compile_site(repository_file("infra/sites/demo/site.yaml"), tmp_path)
    start = read_start(tmp_path)
    assert made["ok"] and start is not None
    refuse_hosted(start)
