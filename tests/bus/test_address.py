"""Addresses of brokers: what is allowed, and every bad one with its words."""

from pathlib import Path

import pytest

from shared.bus.address import BrokerAddress, parse_url, read_password
from shared.domain.errors import ConfigError

GOOD = {
    "mqtt://127.0.0.1": BrokerAddress("127.0.0.1", 1883, tls=False),
    "mqtt://127.0.0.1:1884/": BrokerAddress("127.0.0.1", 1884, tls=False),
    "mqtts://broker.example": BrokerAddress("broker.example", 8883, tls=True),
    "mqtts://[::1]:9999": BrokerAddress("::1", 9999, tls=True),
    "MQTT://Broker": BrokerAddress("broker", 1883, tls=False),
}

BAD = {
    "": "scheme",
    "127.0.0.1": "scheme",
    "127.0.0.1:1883": "scheme",
    "http://127.0.0.1": "scheme",
    "ws://127.0.0.1": "scheme",
    "mqtt://": "host is missing",
    "mqtt://:1883": "host is missing",
    "mqtt://h:0": "port 0",
    "mqtt://h:65536": "Port out of range",
    "mqtt://h:x": "Port could not be",
    "mqtt://h/topic": "behind the port",
    "mqtt://h?x=1": "behind the port",
    "mqtt://h#x": "behind the port",
    "mqtt://u:p@h": "password_file",
    "mqtt://u@h": "password_file",
    "mqtt://[::1": "Invalid IPv6",
    "mqtt://a b": "control character",
    "mqtt://h\r\nX: y": "control character",
}


@pytest.mark.parametrize("url", GOOD)
def test_a_good_address_is_read(url: str) -> None:
    """Scheme, host and port, with the well-known port when none is given."""
    assert parse_url(url) == GOOD[url]
    assert parse_url(str(parse_url(url))) == GOOD[url]


@pytest.mark.parametrize("url", BAD)
def test_a_bad_address_is_refused_in_words(url: str) -> None:
    """The sender of a bad address learns what is wrong and what is allowed."""
    with pytest.raises(ConfigError, match=BAD[url]) as caught:
        parse_url(url)
    assert "allowed: " in str(caught.value)


def test_a_password_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    """Editors end files with a line break: it is no part of the secret."""
    file = tmp_path / "p"
    file.write_bytes(b"s3cret \r\nmore\n")
    assert read_password(str(file)) == "s3cret "


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_file_without_a_password_is_refused(tmp_path: Path, content: bytes) -> None:
    """An empty or unreadable file is named, its content never."""
    file = tmp_path / "p"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=str(file)):
        read_password(str(file))
    with pytest.raises(ConfigError, match="No such file"):
        read_password(str(tmp_path / "none"))
