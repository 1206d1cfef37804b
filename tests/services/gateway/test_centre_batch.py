"""Records of both lanes at the centre's gateway: each site speaks of itself alone."""

from services.gateway.centre.batch import read_batch, read_live
from shared.bus.registry import EVENTS, LIVE
from shared.log.kafka.records import Place, Record
from shared.wire.batches import EventsBatch, Verdict, encode_batch
from shared.wire.events import encode_event
from shared.wire.live import Live, encode_live, raw_events
from shared.wire.signing import SigningKey
from tests.services.gateway.samples import event

KEY = SigningKey(bytes(range(32)))
KEYS = {KEY.id: KEY.public}
LOG = "0" * 32


class Told(list[str]):
    """What was told in words."""

    def __call__(self, _event: str, words: str) -> None:
        self.append(words)


def batch(key: str, site: str, of: str) -> Record:
    """What a processor publishes for a site, with an event of ``of``."""
    data = (encode_event(event(1)._replace(site=of)),)
    made = EventsBatch(site, LOG, 1, 1, 1, Verdict.NOT_COMPARABLE, 2, 0, "a" * 64, data)
    return Record(Place(EVENTS.name, 0), 7, key.encode(), encode_batch(made), (), 0)


def live(key: str, site: str, of: str) -> Record:
    """What a site's uplink shows."""
    events = raw_events((encode_event(event(1)._replace(site=of)),))
    data = encode_live(Live(site=site, log_id=LOG, site_seq=1, sent_at_ms=0, events=events), KEY)
    return Record(Place(LIVE.name, 0), 7, key.encode(), data, (), 0)


def test_a_sites_own_events_are_taken_from_both_lanes() -> None:
    """With what the batch or the record says of them beside."""
    told = Told()
    blocks, shown = read_batch(batch("west", "west", "west"), told), read_live(live("west", "west", "west"), KEYS, told)
    assert blocks is not None and [extra for _, extra in blocks[1]] == [{"verdict": "not_comparable"}]
    assert shown is not None and [each.site for each, _ in shown[1]] == ["west"]
    assert not told


def test_an_event_of_another_site_is_refused_and_told() -> None:
    """Whatever a site has signed, it tells nobody of a room that is not its own."""
    told = Told()
    assert read_batch(batch("west", "west", "east"), told) is None
    assert read_live(live("west", "west", "east"), KEYS, told) is None
    assert [words.partition(": ")[2] for words in told] == ["an event of east stands among those of west"] * 2


def test_a_record_under_another_sites_key_is_refused() -> None:
    """What was signed for one site is not shown as another's, though its key is known."""
    told = Told()
    assert read_batch(batch("east", "west", "west"), told) is None
    assert read_live(live("east", "west", "west"), KEYS, told) is None
    assert [words.partition(": ")[2] for words in told] == ["it is of west"] * 2
