"""Requests to one configured URL, kept within bounds: which addresses, how long, how much.

The URL stands in the site file or in a file of its own, which is read at each request: it may come later and change.

Promises: the name is resolved once a request and the connection goes to exactly one of the addresses that were judged,
so that a second answer of the resolver cannot lead elsewhere; Host and the TLS name stay those of the URL, and the
certificate is checked against them. An address that is not public is reached only when ``allow`` names its network or
the host. No redirect is followed, no proxy of the environment and no cookie is used, no connection is kept. A request
ends within its time, also when bytes come one by one. Path and query of the URL often hold a secret: no sentence quotes
them.

Limits: 4 KiB of a url_file; an answer's head of 100 KiB (the library's), of its body 16 KiB in 1 s are read and thrown
away, so that a polite server can end its answer; four addresses of a name are tried, each for its share of the time.
"""

import asyncio
import logging
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from services.notifier.network import ADDRESSES_MAX, Resolve, resolve, why
from services.notifier.plain import one_line
from shared.runtime.outside import (
    IpNetwork,
    Wrong,
    allow_faults,
    host_name,
    is_public,
    is_within,
    network,
    url_faults,
    url_in_file,
)

RETRY_AFTER_MS_MAX = 300_000
"""A server may ask for patience, but not for longer than an unacked critical alarm may stay untold."""
DRAIN_BYTES_MAX = 16_384
DRAIN_S = 1.0
URL_FILE_BYTES_MAX = 4096
_CONNECTIONS_MAX = 16
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Reply:
    """The other side answered."""

    status: int
    retry_after_ms: int
    """As it asked, within bounds; 0 when it did not."""
    shown: str
    """How people see the other side: host and port."""


@dataclass(frozen=True, slots=True)
class Unreached:
    """No answer came."""

    why: str
    was_written: bool
    """The whole request had been handed over: it may have been taken."""


class Where(NamedTuple):
    """As a plan has it: the URL or the file that holds it, and what may be reached beside public addresses."""

    url: str
    url_file: str
    allow: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that was read, and where beside public addresses it may lead."""

    url: httpx.URL
    host: str
    port: int
    networks: tuple[IpNetwork, ...]
    hosts: frozenset[str]

    @property
    def shown(self) -> str:
        """How people see it: without path and query."""
        return f"{one_line(self.host, 100)}:{self.port}"

    def may_reach(self, address: str) -> bool:
        """Whether a line to this address may be opened."""
        return is_public(address) or self.host in self.hosts or is_within(address, self.networks)


def faults(where: Where) -> list[str]:
    """What is wrong with it, a sentence each, as the site file's check has it; no file is opened."""
    return [
        *(f"url: {wrong}" for wrong in (() if where.url_file else url_faults(where.url))),
        *(f"allow: {wrong}" for entry in where.allow for wrong in allow_faults(entry)),
    ]


def _in_file(where: Where) -> Target | str:
    """Where the url_file leads now, or a sentence that says why it cannot tell, without quoting it."""
    try:
        with Path(where.url_file).open("rb") as file:
            url = url_in_file(file.read(URL_FILE_BYTES_MAX))
    except OSError as error:
        return f"url_file {where.url_file} cannot be read: {why(error)}"
    return f"url_file {where.url_file} holds no URL: {url}" if isinstance(url, Wrong) else _target(url, where.allow)


def _target(url: str, allow: Sequence[str]) -> Target:
    parsed = httpx.URL(url).copy_with(fragment=None)
    networks = tuple(each for entry in allow for each in network(entry))
    hosts = frozenset(host_name(entry) for entry in allow if not network(entry))
    host = parsed.raw_host.decode("ascii").strip("[]").lower()
    return Target(parsed, host, parsed.port or _PORTS[parsed.scheme], networks, hosts)


class Reach:
    """Sends requests to one target over one shared client; used from one event loop."""

    def __init__(
        self, where: Where, *, timeout_s: float, resolver: Resolve = resolve, tls: ssl.SSLContext | None = None
    ) -> None:
        """ValueError when :func:`faults` finds any."""
        found = faults(where)
        if found:
            raise ValueError("; ".join(found))
        self._where = where
        self._fixed = None if where.url_file else _target(where.url, where.allow)
        self._timeout_s = timeout_s
        self._resolve = resolver
        # The library tells every URL to its log at INFO.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._client = httpx.AsyncClient(
            verify=tls or ssl.create_default_context(),
            trust_env=False,
            follow_redirects=False,
            timeout=None,
            limits=httpx.Limits(max_connections=_CONNECTIONS_MAX, max_keepalive_connections=0),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    async def close(self) -> None:
        """End what is open."""
        await self._client.aclose()

    async def request(
        self, method: str, *, headers: Mapping[str, str], content: bytes, wall_ms: int
    ) -> Reply | Unreached:
        """One request; ``wall_ms`` is the present, for a Retry-After that names a time."""
        sent = _Sent(f"url_file {self._where.url_file}")
        try:
            async with asyncio.timeout(self._timeout_s) as limit:
                target = self._fixed if self._fixed is not None else await asyncio.to_thread(_in_file, self._where)
                if isinstance(target, str):
                    return Unreached(target, was_written=False)
                sent.shown = target.shown
                addresses = await self._addresses(target)
                if isinstance(addresses, str):
                    return sent.unreached(addresses)
                response = await self._first_answer(method, target, addresses, headers, content, sent)
                patience_ms = retry_after_ms(response.headers.get("Retry-After", ""), wall_ms)
                reply = Reply(response.status_code, patience_ms, target.shown)
        except TimeoutError:
            return sent.unreached(f"gave no answer within {self._timeout_s:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as trouble:
            return sent.unreached(f"cannot be reached: {_words(trouble)}")
        await _drain(response, limit.when())
        return reply

    async def _addresses(self, target: Target) -> tuple[str, ...] | str:
        """Those that may be reached, in the system's order, or why there is none."""
        try:
            found = await self._resolve(target.host, target.port)
        except OSError as unknown:
            return f"cannot be found: {why(unknown)}"
        allowed = tuple(address for address in found if target.may_reach(address))
        if not allowed:
            return f"is at {', '.join(found[:3])}, which is no public address: name its network or host under allow"
        return allowed[:ADDRESSES_MAX]

    async def _first_answer(
        self,
        method: str,
        target: Target,
        addresses: Sequence[str],
        headers: Mapping[str, str],
        content: bytes,
        sent: "_Sent",
    ) -> httpx.Response:
        """From the first address that takes the connection; the head of the answer has been read."""
        patience = httpx.Timeout(None, connect=self._timeout_s / len(addresses))
        for number, address in enumerate(addresses, 1):
            request = self._client.build_request(
                method,
                target.url.copy_with(host=address),
                headers={**headers, "Host": target.url.netloc.decode("ascii"), "Accept-Encoding": "identity",
                         "Connection": "close", "User-Agent": "Ampward"},
                content=content,
                timeout=patience,
                extensions={"sni_hostname": target.host, "trace": sent.trace},
            )  # fmt: skip
            try:
                return await self._client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise AssertionError("there is at least one address")


@dataclass(slots=True)
class _Sent:
    """How far one request came."""

    shown: str
    is_whole: bool = False

    def unreached(self, said: str) -> Unreached:
        return Unreached(f"{self.shown} {said}", self.is_whole)

    async def trace(self, name: str, _info: Mapping[str, Any]) -> None:
        """Told by the library of each step of a request."""
        if name == "http11.send_request_body.complete":
            self.is_whole = True


def retry_after_ms(text: str, wall_ms: int) -> int:
    """What a Retry-After asks for (RFC 9110, 10.2.3), 0 to :data:`RETRY_AFTER_MS_MAX`; 0 for one that says nothing."""
    words = text.strip()
    if words.isascii() and words.isdigit():
        wanted = int(words[:9]) * 1000
    else:
        try:
            at = parsedate_to_datetime(words)
            wanted = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000) - wall_ms
        except (ValueError, TypeError, OverflowError):
            wanted = 0
    return min(max(wanted, 0), RETRY_AFTER_MS_MAX)


async def _drain(response: httpx.Response, deadline: float | None) -> None:
    """Read a little of the body, then let go of the line."""
    try:
        now = asyncio.get_running_loop().time()
        left = 0
        with suppress(httpx.HTTPError, TimeoutError, OSError):
            async with asyncio.timeout_at(min(deadline or now, now + DRAIN_S)):
                async for chunk in response.aiter_raw():
                    left += len(chunk)
                    if left >= DRAIN_BYTES_MAX:
                        break
    finally:
        with suppress(httpx.HTTPError, OSError):
            await response.aclose()


def _words(trouble: BaseException) -> str:
    if isinstance(trouble, httpx.RemoteProtocolError):
        return "it does not speak HTTP, or broke the line in the middle of its answer"
    return why(trouble)
