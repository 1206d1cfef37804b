"""Who the site is to the fleet: the folder that `ampward enroll` has made, as the site's uplink reads it.

    identity.json     {v, site, partition, kafka_user, mqtt_user, topics}
    signing.key       Ed25519, PEM: what blocks are signed with
    ca.pem            whose word for both brokers is taken; without it nothing is hidden (a lab on one host)
    kafka.password, mqtt.password    first lines

Read anew at each connection, so that a renewed identity needs no restart. Refuses (ConfigError) with what is wrong; no
secret is ever part of a text.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from shared.bus.address import read_password
from shared.domain.errors import ConfigError, WireError
from shared.domain.ids import is_id
from shared.log.kafka.access import Access, ScramTls
from shared.wire.signing import SigningKey, read_signing_key

FILE = "identity.json"
SIGNING_KEY = "signing.key"
CA = "ca.pem"
KAFKA_PASSWORD = "kafka.password"
FORM = 1


@dataclass(frozen=True, slots=True)
class Identity:
    folder: Path
    site: str
    partition: int
    """Of every topic in which the site has records."""
    kafka_user: str
    topics: str
    """What the names of all topics begin with; usually nothing."""
    key: SigningKey

    def access(self, bootstrap: str) -> Access:
        """How to reach Kafka; raises ConfigError."""
        if not self.kafka_user:
            return Access(bootstrap)
        ca = self.folder / CA
        if not ca.is_file():
            raise ConfigError(f"{ca} is not there: the broker cannot be known")
        return Access(bootstrap, ScramTls(self.kafka_user, read_password(str(self.folder / KAFKA_PASSWORD)), ca))


def read_identity(folder: Path, site: str) -> Identity:
    """The identity of ``site``; raises ConfigError."""
    try:
        body = json.loads((folder / FILE).read_bytes())
        key = read_signing_key((folder / SIGNING_KEY).read_bytes())
        made = Identity(
            folder, body["site"], body["partition"], body.get("kafka_user", ""), body.get("topics", ""), key
        )
        version = body["v"]
    except OSError as fault:
        raise ConfigError(f"{fault.filename}: {fault.strerror}; `ampward enroll` makes it") from fault
    except WireError as fault:
        raise ConfigError(f"{folder / SIGNING_KEY}: {fault}") from fault
    except (ValueError, TypeError, KeyError, AttributeError) as fault:
        raise ConfigError(f"{folder / FILE}: {type(fault).__name__}: {fault}") from fault
    if version != FORM or not isinstance(made.partition, int) or made.partition < 0 or not is_id(made.site):
        raise ConfigError(f"{folder / FILE}: not an identity of form {FORM}")
    if made.site != site:
        raise ConfigError(f"{folder / FILE} is the identity of {made.site}, this site is {site}")
    return made
