"""What a site file may name outside the box: mailboxes, URLs and the networks and hosts that they may lead to. Pure.

`check` and whoever opens a line read them by the same functions, so that what passes the one works for the other. A
fault is a :class:`Wrong` with what is wrong and what is allowed; of a URL nothing behind its host is ever quoted, since
its path is often a secret.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from email.utils import parseaddr
from typing import NamedTuple
from urllib.parse import urlsplit

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

URL_CHARACTERS_MAX = 2000
_SHOWN = 60
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"(?i)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_HOST = re.compile(r"[a-z0-9._-]{1,253}")
_TOKEN = re.compile(r"(?=.*[0-9A-Z])[A-Za-z0-9_.~-]{16,}")
_URL_EXAMPLE = "as in https://hooks.example.org/x"


class Wrong(NamedTuple):
    """A fault: what is wrong, what is allowed."""

    what: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.what}, {self.allowed}"


class Mailbox(NamedTuple):
    """``Name <address>``; the name may be empty, the address is ASCII."""

    name: str
    address: str


def read_mailbox(text: str, example: str = "anna@example.org") -> Mailbox | Wrong:
    """``a@example.org`` or ``Name <a@example.org>``.

    A domain in letters of other scripts becomes its ASCII form; the part before the @ must be ASCII (RFC 5321).
    """
    what = f"{text[:_SHOWN]!r} is no address"
    if not text.isprintable():
        return Wrong(what, "one line without control characters")
    name, address = parseaddr(text) if "<" in text else ("", text.strip())
    local, at, domain = address.rpartition("@")
    if not at or "," in address:
        return Wrong(what, f"as in {example}")
    if not _ATOMS.fullmatch(local) or len(local) > 64:
        return Wrong(what, "before the @ stand 1 to 64 of a to z, digits and .!#$%&'*+/=?^_`{|}~-")
    ascii_domain = _in_ascii(domain)
    if not ascii_domain or len(ascii_domain) > 253 or not all(map(_LABEL.fullmatch, ascii_domain.split("."))):
        return Wrong(what, "after the @ stands a domain, as in example.org")
    return Mailbox(name, f"{local}@{ascii_domain}")


def url_faults(text: str) -> tuple[Wrong, ...]:
    """What is wrong with an address on the web; empty when a request can be made of it."""
    if not text.isprintable() or " " in text or len(text) > URL_CHARACTERS_MAX:
        return (Wrong(f"it is not one word of at most {URL_CHARACTERS_MAX} characters", _URL_EXAMPLE),)
    try:
        parts = urlsplit(text)
        port = parts.port
        host = parts.hostname or ""
    except ValueError:
        return (Wrong("its host or port cannot be read", f"{_URL_EXAMPLE}, a port from 1 to 65535"),)
    if parts.scheme not in ("http", "https") or not host:
        return (Wrong("it names no host behind http:// or https://", _URL_EXAMPLE),)
    if port == 0 or not (_is_address(host) or host_name(host)):
        return (Wrong("its host or port cannot be read", f"{_URL_EXAMPLE}, a port from 1 to 65535"),)
    if "@" in parts.netloc:
        return (Wrong("a user or password stands in it", "none: the signature (secret_file) says who sends"),)
    return ()


def url_in_file(raw: bytes) -> str | Wrong:
    """The URL of a url_file's bytes: its only line, blanks around it passed over."""
    url = raw.decode("utf-8", "replace").strip()
    wrong = url_faults(url)
    return wrong[0] if wrong else url


def may_hold_secret(url: str) -> bool:
    """Whether who reads this URL may be able to use it: a query, or a part of the path that looks made by chance."""
    parts = urlsplit(url)
    return bool(parts.query) or any(map(_TOKEN.fullmatch, parts.path.split("/")))


def private_address(url: str, allow: Sequence[str]) -> str:
    """The address that a readable URL names and that is never reached, being neither public nor under ``allow``; "" if
    there is none. ``localhost`` is 127.0.0.1; what another name leads to is known only when it is looked up."""
    host = (urlsplit(url).hostname or "").lower()
    address = "127.0.0.1" if host == "localhost" or host.endswith(".localhost") else host
    if not _is_address(address) or is_public(address) or host in {host_name(entry) for entry in allow}:
        return ""
    return "" if is_within(address, [each for entry in allow for each in network(entry)]) else host


def allow_faults(entry: str) -> tuple[Wrong, ...]:
    """What is wrong with a network or a host that may be reached."""
    if network(entry) or host_name(entry):
        return ()
    return (Wrong(f"{entry[:_SHOWN]!r} is neither a network nor a host", "as in 10.0.0.0/8 or hooks.example.org"),)


def network(entry: str) -> tuple[IpNetwork, ...]:
    """The network that it is; empty when it is none. Bits behind the network's own are passed over."""
    try:
        return (ipaddress.ip_network(entry, strict=False),)
    except ValueError:
        return ()


def host_name(entry: str) -> str:
    """In its ASCII form and small letters; "" when it is none."""
    name = _in_ascii(entry).lower()
    return name if _HOST.fullmatch(name) else ""


def _in_ascii(name: str) -> str:
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether the whole Internet may use this address."""
    ip = _plain(address)
    return ip is not None and ip.is_global and not (ip.is_multicast or ip.is_reserved or _is_site_local(ip))


def is_within(address: str, networks: Iterable[IpNetwork]) -> bool:
    """Whether one of the networks holds this address."""
    ip = _plain(address)
    return ip is not None and any(ip.version == network.version and ip in network for network in networks)


def _plain(address: str) -> IpAddress | None:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


def _is_site_local(ip: IpAddress) -> bool:
    return isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local
