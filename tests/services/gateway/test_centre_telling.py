"""What a fleet's gateway tells of its sites where only who runs the fleet may ask."""

from types import SimpleNamespace

from services.gateway.centre.telling import STARTING, Telling, site_samples
from services.gateway.centre.views import FleetViews
from services.gateway.views import SiteItem
from shared.runtime import metrics
from shared.runtime.metrics import SITES_MAX, Sample


def item(name: str, heard_at_ms: int, *, is_silent: bool = False) -> SiteItem:
    known = dict.fromkeys(SiteItem.__dataclass_fields__, 0) | {"log_id": "l", "chain_head": "", "decision": ""}
    return SiteItem(
        **known  # type: ignore[arg-type]
        | {"id": name, "heard_at_ms": heard_at_ms, "is_silent": is_silent, "clock_offset_ms": -1500, "site_seq": 90,
           "decided_seq": 70, "different": 2}
    )  # fmt: skip


def test_each_site_that_was_heard_of_has_its_series() -> None:
    """Age, backlog, clock, both positions, differences; one that never spoke counts as silent and has none."""
    supervision = item("_fleet", 0, is_silent=True)
    told = list(site_samples((item("depot", 98_000), item("new", 0, is_silent=True), supervision), 100.0))
    assert {each.name: each.value for each in told if each.labels == ("depot",)} == {
        metrics.SITE_HEARD: 2.0,
        metrics.SITE_BACKLOG: 20,
        metrics.SITE_CLOCK: -1.5,
        metrics.SITE_SEQUENCE: 90,
        metrics.SITE_DECIDED: 70,
        metrics.SITE_DIFFERENT: 2,
    }
    assert Sample(metrics.SITES_REGISTERED, 2) in told
    assert Sample(metrics.SITES_SILENT, 1) in told
    assert not [each for each in told if each.labels == ("new",)]


def test_the_status_counts_sites_and_not_the_supervision() -> None:
    """The pseudo-site of the centre is none of them; that it is silent is told beside."""

    def notes(*items: SiteItem) -> tuple[str, ...]:
        views = object.__new__(FleetViews)
        views._picture = SimpleNamespace(site_items=lambda: items)  # type: ignore[assignment]
        views._follower = SimpleNamespace(tail=SimpleNamespace(number=1))  # type: ignore[assignment]
        return views.status().notes

    sites = (item("depot", 98_000), item("new", 0, is_silent=True))
    assert notes(*sites, item("_fleet", 98_000)) == ("2 sites, 1 silent: new",)
    assert notes(*sites, item("_fleet", 0, is_silent=True))[1:] == ("nothing is heard of the fleet's supervision",)


def test_the_series_of_sites_have_a_bound() -> None:
    """A fleet of ten thousand is counted whole; its first two thousand have series."""
    many = tuple(item(f"s{number}", 1) for number in range(SITES_MAX + 5))
    told = list(site_samples(many, 1.0))
    assert Sample(metrics.SITES_REGISTERED, SITES_MAX + 5) in told
    assert len({each.labels for each in told if each.labels}) == SITES_MAX


def test_before_it_has_read_everything_it_is_alive_and_not_ready() -> None:
    """So it gets no client, and is not started again."""
    telling = Telling(lambda _event, _words: None)
    assert telling.ready() == {"kafka": STARTING}
    assert telling.alive() == ""
    assert metrics.text(metrics.registry_of(telling.samples))
