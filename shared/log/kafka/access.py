"""How a program reaches Kafka: the addresses, and with them TLS and the SCRAM user it comes as.

``options()`` are the keywords that every client of aiokafka takes. A password is never part of a text of ours.
"""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MECHANISM = "SCRAM-SHA-512"


@dataclass(frozen=True, slots=True)
class ScramTls:
    """TLS to a broker whose certificate ``ca_file`` vouches for, and a user with a password."""

    user: str
    password: str = field(repr=False)
    ca_file: Path


@dataclass(frozen=True, slots=True)
class Access:
    """``bootstrap`` is host:port, several behind commas. Without ``security`` nothing is hidden: loopback only."""

    bootstrap: str
    security: ScramTls | None = None

    def options(self) -> dict[str, Any]:
        """Keywords for a producer, a consumer or an admin client. Raises OSError when the CA file cannot be read."""
        options: dict[str, Any] = {"bootstrap_servers": self.bootstrap.split(",")}
        if self.security is not None:
            options |= {
                "security_protocol": "SASL_SSL",
                "ssl_context": ssl.create_default_context(cafile=str(self.security.ca_file)),
                "sasl_mechanism": MECHANISM,
                "sasl_plain_username": self.security.user,
                "sasl_plain_password": self.security.password,
            }
        return options
