"""System calls that fail: a program run under strace with errors injected."""

from collections.abc import Sequence
from pathlib import Path

from tests.testkit import kernel


def failing(
    argv: Sequence[str | Path], *, calls: str = "fsync,fdatasync", error: str = "EIO", when: str = "1+"
) -> list[str]:
    """The same command with these system calls failing; ``when``: "3" the third, "3+" from the third on."""
    kernel.need(kernel.Feature.TRACE)
    inject = f"inject={calls}:error={error}:when={when}"
    return ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", inject, *map(str, argv)]
