"""The centre's configuration: one YAML file that every service of the fleet reads, checked like a site file.

    version: 1
    kafka:
      bootstrap: kafka1:9092,kafka2:9092
      security: tls                  # or plain, which is for loopback
      user: "{service}"              # SCRAM user; {service} is the name of the service that reads this
      password_file: "users/{service}.password"
      ca_file: ca.pem
      topics: {partitions: 24, replication: 3, min_insync: 2}
    postgres: {url_file: postgres.url}
    mqtt: {url: "mqtts://mqtt:8883", ca_file: ca.pem, cert_file: "users/{service}.pem", key_file: "users/{service}.key"}
    http: 127.0.0.1:8080
    supervisor: {identity: supervisor, services: [processor, gateway]}    # the key of _fleet, what has to be there
    history: {readings_days: 3, minutes_days: 100, years_days: 3660}   # kept in PostgreSQL; years: hours and journals
    notify: people.yaml              # who is told what (shared.runtime.site_file.people), for the notifier
    health: "0.0.0.0:9464"           # /healthz, /readyz, /metrics of every service; or {processor: 127.0.0.1:9464, ...}
    sites: sites                     # folder of registrations, one file a site; without it ampward.sites.v1 is read
    hosted: hosted                   # folder of the sites that the bridge hosts: SITE/ with identity, key and site.yaml
    data: data

Promises: every fault in one go, with file, line, column, key, what is wrong and what is allowed; relative paths start
at the file's folder; ``${VAR}`` in values; no secret stands in the file, in a fault or in the plan: a password is read
from its file when a connection is made, so that a renewed one needs no restart.
Refuses: unknown keys, TLS without a user, an address of PostgreSQL in clear. Without TLS beyond loopback it warns.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shared.bus.address import BrokerAddress, Credentials, parse_url, read_password
from shared.bus.registry import ONE_NODE, Shape
from shared.domain.errors import ConfigError
from shared.domain.ids import is_id
from shared.log.kafka.access import Access, ScramTls
from shared.runtime.documents import Document, Fault, Place, Refused, load_document
from shared.runtime.site_file.values import Duration, split_address
from shared.runtime.sound import Gaps, sound_part

SERVICE = "{service}"
BROKERS_MAX = 20
_LOOPBACK = re.compile(r"localhost|127\.[0-9.]+|\[?::1\]?")
_LOGIN = re.compile(r"//.*@")
_PREFIX = re.compile(r"[a-z0-9.-]{0,60}")
_POSTGRES = ("postgresql://", "postgres://")
ASKS_POSTGRES = frozenset({"notifier", "history", "supervisor", "gateway", "bridge"})
ASKS_MQTT = frozenset({"bridge"})
"""Services that need the secrets of these servers. No other has to have the files."""


def _brokers(given: object) -> str:
    parts = [part.strip() for part in str(given).split(",")]
    wrong = next((part for part in parts if not split_address(part)), None)
    if not isinstance(given, str) or wrong is not None or len(parts) > BROKERS_MAX:
        raise Refused(
            f"{str(wrong if wrong is not None else given)[:60]!r} is no address of a broker",
            "host:port, several behind commas, as in kafka1:9092,kafka2:9092",
        )
    return ",".join(parts)


def _mqtt_url(given: object) -> str:
    try:
        return str(parse_url(str(given)))
    except ConfigError as error:
        what, _, allowed = str(error).partition("; allowed: ")
        raise Refused(_LOGIN.sub("//(login)@", what), allowed) from None


def _http(given: object) -> str:
    if not isinstance(given, str) or not split_address(given):
        raise Refused(f"{str(given)[:60]!r} is no address to listen at", "host:port, as in 127.0.0.1:8080")
    return given


def _prefix(given: object) -> str:
    if not isinstance(given, str) or not _PREFIX.fullmatch(given):
        raise Refused(f"{str(given)[:60]!r} cannot begin a topic's name", "at most 60 of a-z 0-9 . -")
    return given


def _health(given: object) -> str | dict[str, str]:
    if isinstance(given, dict):
        wrong = next((name for name in given if not is_id(str(name))), None)
        if wrong is not None:
            raise Refused(f"{str(wrong)[:60]!r} is no service", "names of services, as in {processor: 127.0.0.1:9464}")
        return {str(name): _http(address) for name, address in given.items()}
    return _http(given)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TopicsModel(_Model):
    """How the topics are made and what they are compared with."""

    partitions: Annotated[int, Field(ge=1, le=1000)] = ONE_NODE.partitions
    replication: Annotated[int, Field(ge=1, le=9)] = ONE_NODE.replication
    min_insync: Annotated[int, Field(ge=1, le=9)] = ONE_NODE.min_insync
    prefix: Annotated[str, BeforeValidator(_prefix)] = ""
    """In front of every topic's name: several fleets on one cluster."""


class KafkaModel(_Model):
    bootstrap: Annotated[str, BeforeValidator(_brokers)]
    security: Literal["tls", "plain"] = "tls"
    user: str = SERVICE
    password_file: str = ""
    ca_file: str = ""
    """Who may have signed the brokers' certificates."""
    topics: TopicsModel = TopicsModel()


class PostgresModel(_Model):
    url_file: str
    """File with postgresql://user:password@host:port/database in its first line."""


class MqttModel(_Model):
    url: Annotated[str, BeforeValidator(_mqtt_url)]
    user: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


class SupervisorModel(_Model):
    """What the supervision watches, and after how long it says so."""

    identity: str = ""
    """Folder with the key of the pseudo-site _fleet."""
    services: tuple[str, ...] = ()
    """Services that have to be there; any other is watched from its first sign of life on."""
    certificates: tuple[str, ...] = ()
    """Certificates beside those of the sites whose end is watched: files, * allowed in names."""
    site_lost_after: Duration = 30_000
    link_lost_after: Duration = 45_000
    service_lost_after: Duration = 45_000
    expiring_before: Duration = 30 * 86_400_000
    delivery_failing_after: Duration = 120_000
    start_grace: Duration = 120_000
    """When the whole centre starts: what was not heard since is told as lost after this time at the earliest."""


class HistoryModel(_Model):
    """For how many days the fleet's history is kept; whole months are dropped, of readings whole days."""

    readings_days: Annotated[int, Field(ge=0, le=3_660)] = 3
    """Single readings; 0: none are stored."""
    minutes_days: Annotated[int, Field(ge=2, le=36_600)] = 100
    years_days: Annotated[int, Field(ge=2, le=36_600)] = 3_660
    """Hours, journals, discharges."""


class FleetFile(_Model):
    """The whole file."""

    version: Literal[1]
    kafka: KafkaModel
    postgres: PostgresModel | None = None
    mqtt: MqttModel | None = None
    http: Annotated[str, BeforeValidator(_http)] = "127.0.0.1:8080"
    health: Annotated[str | dict[str, str], BeforeValidator(_health)] = ""
    """Where services tell how they are (shared.runtime.probes): one address for each in a container of its own, or an
    address by service. Without it nowhere."""
    supervisor: SupervisorModel = SupervisorModel()
    history: HistoryModel = HistoryModel()
    notify: str = ""
    """File with the people whom the centre tells, and how."""
    sites: str = ""
    hosted: str = "hosted"
    """Folder of the sites that the bridge hosts: SITE/ with identity, key and site.yaml."""
    data: str = "data"


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """The file for one service: names filled in, paths absolute. Empty texts are "not configured"."""

    service: str
    bootstrap: str
    is_tls: bool
    kafka_user: str
    kafka_password_file: str
    kafka_ca_file: str
    shape: Shape
    prefix: str
    """In front of every topic's name."""
    postgres_url_file: str
    mqtt_url: str
    mqtt: tuple[str, str, str, str, str]
    """user, password_file, ca_file, cert_file, key_file."""
    http: str
    health: str
    """Where this service tells how it is; "" is nowhere."""
    supervisor: SupervisorModel
    history: HistoryModel
    """With absolute paths."""
    notify: str
    sites: str
    hosted: str
    data: str

    def access(self) -> Access:
        """How this service reaches Kafka now. Raises ConfigError when the password cannot be read."""
        if not self.is_tls:
            return Access(self.bootstrap)
        password = read_password(self.kafka_password_file)
        return Access(self.bootstrap, ScramTls(self.kafka_user, password, Path(self.kafka_ca_file)))

    def postgres_url(self) -> str:
        """The address with its password. Raises ConfigError."""
        if not self.postgres_url_file:
            raise ConfigError("postgres: is not configured; allowed: url_file with a file that holds the address")
        url = read_password(self.postgres_url_file)
        if not url.startswith(_POSTGRES):
            raise ConfigError(f"{self.postgres_url_file}: it holds no address; allowed: {_POSTGRES[0]}user@host/name")
        return url

    def broker(self) -> tuple[BrokerAddress, Credentials]:
        """The MQTT broker and who we are to it. Raises ConfigError."""
        if not self.mqtt_url:
            raise ConfigError("mqtt: is not configured; allowed: url, with ca_file, cert_file and key_file for TLS")
        user, password_file, ca_file, cert_file, key_file = self.mqtt
        password = read_password(password_file) if password_file else ""
        return parse_url(self.mqtt_url), Credentials(user, password, ca_file, cert_file, key_file)


@dataclass(frozen=True, slots=True)
class CheckedFleet:
    """What a fleet file came to. ``plan`` is None when there are errors."""

    plan: FleetPlan | None
    faults: tuple[Fault, ...]

    @property
    def errors(self) -> tuple[Fault, ...]:
        return tuple(fault for fault in self.faults if fault.severity == "error")


def check_fleet(path: Path, env: Mapping[str, str], service: str) -> CheckedFleet:
    """Read the file for one service; every fault of form and of files that are not there."""
    document, faults = load_document(path, env)
    if document is None:
        return CheckedFleet(None, tuple(faults))
    model, gaps, told = sound_part(document, FleetFile, _stand_in)
    faults += told
    if model is not None:
        faults += _Judge(document, gaps, model, path.parent, service).faults()
    faults.sort(key=lambda fault: (fault.line, fault.col))
    plan = None
    if model is not None and not any(fault.severity == "error" for fault in faults):
        plan = _plan(model, path.parent, service)
    return CheckedFleet(plan, tuple(faults))


def _stand_in(data: dict[str, Any]) -> None:
    """What must stand in every file, where it does not: so that the rest is judged too."""
    data["version"] = 1
    data["kafka"] = {"bootstrap": "127.0.0.1:9092", "security": "plain"}


def read_fleet(path: Path, env: Mapping[str, str], service: str) -> FleetPlan:
    """The plan of a file without faults. Raises ConfigError with every error, one a line."""
    checked = check_fleet(path, env, service)
    if checked.plan is None:
        raise ConfigError("\n".join(map(str, checked.errors)))
    return checked.plan


def json_schema() -> dict[str, Any]:
    """For editors."""
    return FleetFile.model_json_schema()


class _Judge:
    """What needs more than one key, or a look at the disk."""

    def __init__(self, document: Document, gaps: Gaps, model: FleetFile, base: Path, service: str) -> None:
        self._document = document
        self._gaps = gaps
        self._model = model
        self._base = base
        self._service = service
        self._found: list[Fault] = []

    def faults(self) -> list[Fault]:
        kafka, mqtt = self._model.kafka, self._model.mqtt
        if kafka.security == "tls":
            for key in ("password_file", "ca_file"):
                if not getattr(kafka, key):
                    allowed = f"{key}: with a file, or security: plain on loopback"
                    self._tell(("kafka", key), "is missing for TLS", allowed)
                else:
                    self._file(("kafka", key), getattr(kafka, key))
            if not kafka.user:
                self._tell(("kafka", "user"), "is empty", 'a SCRAM user, or "{service}" for one a service')
        else:
            self._in_clear(("kafka", "security"), kafka.bootstrap.split(","))
        if kafka.topics.min_insync > kafka.topics.replication:
            what = f"{kafka.topics.min_insync} replicas in step of {kafka.topics.replication}"
            self._tell(("kafka", "topics", "min_insync"), what, "at most the replication")
        if not _LOOPBACK.fullmatch(self._model.http.rpartition(":")[0]):
            what = f"{self._model.http} is beyond loopback, and the gateway speaks plain HTTP"
            self._tell(("http",), what, "a proxy with TLS before it that alone reaches it", severity="warning")
        if self._model.postgres is not None:
            self._postgres(self._model.postgres.url_file)
        if mqtt is not None:
            self._mqtt(mqtt)
        if self._model.notify:
            self._file(("notify",), self._model.notify)
        if self._model.sites and not (self._base / self._model.sites).is_dir():
            what = f"there is no folder {self._model.sites}"
            self._tell(("sites",), what, "a folder of registrations, or without the key ampward.sites.v1")
        return self._found

    def _postgres(self, file: str) -> None:
        place = ("postgres", "url_file")
        if file.startswith(_POSTGRES):
            self._tell(place, "is an address, and may hold a password", "the name of a file that holds the address")
            return
        if self._service in ASKS_POSTGRES:
            self._file(place, file)
        url = urlsplit("")
        with suppress(ConfigError, ValueError):  # A file that cannot be read is told of when it is needed.
            url = urlsplit(read_password(str(self._base / file.replace(SERVICE, self._service))))
        if url.hostname and not _LOOPBACK.fullmatch(url.hostname) and "sslmode=verify-full" not in url.query:
            what = f"{url.hostname} is beyond loopback, and the address asks for no TLS that is verified"
            allowed = "?sslmode=verify-full&sslrootcert=FILE behind the database's name"
            self._tell(place, what, allowed, severity="warning")

    def _mqtt(self, mqtt: MqttModel) -> None:
        address = parse_url(mqtt.url)
        for key in ("password_file", "ca_file", "cert_file", "key_file"):
            if getattr(mqtt, key) and self._service in ASKS_MQTT:
                self._file(("mqtt", key), getattr(mqtt, key))
        if bool(mqtt.cert_file) != bool(mqtt.key_file):
            missing = "key_file" if mqtt.cert_file else "cert_file"
            self._tell(("mqtt", missing), "is missing", "cert_file and key_file together, or neither")
        if not address.tls:
            self._in_clear(("mqtt", "url"), [f"{address.host}:{address.port}"])
            if mqtt.cert_file or mqtt.ca_file:
                self._tell(("mqtt", "url"), "is without TLS, and certificates stand beside it", "mqtts://HOST:PORT")

    def _in_clear(self, place: Place, addresses: list[str]) -> None:
        """Beyond loopback everybody on the way reads and writes along."""
        beyond = [one for one in addresses if not _LOOPBACK.fullmatch(one.strip().rpartition(":")[0])]
        if beyond:
            what = f"{beyond[0]} is beyond this machine and is reached in clear, without a user"
            self._tell(place, what, "TLS", severity="warning")

    def _file(self, place: Place, name: str) -> None:
        path = self._base / name.replace(SERVICE, self._service)
        if not path.is_file():
            self._tell(place, f"there is no file {path}", "a file that this service can read")

    def _tell(self, place: Place, what: str, allowed: str, *, severity: str = "error") -> None:
        if not self._gaps.is_broken(place):
            self._found.append(self._document.fault(place, what, allowed, severity=severity))


def _plan(model: FleetFile, base: Path, service: str) -> FleetPlan:
    def path(name: str) -> str:
        return str((base / name.replace(SERVICE, service)).resolve()) if name else ""

    kafka, mqtt, topics = model.kafka, model.mqtt, model.kafka.topics
    is_tls = kafka.security == "tls"
    return FleetPlan(
        service=service,
        bootstrap=kafka.bootstrap,
        is_tls=is_tls,
        kafka_user=kafka.user.replace(SERVICE, service) if is_tls else "",
        kafka_password_file=path(kafka.password_file) if is_tls else "",
        kafka_ca_file=path(kafka.ca_file) if is_tls else "",
        shape=Shape(topics.partitions, topics.replication, topics.min_insync),
        prefix=topics.prefix,
        postgres_url_file=path(model.postgres.url_file) if model.postgres is not None else "",
        mqtt_url=mqtt.url if mqtt is not None else "",
        mqtt=(
            (
                mqtt.user.replace(SERVICE, service),
                path(mqtt.password_file),
                path(mqtt.ca_file),
                path(mqtt.cert_file),
                path(mqtt.key_file),
            )
            if mqtt is not None
            else ("", "", "", "", "")
        ),
        http=model.http,
        history=model.history,
        supervisor=model.supervisor.model_copy(
            update={
                "identity": path(model.supervisor.identity),
                "certificates": tuple(map(path, model.supervisor.certificates)),
            }
        ),
        health=model.health if isinstance(model.health, str) else model.health.get(service, ""),
        notify=path(model.notify),
        sites=path(model.sites),
        hosted=path(model.hosted),
        data=path(model.data),
    )
