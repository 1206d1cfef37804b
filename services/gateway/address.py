"""Where the interface listens: HOST:PORT, bound before anything else is started.

A taken port is an error at start (Busy) and not a log line later. A site serves loopback only: whoever wants the
interface elsewhere puts a proxy with TLS and accounts before it. A fleet's gateway may be told another address, since
in a container its proxy is on another one. Import-light: the parent of the processes binds.
"""

import errno
import ipaddress
import socket

from shared.domain.errors import Busy, ConfigError

BACKLOG = 64


def split_address(address: str) -> tuple[str, int] | None:
    """Host and port of ``HOST:PORT`` or ``[V6]:PORT``; None when it is not one."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        return None
    return host, int(port)


def shown_address(listening: socket.socket) -> str:
    """HOST:PORT as bound."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def bind_loopback(address: str) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises Busy when taken, ConfigError when not loopback."""
    if not is_loopback(address):
        parts = split_address(address)
        what = f"{parts[0]} is not a loopback address" if parts else f"{address!r} is not an address"
        raise ConfigError(f"{what}; allowed: 127.0.0.1:PORT or [::1]:PORT")
    return bind(address)


def is_loopback(address: str) -> bool:
    """Whether HOST:PORT is reached from this machine alone."""
    parts = split_address(address)
    where = _ip(parts[0]) if parts is not None else None
    return where is not None and where.is_loopback


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return None


def bind(address: str) -> socket.socket:
    """A listening socket at any address of this machine. Raises Busy when taken, ConfigError when it is none."""
    parts = split_address(address)
    if parts is None:
        raise ConfigError(f"{address!r} is not an address; allowed: HOST:PORT, for example 127.0.0.1:8080")
    where, port = _ip(parts[0]), parts[1]
    if where is None:
        raise ConfigError(f"{parts[0]} is no address of a machine; allowed: an IP address or localhost")
    host = str(where)
    made = socket.socket(socket.AF_INET6 if where.version == 6 else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            why = "is taken by another program" if error.errno == errno.EADDRINUSE else "may not be opened by this user"
            raise Busy(f"port {port} of {host} {why}; choose another with --http HOST:PORT (port 0: any)") from None
        if error.errno == errno.EADDRNOTAVAIL:
            raise ConfigError(f"{host} is no address of this machine; allowed: one of its own, or 0.0.0.0") from None
        raise
    return made
