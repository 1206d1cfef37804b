"""HTTP clients for servers on loopback. They load no certificates, which costs more than many requests."""

import functools
from collections.abc import Mapping

import httpx

PATIENCE_S = 60.0


@functools.cache
def web() -> httpx.Client:
    """The one of tests without a loop. It keeps no line open, so that a process that has gone is not asked."""
    return httpx.Client(verify=False, limits=httpx.Limits(max_keepalive_connections=0), timeout=PATIENCE_S / 3)


def web_client(address: str = "", headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
    """A new one, of HOST:PORT and what comes behind it, or of whatever is asked for; ``async with``."""
    base = f"http://{address}" if address else ""
    return httpx.AsyncClient(verify=False, base_url=base, headers=headers, timeout=PATIENCE_S)
