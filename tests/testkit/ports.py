"""Free TCP ports on loopback, below those that the kernel gives to outgoing connections.

A server that is killed and started again on its port finds it free: no client was given it meanwhile, and no other
worker of the same run of pytest.
"""

import itertools
import os
import random
import socket
from functools import cache

FIRST, LAST = 10_000, 30_000
WORKERS = 8
"""More workers than these share ranges; a port of another is then found to be taken."""


@cache
def _ports() -> "itertools.cycle[int]":
    """This worker's, each once in a round, begun anywhere: another run may go on beside this one."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    size = (LAST - FIRST) // WORKERS
    begin = random.randrange(size)
    return itertools.cycle([FIRST + worker * size + (begin + number) % size for number in range(size)])


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    while True:
        port = next(_ports())
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
