"""Which addresses are public, how names are resolved, and the words for what went wrong."""

import asyncio
import errno
import ipaddress
import socket
import ssl

import pytest

from services.notifier.network import resolve, why
from shared.runtime.outside import is_public, is_within

PUBLIC = ("1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1")
NOT_PUBLIC = (
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254",
    "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1",
    "fc00::1", "fec0::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1", "fe80::1%eth0", "example.org", "127.1", "0x7f.1", "",
)  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    """Also when it stands inside another."""
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_every_other_address_is_not(address: str) -> None:
    """Private, local, reserved, for many, hidden inside another, or no address at all."""
    assert not is_public(address)


def test_a_network_holds_its_addresses_in_either_form() -> None:
    """127.0.0.0/8 holds 127.0.0.1 also where it is written as an IPv6 address."""
    loopback = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("fd00::/8")]
    held = [is_within(each, loopback) for each in ("127.0.0.1", "::ffff:127.0.0.1", "fd00::1", "10.0.0.1", "::1", "x")]
    assert held == [True, True, True, False, False, False]


async def test_a_literal_address_asks_nobody() -> None:
    """It is its own answer, in its plain form."""
    assert await resolve("127.0.0.1", 80) == ("127.0.0.1",)
    assert await resolve("0:0:0:0:0:0:0:1", 80) == ("::1",)


async def test_a_name_of_this_machine_is_resolved() -> None:
    """By the system's own resolver."""
    assert {"127.0.0.1", "::1"} & set(await resolve("localhost", 80))


@pytest.mark.parametrize("host", ["no.such.name.invalid", "a" * 300, "x..y", "ä\x00b"])
async def test_a_name_that_cannot_be_is_an_error_of_the_system(host: str) -> None:
    """Never another kind of error, whatever a site file says."""
    with pytest.raises((OSError, ValueError)):
        await resolve(host, 80)


async def test_a_look_up_that_nobody_waits_for_hurts_nobody() -> None:
    """A cancelled one ends in its own thread."""
    waiting = asyncio.create_task(resolve("localhost", 80))
    await asyncio.sleep(0)
    waiting.cancel()
    assert await asyncio.gather(waiting, return_exceptions=True)
    assert await resolve("localhost", 80)


def _raised(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


WORDS = [
    (OSError(errno.ECONNREFUSED, "Connect call failed ('1.2.3.4', 5)"), "connection refused"),
    (_raised(RuntimeError("GET /secret"), OSError(errno.EHOSTUNREACH, "x")), "no route to host"),
    (socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
     "its name cannot be resolved (Name or service not known)"),
    (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong"), "TLS does not come about (broken off)"),
    (RuntimeError("GET /secret"), "the line broke"),
    (BaseExceptionGroup("many", [OSError(errno.ENETUNREACH, "x")]), "network is unreachable"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "words"), WORDS, ids=lambda each: str(each)[:20])
def test_trouble_has_plain_words(error: BaseException, words: str) -> None:
    """The kind of trouble, never the text of an error that may quote an address."""
    assert why(error) == words
