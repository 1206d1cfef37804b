"""The registry of topics: every name as published, and nothing that a name could smuggle in."""

from collections.abc import Callable

import pytest

from shared.bus import topics


def test_topics_are_as_published() -> None:
    """The five topics have the names that other programs subscribe to."""
    assert topics.site_status("demo") == "ampward/v1/demo/status"
    assert topics.events("demo") == "ampward/v1/demo/events"
    assert topics.point("demo/r1/gas1-h2") == "ampward/v1/demo/r1/points/gas1-h2"
    assert topics.point("demo/r1/bat1/2S4/voltage") == "ampward/v1/demo/r1/points/bat1/2S4/voltage"
    assert topics.device_status("demo", "r1", "gas1") == "ampward/v1/demo/r1/gas1/status"
    assert topics.frame("demo", "r1", "gas1") == "ampward/v1/demo/r1/gas1/frame"


def test_only_state_is_retained() -> None:
    """An event or a frame that a late subscriber gets from the broker's memory would be taken for new."""
    assert {kind.name for kind in topics.ALL if kind.retain} == {"site_status", "point", "device_status"}


@pytest.mark.parametrize(
    "name",
    ["", "+", "#", "a//b", "Ä", "A", "a b", "a\x00", "a\n", "a" * 41, "$SYS", "é"],
    ids=lambda name: repr(name)[:20],
)
def test_a_name_that_is_no_id_makes_no_topic(name: str) -> None:
    """Wildcards, levels and control characters are refused wherever a name is put in."""
    makers: tuple[Callable[[], str], ...] = (
        lambda: topics.site_status(name),
        lambda: topics.events(name),
        lambda: topics.device_status("demo", name, "gas1"),
        lambda: topics.frame("demo", "r1", name),
        lambda: topics.point(f"demo/r1/{name}"),
        lambda: topics.point(f"{name}/r1/gas1-h2"),
    )
    for make in makers:
        with pytest.raises(ValueError, match="is not"):
            make()


def test_no_device_is_called_points() -> None:
    """Its status would stand among the points of the room."""
    with pytest.raises(ValueError, match="points"):
        topics.frame("demo", "r1", "points")
