"""What a service of the fleet tells about itself, on a port of its own: /healthz, /readyz, /metrics.

    GET /healthz   200 while the service gets on, 503 with what stands still: then it is to be started again
    GET /readyz    200 when it does its share (caught up, partitions held), 503 with the check that fails
    GET /metrics   the registry of shared.runtime.metrics, in the Prometheus text form

Answered by the service's own event loop: one that is blocked answers nothing, which is what a probe must see.
Promises: nothing that is asked here changes anything; no secret is told. Trouble of the probes never ends the service:
an address that is taken is told, and the service goes on without them.
Refuses: other methods and paths, heads above HEAD_MAX, a client that takes longer than WAIT_S. Limits: CLIENTS_MAX at a
time, one request a connection.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from shared.runtime import metrics
from shared.runtime.metrics import Sample

HEAD_MAX: Final = 8 << 10
WAIT_S: Final = 5.0
CLIENTS_MAX: Final = 32
STILL_S: Final = 60.0
"""What should look around every few seconds and did not for so long stands still."""
JSON_TYPE: Final = "application/json"
_REASONS: Final = {
    200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed",
    431: "Request Header Fields Too Large", 503: "Service Unavailable",
}  # fmt: skip


class Beat:
    """Says when something last got on. ``why`` is "" while that is younger than ``still_s``."""

    def __init__(self, what: str, still_s: float = STILL_S, now: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._still_s = still_s
        self._now = now
        self._at = now()

    def beat(self) -> None:
        self._at = self._now()

    def why(self) -> str:
        age_s = self._now() - self._at
        return f"{self._what} stands still for {age_s:.0f} s" if age_s > self._still_s else ""


@dataclass(frozen=True, slots=True)
class Probes:
    """What a service says. Called in its event loop, at each request; quick, and without an await."""

    service: str
    ready: Callable[[], Mapping[str, str]]
    """By check what is wrong with it, "" when nothing is."""
    alive: Callable[[], str]
    """What stands still, "" while everything gets on."""
    samples: Callable[[], Iterable[Sample]]


@asynccontextmanager
async def serving_probes(address: str, probes: Probes, tell: Callable[[str, str], None]) -> AsyncIterator[str]:
    """Inside, probes are answered at ``address`` (host:port, port 0 is any; "" is nowhere). Gives where."""
    if not address:
        yield ""
        return
    served = _Served(probes)
    host, _, port = address.rpartition(":")
    try:
        server = await asyncio.start_server(served.answer, host.strip("[]"), int(port), limit=HEAD_MAX)
    except OSError as fault:
        tell("probes_not_served", f"{address}: {fault}")
        yield ""
        return
    try:
        bound = server.sockets[0].getsockname()
        yield f"{host}:{bound[1]}"
    finally:
        server.close()
        await server.wait_closed()


class _Served:
    def __init__(self, probes: Probes) -> None:
        self._probes = probes
        self._started = time.time()
        self._registry = metrics.registry_of(self._samples)
        self._clients = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: one request."""
        self._clients += 1
        try:
            async with asyncio.timeout(WAIT_S):
                status, kind, body = await self._answer_to(reader)
                head = (
                    f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                )
                writer.write(f"{head}Cache-Control: no-store\r\nConnection: close\r\n\r\n".encode() + body)
                await writer.drain()
        except (TimeoutError, OSError):
            writer.transport.abort()
        finally:
            self._clients -= 1
            with suppress(OSError):
                writer.close()

    async def _answer_to(self, reader: asyncio.StreamReader) -> tuple[int, str, bytes]:
        if self._clients > CLIENTS_MAX:
            return 503, JSON_TYPE, _body({"fault": f"more than {CLIENTS_MAX} clients at a time"})
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return 431, JSON_TYPE, _body({"fault": f"a head above {HEAD_MAX} bytes"})
        except asyncio.IncompleteReadError:
            return 400, JSON_TYPE, _body({"fault": "a request that ends within its head"})
        words = head.split(b"\r\n", 1)[0].split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return 400, JSON_TYPE, _body({"fault": "no request of HTTP/1"})
        if words[0] != b"GET":
            return 405, JSON_TYPE, _body({"fault": "only GET"})
        return self._page(words[1].split(b"?", 1)[0])

    def _page(self, path: bytes) -> tuple[int, str, bytes]:
        match path:
            case b"/metrics":
                return 200, metrics.CONTENT_TYPE, metrics.text(self._registry)
            case b"/healthz":
                why = self._probes.alive()
                return 503 if why else 200, JSON_TYPE, _body({"alive": not why} | ({"why": why} if why else {}))
            case b"/readyz":
                checks = self._probes.ready()
                is_ready = not any(checks.values())
                told = {name: {"ok": not why, "why": why} for name, why in checks.items()}
                return 200 if is_ready else 503, JSON_TYPE, _body({"ready": is_ready, "checks": told})
        return 404, JSON_TYPE, _body({"fault": "no such page", "allowed": "/healthz /readyz /metrics"})

    def _samples(self) -> Iterator[Sample]:
        yield Sample(metrics.BUILD, 1, (self._probes.service, version("ampward")))
        yield Sample(metrics.STARTED, self._started)
        yield Sample(metrics.READY, int(not any(self._probes.ready().values())))
        yield from self._probes.samples()


def _body(said: Mapping[str, object]) -> bytes:
    return json.dumps(said).encode() + b"\n"
