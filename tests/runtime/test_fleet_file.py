"""The fleet file: what a good one comes to, and each fault at its place, in words, with what is allowed."""

from pathlib import Path

import pytest

from shared.bus.registry import Shape
from shared.domain.errors import ConfigError
from shared.runtime.fleet_file import check_fleet, json_schema, read_fleet

GOOD = """\
version: 1
kafka:
  bootstrap: kafka1:9092, kafka2:9092
  password_file: "users/{service}.password"
  ca_file: ca.pem
  topics: {partitions: 24, replication: 3, min_insync: 2, prefix: east.}
postgres: {url_file: "${PG}"}
mqtt: {url: "mqtts://mqtt:8883", ca_file: ca.pem, cert_file: users/c.pem, key_file: users/c.key}
sites: users
"""
POSTGRES = "postgresql://ampward:secret@db/ampward?sslmode=verify-full&sslrootcert=ca.pem"
LOOPBACK = 'version: 1\nkafka: {bootstrap: "127.0.0.1:9092", security: plain}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "users").mkdir()
    for name in ("ca.pem", "users/c.pem", "users/c.key"):
        (tmp_path / name).write_text("x")
    (tmp_path / "users" / "processor.password").write_text("first\n")
    (tmp_path / "pg").write_text(f"{POSTGRES}\n")
    return tmp_path


def _said(folder: Path, text: str, service: str = "processor") -> list[str]:
    (folder / "fleet.yaml").write_text(text)
    faults = check_fleet(folder / "fleet.yaml", {"PG": "pg"}, service).faults
    return [f"{fault.severity} {fault}".replace(str(folder) + "/", "") for fault in faults]


def test_a_good_file_is_a_plan_for_the_service_that_reads_it(folder: Path) -> None:
    """Names of the service are filled in, paths are absolute, secrets are read when they are needed."""
    assert _said(folder, GOOD) == []
    plan = read_fleet(folder / "fleet.yaml", {"PG": "pg"}, "processor")
    assert plan.bootstrap == "kafka1:9092,kafka2:9092"
    assert (plan.kafka_user, plan.shape, plan.prefix) == ("processor", Shape(24, 3, 2), "east.")
    assert plan.postgres_url() == POSTGRES
    security = plan.access().security
    assert security is not None
    assert (security.user, security.password) == ("processor", "first")
    (folder / "users" / "processor.password").write_text("renewed\n")
    renewed = plan.access().security
    assert renewed is not None
    assert renewed.password == "renewed"
    address, credentials = plan.broker()
    assert (address.tls, address.port, credentials.cert_file) == (True, 8883, str(folder / "users" / "c.pem"))
    assert "secret" not in repr(plan) + repr(plan.access())


def test_on_loopback_two_lines_are_enough(folder: Path) -> None:
    """What is not configured says so when it is asked for."""
    assert _said(folder, LOOPBACK) == []
    plan = read_fleet(folder / "fleet.yaml", {}, "processor")
    assert plan.access().security is None
    with pytest.raises(ConfigError, match="postgres: is not configured"):
        plan.postgres_url()
    with pytest.raises(ConfigError, match="mqtt: is not configured"):
        plan.broker()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version: 1", "version: 2", "1:10: version: 2 is wrong, input should be 1"),
        ("kafka1:9092,", "kafka1,", "3:14: kafka.bootstrap: 'kafka1' is no address of a broker, host:port, several "
         "behind commas, as in kafka1:9092,kafka2:9092"),
        ("ca_file: ca.pem\n  t", "t", "3:3: kafka.ca_file: is missing for TLS, ca_file: with a file, or security: "
         "plain on loopback"),
        ("ca_file: ca.pem\n  t", "ca_file: gone.pem\n  t", "5:12: kafka.ca_file: there is no file gone.pem, a file "
         "that this service can read"),
        ("{service}.password", "{service}.pasword", "4:18: kafka.password_file: there is no file "
         "users/processor.pasword, a file that this service can read"),
        ("min_insync: 2", "min_insync: 4", "6:56: kafka.topics.min_insync: 4 replicas in step of 3, at most the "
         "replication"),
        ("prefix: east.", "prefix: EAST", "6:67: kafka.topics.prefix: 'EAST' cannot begin a topic's name, at most 60 "
         "of a-z 0-9 . -"),
        ('"${PG}"', '"postgresql://u:geheim@db/x"', "7:22: postgres.url_file: is an address, and may hold a password, "
         "the name of a file that holds the address"),
        ('"mqtts://mqtt:8883"', '"http://u:geheim@mqtt"', "8:13: mqtt.url: 'http://(login)@mqtt' is not the address "
         "of a broker: its scheme is 'http', mqtt://HOST[:PORT] or mqtts://HOST[:PORT]"),
        (", key_file: users/c.key", "", "8:7: mqtt.key_file: is missing, cert_file and key_file together, or neither"),
        ("sites: users", "sites: nobody", "9:8: sites: there is no folder nobody, a folder of registrations, or "
         "without the key ampward.sites.v1"),
        ("sites: users", "http: 8080", "9:7: http: '8080' is no address to listen at, host:port, as in "
         "127.0.0.1:8080"),
        ("sites: users", "site: users", "9:1: site: unknown key, did you mean sites, allowed are data, health, "
         "history, hosted, http, kafka, mqtt, notify, postgres, sites, supervisor, version"),
        ("sites: users", "health: {Bad Name: 'h:1'}", "9:9: health: 'Bad Name' is no service, names of "
         "services, as in {processor: 127.0.0.1:9464}"),
        ("sites: users", "health: {processor: here}", "9:9: health: 'here' is no address to listen at, "
         "host:port, as in 127.0.0.1:8080"),
    ],
)  # fmt: skip
def test_a_fault_is_told_at_its_place(folder: Path, old: str, new: str, said: str) -> None:
    """One fault, one line: where, what is wrong, what is allowed; and no plan."""
    assert old in GOOD
    assert _said(folder, GOOD.replace(old, new, 1)) == [f"error fleet.yaml:{said}"]
    with pytest.raises(ConfigError, match=r"fleet\.yaml:"):
        read_fleet(folder / "fleet.yaml", {"PG": "pg"}, "processor")


def test_all_faults_are_told_in_one_go(folder: Path) -> None:
    """A file without Kafka is judged to its end."""
    assert len(_said(folder, 'version: 1\npostgres: {url_file: gone}\nhttp: x\nsites: "no"\n', "history")) == 4


def test_in_clear_beyond_loopback_is_a_warning(folder: Path) -> None:
    """It works, for a closed network, and is said each time."""
    far = LOOPBACK.replace("127.0.0.1", "kafka") + 'mqtt: {url: "mqtt://far"}\npostgres: {url_file: pg}\n'
    (folder / "pg").write_text("postgresql://ampward:secret@db/ampward\n")
    assert _said(folder, far) == [
        "warning fleet.yaml:2:44: kafka.security: kafka:9092 is beyond this machine and is reached in clear, without a "
        "user, TLS",
        "warning fleet.yaml:3:13: mqtt.url: far:1883 is beyond this machine and is reached in clear, without a user, "
        "TLS",
        "warning fleet.yaml:4:22: postgres.url_file: db is beyond loopback, and the address asks for no TLS that is "
        "verified, ?sslmode=verify-full&sslrootcert=FILE behind the database's name",
    ]
    assert check_fleet(folder / "fleet.yaml", {}, "processor").plan is not None


def test_each_service_tells_how_it_is_where_the_file_says(folder: Path) -> None:
    """One address for all of them in containers of their own, or one by service; not named is nowhere."""
    for told, processor, notifier in (
        ('health: "0.0.0.0:9464"', "0.0.0.0:9464", "0.0.0.0:9464"),
        ('health: {processor: "127.0.0.1:9464"}', "127.0.0.1:9464", ""),
        ("", "", ""),
    ):
        (folder / "fleet.yaml").write_text(f"{LOOPBACK}{told}\n")
        assert read_fleet(folder / "fleet.yaml", {}, "processor").health == processor
        assert read_fleet(folder / "fleet.yaml", {}, "notifier").health == notifier


def test_a_service_needs_the_secrets_of_the_servers_that_it_asks(folder: Path) -> None:
    """PostgreSQL's address for who asks it, the broker's key for the bridge; nobody else has to hold them."""
    for name in ("history", "bridge"):
        (folder / "users" / f"{name}.password").write_text("x")
    for name in ("pg", "users/c.key"):
        (folder / name).unlink()
    assert _said(folder, GOOD) == []
    (postgres,) = _said(folder, GOOD, "history")
    assert "postgres.url_file: there is no file pg" in postgres
    assert ["postgres.url_file" in said or "mqtt.key_file" in said for said in _said(folder, GOOD, "bridge")] == [
        True,
        True,
    ]


def test_the_schema_names_every_section() -> None:
    """For editors."""
    assert set(json_schema()["properties"]) == {
        "version",
        "kafka",
        "postgres",
        "mqtt",
        "http",
        "health",
        "history",
        "hosted",
        "supervisor",
        "notify",
        "sites",
        "data",
    }
