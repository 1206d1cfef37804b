"""A second host on one machine: a network namespace joined by a veth pair, whose cable can be cut, one way or both.

with second_host() as host:
    host.start(["mosquitto", "-p", "1883"])      # runs over there, reachable at host.address
    host.cut(); host.mend()
    host.cut_towards_here()                      # it hears us, we do not hear it
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.testkit import kernel


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


@dataclass(frozen=True, slots=True)
class SecondHost:
    """Address ``address`` is the host over there, ``here`` is ours on the same cable."""

    name: str
    cable: str
    here: str
    address: str

    def command(self, argv: Sequence[str]) -> list[str]:
        """The same command, run over there."""
        return ["ip", "netns", "exec", self.name, *argv]

    def cut(self) -> None:
        """Pull the cable."""
        _run("ip", "link", "set", self.cable, "down")

    def mend(self) -> None:
        """Put the cable back and let everything through."""
        _run("ip", "link", "set", self.cable, "up")
        _run("ip", "route", "replace", f"{self.address}/32", "dev", self.cable)
        _run("ip", "-n", self.name, "route", "replace", f"{self.here}/32", "dev", "far")

    def cut_towards_here(self) -> None:
        """Packets from over there vanish; ours still arrive."""
        _run("ip", "-n", self.name, "route", "replace", "blackhole", f"{self.here}/32")

    def cut_towards_there(self) -> None:
        """Our packets vanish; theirs still arrive."""
        _run("ip", "route", "replace", "blackhole", f"{self.address}/32")


@contextmanager
def second_host(number: int = 0) -> Iterator[SecondHost]:
    """A second host for the length of the block; ``number`` 0..99 keeps several apart."""
    kernel.need(kernel.Feature.NAMESPACES)
    unique = f"{os.getpid() % 100_000}{number:02d}"
    net = f"10.{200 + os.getpid() % 50}.{number}"
    host = SecondHost(name=f"amp{unique}", cable=f"amp{unique}", here=f"{net}.1", address=f"{net}.2")
    _run("ip", "netns", "add", host.name)
    try:
        _run("ip", "link", "add", host.cable, "type", "veth", "peer", "name", "far", "netns", host.name)
        _run("ip", "addr", "add", f"{host.here}/30", "dev", host.cable)
        _run("ip", "-n", host.name, "addr", "add", f"{host.address}/30", "dev", "far")
        _run("ip", "-n", host.name, "link", "set", "lo", "up")
        _run("ip", "-n", host.name, "link", "set", "far", "up")
        host.mend()
        yield host
    finally:
        subprocess.run(["ip", "route", "del", "blackhole", f"{host.address}/32"], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", host.cable], check=False, capture_output=True)
        _run("ip", "netns", "del", host.name)
