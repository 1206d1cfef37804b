"""Where the interface listens: HOST:PORT on loopback, bound before anything else is started.

A taken port is an error at start (Busy) and not a log line later. Only loopback addresses are served: whoever wants the
interface elsewhere puts a proxy with TLS and accounts before it. Import-light: the parent of the processes binds.
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
    parts = split_address(address)
    if parts is None:
        raise ConfigError(f"{address!r} is not an address; allowed: HOST:PORT, for example 127.0.0.1:8080")
    host, port = ("127.0.0.1", parts[1]) if parts[0] == "localhost" else parts
    try:
        where = ipaddress.ip_address(host)
    except ValueError:
        where = None
    if where is None or not where.is_loopback:
        raise ConfigError(f"{host} is not a loopback address; allowed: 127.0.0.1 or [::1]")
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
        raise
    return made
