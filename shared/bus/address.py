"""Where a broker is and how one signs in: checked before anything is connected.

Allowed: ``mqtt://host[:1883]`` and ``mqtts://host[:8883]``. Secrets are not part of an address: a user and the file
that holds the password stand beside it. Refused with what is allowed: other schemes, paths, queries, passwords.
"""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from shared.domain.errors import ConfigError

ALLOWED = "mqtt://HOST[:PORT] or mqtts://HOST[:PORT]"
PASSWORD_MAX = 4096
_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are to the broker, and how we know that it is the one; empty paths are "not used"."""

    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    """Certificates that may sign the broker's; empty takes the system's."""
    cert_file: str = ""
    key_file: str = ""


def parse_url(url: str) -> BrokerAddress:
    """The address; raises ConfigError with what is wrong and what is allowed."""
    if any(ord(char) <= 32 or ord(char) == 127 for char in url):
        raise _wrong(url, "there is a space or a control character in it")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _wrong(url, str(error)) from None
    if parts.scheme not in _PORTS:
        raise _wrong(url, f"its scheme is {parts.scheme!r}")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            "user and password do not belong into the address; allowed: user and password_file beside url"
        )
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise _wrong(url, "there is something behind the port")
    if not host or port == 0:
        raise _wrong(url, "the host is missing" if not host else "port 0 cannot be connected to")
    return BrokerAddress(host, _PORTS[parts.scheme] if port is None else port, parts.scheme == "mqtts")


def read_password(file: str) -> str:
    """First line of the file. Raises ConfigError when it cannot be read or holds none."""
    try:
        text = Path(file).read_text(encoding="utf-8")[:PASSWORD_MAX]
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"{file}: the password cannot be read: {why}") from None
    password = text.partition("\n")[0].rstrip("\r")
    if not password:
        raise ConfigError(f"{file}: there is no password in its first line")
    return password


def _wrong(url: str, why: str) -> ConfigError:
    return ConfigError(f"{url!r} is not the address of a broker: {why}; allowed: {ALLOWED}")
