"""What makes a fleet's servers safe, in one folder: authority, servers' certificates, services' users, ACLs.

    DIR/security/ca.pem ca.key crl.pem        services.fleet.authority
    DIR/security/kafka.pem                    Kafka's key and certificate
    DIR/security/mqtt.pem mqtt.key            Mosquitto's
    DIR/security/mosquitto.acl                who may what in MQTT
    DIR/security/users/NAME.password          Kafka's users: admin and one a service
    DIR/security/users/NAME.pem NAME.key      the certificate of a service that speaks MQTT

Everything is made once and kept; nothing has a default. The folder is its owner's alone, and so is every key in it.
"""

import datetime
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.fleet.authority import LEAF_DAYS, Authority, ends_at
from services.fleet.files import PRIVATE, PUBLIC, write, write_private, write_public
from services.fleet.permissions import ADMIN, MQTT_SERVICES, SERVICES, mqtt_rules
from shared.bus.address import read_password
from shared.log.kafka.access import MECHANISM, Access, ScramTls

KAFKA_NAME = "ampward-kafka"
LOOPBACK = ("127.0.0.1", "localhost")
RENEW_DAYS = 60
"""A server's certificate that ends sooner is made anew at a start of the servers."""


@dataclass(frozen=True, slots=True)
class Vault:
    """The folder, complete."""

    folder: Path
    authority: Authority

    def access(self, bootstrap: str, user: str = ADMIN) -> Access:
        """How this user reaches Kafka."""
        password = read_password(str(self.folder / "users" / f"{user}.password"))
        return Access(bootstrap, ScramTls(user, password, self.authority.ca_file))

    def passwords(self) -> dict[str, str]:
        """Each service's Kafka password."""
        return {name: read_password(str(self.folder / "users" / f"{name}.password")) for name in SERVICES}

    def kafka_settings(self, port: int, internal_port: int, controller_port: int) -> Mapping[str, str]:
        """Kafka's settings: clients by TLS and SCRAM, the node itself by its certificate, rights for whom it is said.

        A certificate of ours opens the node's own listeners to nobody else: what it may do there is nothing.
        """
        own = f"INTERNAL://127.0.0.1:{internal_port}"
        keys = str(self.folder / "kafka.pem")
        jaas = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        return {
            "listeners": f"CLIENTS://127.0.0.1:{port},{own},CONTROLLER://127.0.0.1:{controller_port}",
            "advertised.listeners": f"CLIENTS://127.0.0.1:{port},{own}",
            "listener.security.protocol.map": "CLIENTS:SASL_SSL,INTERNAL:SSL,CONTROLLER:SSL",
            "inter.broker.listener.name": "INTERNAL",
            "sasl.enabled.mechanisms": MECHANISM,
            f"listener.name.clients.{MECHANISM.lower()}.sasl.jaas.config": jaas,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": keys,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.ca_file),
            "listener.name.internal.ssl.client.auth": "required",
            "listener.name.controller.ssl.client.auth": "required",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": f"User:CN={KAFKA_NAME};User:{ADMIN}",
        }

    def kafka_format_words(self) -> tuple[str, ...]:
        """Makes the first user, who makes all others."""
        password = read_password(str(self.folder / "users" / f"{ADMIN}.password"))
        return ("--add-scram", f"{MECHANISM}=[name={ADMIN},password={password}]")

    def mosquitto_lines(self) -> Sequence[str]:
        """Mosquitto's: whoever connects has a certificate of ours, and its name is the user."""
        return (
            "allow_anonymous false",
            f"cafile {self.authority.ca_file}",
            f"certfile {self.folder / 'mqtt.pem'}",
            f"keyfile {self.folder / 'mqtt.key'}",
            f"crlfile {self.authority.crl_file}",
            "require_certificate true",
            "use_identity_as_username true",
            f"acl_file {self.folder / 'mosquitto.acl'}",
        )

    def publish(self, joined: Iterable[str], hosted: Iterable[str], revoked: Iterable[int]) -> None:
        """Write what Mosquitto reads at its start and at HUP."""
        write_public(self.folder / "mosquitto.acl", mqtt_rules(joined, hosted))
        self.authority.revoke(revoked)


def open_vault(folder: Path, now: datetime.datetime, hosts: Sequence[str] = ()) -> Vault:
    """The vault in a folder; whatever is missing in it is made. ``hosts``: more names of the servers."""
    authority = Authority(folder, now)
    vault, users = Vault(folder, authority), folder / "users"
    users.mkdir(mode=0o700, exist_ok=True)
    names = (*LOOPBACK, *hosts)
    if _is_due(folder / "kafka.pem", now):
        pair = authority.server(KAFKA_NAME, names)
        write(folder / "kafka.pem", pair.key + pair.certificate, PRIVATE)
    if _is_due(folder / "mqtt.pem", now):
        pair = authority.server("ampward-mqtt", names)
        write(folder / "mqtt.key", pair.key, PRIVATE)
        write(folder / "mqtt.pem", pair.certificate, PUBLIC)
    for name in (ADMIN, *SERVICES):
        if not (users / f"{name}.password").exists():
            write_private(users / f"{name}.password", secrets.token_urlsafe(32) + "\n")
    for name in MQTT_SERVICES:
        if _is_due(users / f"{name}.pem", now):
            pair = authority.client(f"service.{name}")
            write(users / f"{name}.key", pair.key, PRIVATE)
            write(users / f"{name}.pem", pair.certificate, PUBLIC)
    return vault


def _is_due(certificate: Path, now: datetime.datetime) -> bool:
    """Whether a certificate is missing, or ends soon."""
    assert RENEW_DAYS < LEAF_DAYS
    return not certificate.exists() or ends_at(certificate) - now < datetime.timedelta(days=RENEW_DAYS)
