"""What a service tells of itself over real sockets, and what it refuses."""

import asyncio
import json

import pytest

from shared.runtime import metrics, probes
from shared.runtime.metrics import Ages, Sample, Tally
from shared.runtime.probes import Beat, Probes, serving_probes


class Service:
    """One that can be told how it is."""

    def __init__(self) -> None:
        self.trouble = ""
        self.still = ""
        self.told: list[tuple[str, str]] = []

    def probes(self) -> Probes:
        return Probes("processor", lambda: {"kafka": self.trouble}, lambda: self.still, self._samples)

    def tell(self, event: str, words: str) -> None:
        self.told.append((event, words))

    def _samples(self) -> list[Sample]:
        ages = Ages()
        for age_s in (0.2, 1.0, 99999.0, -1.0):
            ages.add(age_s)
        return [Sample(metrics.BLOCK_AGE, ages), Sample(metrics.BLOCKS, 7, ("equal",)), Sample(metrics.HOLES, 2)]


async def ask(where: str, request: bytes) -> tuple[int, bytes]:
    """Status and body of one request on a connection of its own."""
    host, _, port = where.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


async def get(where: str, path: str) -> tuple[int, bytes]:
    return await ask(where, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


async def test_a_service_that_gets_on_is_alive_and_one_that_stands_still_says_what() -> None:
    """The supervisor of a container learns by the status whether to start it again."""
    service = Service()
    async with serving_probes("127.0.0.1:0", service.probes(), service.tell) as where:
        assert await get(where, "/healthz") == (200, b'{"alive": true}\n')
        service.still = "the watch stands still for 61 s"
        status, body = await get(where, "/healthz")
        assert status == 503
        assert json.loads(body) == {"alive": False, "why": "the watch stands still for 61 s"}


async def test_readiness_names_the_check_that_fails() -> None:
    """Who looks why a replica gets no work reads it there."""
    service = Service()
    async with serving_probes("127.0.0.1:0", service.probes(), service.tell) as where:
        assert (await get(where, "/readyz"))[0] == 200
        service.trouble = "no broker answers"
        status, body = await get(where, "/readyz")
        assert status == 503
        assert json.loads(body) == {
            "ready": False,
            "checks": {"kafka": {"ok": False, "why": "no broker answers"}},
        }


async def test_metrics_have_the_service_its_readiness_and_its_own() -> None:
    """A scrape has what every service tells, and a distribution with its bounds."""
    service = Service()
    async with serving_probes("127.0.0.1:0", service.probes(), service.tell) as where:
        service.trouble = "no broker answers"
        status, body = await get(where, "/metrics?name=x")
    lines = body.decode().splitlines()
    assert status == 200
    assert any(line.startswith('ampward_build_info{service="processor",version=') for line in lines)
    assert "ampward_ready 0.0" in lines
    assert 'ampward_blocks_total{verdict="equal"} 7.0' in lines
    assert "ampward_holes_total 2.0" in lines
    assert 'ampward_block_age_seconds_bucket{le="1.0"} 3.0' in lines
    assert 'ampward_block_age_seconds_bucket{le="3600.0"} 3.0' in lines
    assert 'ampward_block_age_seconds_bucket{le="+Inf"} 4.0' in lines
    assert "ampward_block_age_seconds_count 4.0" in lines


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"", 400),
        (b"GET /healthz HTTP/1.1\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"GET /healthz\r\n\r\n", 400),
        (b"GET /healthz SPDY/3\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"POST /healthz HTTP/1.1\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"GET /metrics/../token HTTP/1.1\r\n\r\n", 404),
        (b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 10_000 + b"\r\n\r\n", 431),
    ],
)
async def test_what_is_no_request_for_a_probe_is_refused_and_the_next_is_answered(
    request_bytes: bytes, status: int
) -> None:
    """Whatever is sent to the port, the probes stay."""
    service = Service()
    async with serving_probes("127.0.0.1:0", service.probes(), service.tell) as where:
        assert (await ask(where, request_bytes))[0] == status
        assert (await get(where, "/healthz"))[0] == 200


async def test_a_client_that_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds one of the places for a while and no longer."""
    monkeypatch.setattr(probes, "WAIT_S", 0.1)
    service = Service()
    async with serving_probes("127.0.0.1:0", service.probes(), service.tell) as where:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(where.rpartition(":")[2]))
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            assert reader.at_eof()
        writer.close()


async def test_a_taken_port_is_told_and_the_service_goes_on() -> None:
    """Two replicas on one machine share a configuration: that one of them cannot be asked ends neither."""
    first, second = Service(), Service()
    async with (
        serving_probes("127.0.0.1:0", first.probes(), first.tell) as where,
        serving_probes(where, second.probes(), second.tell) as nowhere,
    ):
        assert nowhere == ""
        assert [event for event, _ in second.told] == ["probes_not_served"]
        assert (await get(where, "/healthz"))[0] == 200


def test_a_beat_that_stops_is_named() -> None:
    """What should look around and does not stands still after its time, not before."""
    now = [0.0]
    beat = Beat("the watch", still_s=60, now=lambda: now[0])
    now[0] = 60.0
    assert beat.why() == ""
    now[0] = 61.0
    assert beat.why() == "the watch stands still for 61 s"
    beat.beat()
    assert beat.why() == ""


def test_a_sample_that_the_registry_does_not_know_is_refused() -> None:
    """A name or a label that stands in no registry stands in no dashboard."""
    with pytest.raises(KeyError):
        metrics.text(metrics.registry_of(lambda: [Sample("ampward_other_total", 1)]))
    with pytest.raises(ValueError, match="verdict"):
        metrics.text(metrics.registry_of(lambda: [Sample(metrics.BLOCKS, 1)]))


def test_conditions_are_counted_on_their_way_to_the_log() -> None:
    """What is told is told as before, and its name is counted, of so many names at most."""
    told: list[tuple[str, str]] = []
    tally = Tally(lambda event, words: told.append((event, words)))
    for number in range(metrics.TOLD_MAX + 5):
        tally.tell(f"event_{number}", "words")
    tally.tell("event_0", "again")
    samples = list(tally.samples())
    assert len(told) == metrics.TOLD_MAX + 6
    assert len(samples) == metrics.TOLD_MAX
    assert Sample(metrics.TOLD, 2, ("event_0",)) in samples
