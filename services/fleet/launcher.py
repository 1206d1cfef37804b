"""The servers of a fleet on one machine as one thing: started together, watched, started again, stopped together.

    DIR/fleet.json      {kafka, mqtt, postgres, gateway, pids, ...} while everything is ready; gone after a clean stop
    DIR/fleet.lock      held by the launcher; a second one is refused with the first one's pid
    DIR/ports.json      the ports of the last start: services.fleet.ports
    DIR/logs/           what each server says, within bounds: services.fleet.logs
    DIR/{kafka,mqtt,postgres}/   configuration and data
    DIR/fleet.yaml      what `ampward service NAME --config` reads
    DIR/prometheus/     what a Prometheus is to ask: services.fleet.observed
    DIR/security/       when the fleet is secured: services.fleet.vault; DIR/sites, DIR/identities: ...identities
    DIR/demo/           simulated sites, when there are any: services.fleet.demo

A server that ends by itself is started again, after half a second that doubles with each early death to ten seconds.
When the launcher is killed the kernel ends the servers; what is left nevertheless is ended by the next start.
"""

import asyncio
import datetime
import fcntl
import json
import os
import select
import signal
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from services.fleet import demo, observed
from services.fleet.applying import apply_all
from services.fleet.demo import Demo
from services.fleet.files import write_private
from services.fleet.identities import SUPERVISOR, Book
from services.fleet.jars import given_jars, kafka_jars
from services.fleet.kafka import FORMATTED, KafkaPlan, kafka_server
from services.fleet.logs import Logs
from services.fleet.mosquitto import MosquittoPlan, mosquitto_server
from services.fleet.ports import take_ports
from services.fleet.postgres import PostgresPlan, postgres_server
from services.fleet.servers import Becoming, Server, ServerAbsent, ServerFailed, Started
from services.fleet.vault import Vault, open_vault
from shared.bus.registry import ALL, ONE_NODE, Shape
from shared.domain.errors import Busy, ConfigError
from shared.log.kafka.access import Access
from shared.log.kafka.topics import drifts, set_up
from shared.runtime import places
from shared.runtime.lifecycle import Signals

RECORD = "fleet.json"
CONFIG = "fleet.yaml"
NAMES = ("kafka", "kafka_controller", "kafka_internal", "mqtt", "postgres", "http")
KAFKA_NAMES = ("kafka", "kafka_internal", "kafka_controller")
SERVERS = ("kafka", "mqtt", "postgres")
SECURITY = "security"
LOGS = "logs"
DATA = "services"
GATEWAY = "gateway"
READY_S = 240.0
"""For the gateway, and for each site after it."""
LOOK_S = 0.1
DELAY_FIRST_S = 0.5
DELAY_MAX_S = 10.0
LIFE_GOOD_S = 30.0
END_S = 5.0
"""For an orphan of a killed launcher to end; then KILL."""


@dataclass(frozen=True, slots=True)
class LauncherPlan:
    """What to start, and where. ``jars`` is a folder of Kafka's jars; without it they come from ``cache``."""

    folder: Path
    cache: Path
    jars: Path | None = None
    shape: Shape = ONE_NODE
    is_secure: bool = False
    """TLS, users and rights; a folder that was secured once stays so."""
    hosts: tuple[str, ...] = ()
    """More names in the servers' certificates than those of loopback."""
    services: tuple[str, ...] = ()
    """Services of the centre that are kept running beside the servers, by their names for `ampward service`."""
    demo: Demo | None = None
    """Simulated sites that run too, and whom the notifier tells."""

    @property
    def sites(self) -> tuple[str, ...]:
        return self.demo.sites if self.demo is not None else ()


@dataclass(slots=True)
class _Kept:
    """A server that is kept alive. ``started`` is None while its next start is waited for."""

    server: Server
    started: Started | None = None
    becoming: Becoming | None = None
    """Of a start after the first, until it is ready."""
    began: float = 0.0
    delay_s: float = DELAY_FIRST_S
    again_at: float = 0.0


@dataclass(slots=True)
class Launcher:
    """One start of the fleet's servers. ``say`` takes one sentence for people at a time. Main thread only."""

    plan: LauncherPlan
    say: Callable[[str], None]
    _kept: list[_Kept] = field(default_factory=list)
    _addresses: dict[str, str] = field(default_factory=dict)
    _sites: dict[str, dict[str, str]] = field(default_factory=dict)
    _health: dict[str, str] = field(default_factory=dict)
    _is_up: bool = False
    """Everything was ready once: from then on there is a record."""
    _logs: Logs | None = None
    """Looked at from then on: who started us has read our own by then."""
    _lock: int = -1

    def run(self, signals: Signals) -> None:
        """Start everything, write fleet.json, watch until INT or TERM, stop everything.

        Raises ServerAbsent or ServerFailed when a server cannot be had, Busy when the folder is another launcher's.
        """
        self._lock = take_lock(self.plan.folder)
        try:
            end_orphans(self.plan.folder, self.say)
            # A killed launcher's: nobody may take it for ours before everything is ready.
            (self.plan.folder / RECORD).unlink(missing_ok=True)
            self._start(signals)
            while not signals.ended.is_set():
                self._watch(signals)
        except (ServerAbsent, ServerFailed):
            # Ctrl-C reaches also what makes a server's folder: its end is no trouble then.
            if not signals.ended.is_set():
                raise
            self.say("ended before the servers were ready; the next start goes on from here")
        finally:
            self._stop()
            os.close(self._lock)

    def _start(self, signals: Signals) -> None:
        folder = self.plan.folder
        health_ports = map(observed.port_name, self.plan.services)
        ports = take_ports(folder, (*NAMES, *demo.port_names(self.plan.sites), *health_ports))
        self._health = observed.addresses(self.plan.services, ports)
        logs, vault = folder / LOGS, vault_of(self.plan)
        book = Book(folder, vault, self.plan.shape.partitions)
        with book.alone():
            for words in demo.have(book, self.plan.sites):
                self.say(words)
        jars = given_jars(self.plan.jars) if self.plan.jars is not None else self._jars()
        kafka = KafkaPlan(
            folder=folder / "kafka",
            jars=jars,
            log=logs / "kafka.log",
            port=ports["kafka"],
            controller_port=ports["kafka_controller"],
            more=vault.kafka_settings(*(ports[name] for name in KAFKA_NAMES)) if vault is not None else {},
            format_words=vault.kafka_format_words() if vault is not None else (),
        )
        postgres = PostgresPlan(folder / "postgres", logs / "postgres.log", ports["postgres"])
        mqtt_security = vault.mosquitto_lines() if vault is not None else ()
        mqtt = MosquittoPlan(folder / "mqtt", logs / "mqtt.log", ports["mqtt"], mqtt_security)
        self._addresses = {"kafka": kafka.bootstrap, "mqtt": mqtt.url, "postgres": postgres.url}
        makers: tuple[Callable[[], Server], ...] = (
            lambda: kafka_server(kafka),
            lambda: postgres_server(postgres),
            lambda: mosquitto_server(mqtt),
        )
        for make in makers:
            if signals.ended.is_set():
                return
            self._keep(make())
        for kept in self._kept:
            assert kept.started is not None
            kept.started.wait_ready(self.say, signals.ended.is_set)
            self.say(f"{kept.server.name}: ready at {self._addresses[kept.server.name]}")
        access = vault.access(kafka.bootstrap) if vault is not None else Access(kafka.bootstrap)
        asyncio.run(self._set_up(access, book))
        self._start_services(f"127.0.0.1:{ports['http']}", is_secure=vault is not None, mailbox=ports[demo.MAILBOX])
        if self._addresses["gateway"]:
            self._wait_for(signals, {GATEWAY: demo.is_answering(self._addresses["gateway"])})
        for site in demo.living(book, self.plan.sites) if not signals.ended.is_set() else ():
            self._start_site(site, book, ports)
            self._wait_for(signals, {demo.server_name(site): demo.is_trip_ready(folder, site)})
        site_addresses = {site: told["http"].removeprefix("http://") for site, told in self._sites.items()}
        observed.write_targets(folder, self._health, site_addresses)
        self._is_up, self._logs = True, Logs(folder / LOGS, self.say)
        self._write_record()
        if not signals.ended.is_set():
            self.say(f"the fleet's servers are ready: {folder / RECORD}")

    def _start_services(self, http: str, *, is_secure: bool, mailbox: int) -> None:
        folder, services = self.plan.folder, self.plan.services
        has_people = demo.NOTIFIER in services and self.plan.demo is not None
        if self.plan.demo is not None and has_people:
            demo.place_people(folder, self.plan.demo.people)
            self._keep(demo.mailbox_server(folder, mailbox))
        text = config(self._addresses, http, self.plan.shape, is_secure=is_secure, has_people=has_people)
        text += supervisor_line(services, is_secure=is_secure)
        if self._health:
            text += observed.config_line(self._health) + "\n"
        write_private(folder / CONFIG, text)
        for name in services:
            self._keep(service(folder, name, {"AMPWARD_MAILBOX": f"127.0.0.1:{mailbox}"}))
            self.say(f"{name}: started")
        self._addresses["gateway"] = f"http://{http}" if GATEWAY in services else ""

    def _start_site(self, site: str, book: Book, ports: Mapping[str, int]) -> None:
        assert self.plan.demo is not None
        name, identity = demo.server_name(site), book.identity(site)
        own = {what: f"127.0.0.1:{ports[f'{name}-{what}']}" for what in ("http", "devices")}
        self._keep(demo.site_server(self.plan.folder, self.plan.demo, site, identity, {**self._addresses, **own}))
        data = demo.data_of(self.plan.folder, site)
        self._sites[site] = {"http": f"http://{own['http']}", "data": str(data)}
        self.say(f"{site}: started, a simulated site with its data in {data}")

    def _wait_for(self, signals: Signals, looks: dict[str, Callable[[Started], bool]]) -> None:
        """Until these are ready: one after another they do not take each other's time. Raises ServerFailed."""
        until = monotonic() + READY_S
        while looks and not signals.ended.is_set():
            if monotonic() > until:
                raise ServerFailed(f"not ready after {READY_S:g} s: {', '.join(looks)}; see {self.plan.folder / LOGS}")
            for kept in self._kept:
                name, started = kept.server.name, kept.started
                if name in looks and started is not None and looks[name](started):
                    del looks[name]
            self._watch(signals, LOOK_S)

    def _keep(self, server: Server) -> None:
        self._kept.append(_Kept(server, Started(server), began=monotonic()))

    def _jars(self) -> Path:
        self.say("kafka: looking for its jars (Maven fetches them once, that takes a minute)")
        return kafka_jars(self.plan.cache)

    async def _set_up(self, access: Access, book: Book) -> None:
        """Topics, users, rights and registrations."""
        made = await set_up(access, ALL, self.plan.shape)
        if made:
            self.say(f"kafka: made {len(made)} topics")
        for drift in await drifts(access, ALL, self.plan.shape):
            self.say(f"kafka: {drift}")
        with book.alone():
            await apply_all(access, book)

    def _write_record(self) -> None:
        pids = {kept.server.name: kept.started.pid for kept in self._kept if kept.started is not None}
        record = {
            **self._addresses,
            "postgres_url_file": str(self.plan.folder / "postgres" / "postgres.url"),
            "token": str(self.plan.folder / DATA / places.TOKEN),
            "sites": self._sites,
            "health": self._health,
            "pids": {"launcher": os.getpid(), **pids},
        }
        write_private(self.plan.folder / RECORD, json.dumps(record, indent=2) + "\n")

    def _watch(self, signals: Signals, most_s: float | None = None) -> None:
        """Sleep until a signal, the end of a server, the time of a start or for ``most_s``; do what is due. A server
        that takes long to become ready again holds up the start of no other."""
        running = {kept.started.pidfd: kept for kept in self._kept if kept.started is not None}
        due = [kept.again_at for kept in self._kept if kept.started is None]
        becoming = [kept for kept in self._kept if kept.becoming is not None]
        due += [monotonic() + LOOK_S] if becoming else []
        due += [monotonic() + most_s] if most_s is not None else []
        # Who becomes ready says so in the log behind a place of its own: it is not cut meanwhile.
        logs = self._logs if not becoming else None
        due += [logs.due_at] if logs is not None else []
        wait_s = max(0.0, min(due) - monotonic()) if due else None
        readable = select.select([signals.descriptor, *running], [], [], wait_s)[0]
        signals.drain()
        for descriptor in readable:
            if descriptor in running and running[descriptor].becoming is None:
                self._ended(running[descriptor])
        for kept in self._kept:
            if kept.becoming is not None:
                self._look(kept, kept.becoming)
            elif kept.started is None and monotonic() >= kept.again_at and not signals.ended.is_set():
                self._again(kept)
        if logs is not None:
            logs.look()

    def _ended(self, kept: _Kept) -> None:
        if monotonic() - kept.began >= LIFE_GOOD_S:
            kept.delay_s = DELAY_FIRST_S
        self._later(kept)
        self.say(f"{kept.server.name}: ended by itself, it is started again (see {kept.server.log})")

    def _later(self, kept: _Kept) -> None:
        """The next start, after a pause."""
        if kept.started is not None:
            kept.started.close()
        kept.started = kept.becoming = None
        kept.again_at = monotonic() + kept.delay_s
        kept.delay_s = min(DELAY_MAX_S, 2 * kept.delay_s)

    def _again(self, kept: _Kept) -> None:
        kept.began = monotonic()
        try:
            kept.started = Started(kept.server)
        except (ServerFailed, OSError) as error:
            self._later(kept)
            self.say(str(error))
            return
        kept.becoming = Becoming(kept.started, self.say)
        self._look(kept, kept.becoming)

    def _look(self, kept: _Kept, becoming: Becoming) -> None:
        try:
            if not becoming.look():
                return
        except (ServerFailed, OSError) as error:
            self._later(kept)
            self.say(str(error))
            return
        kept.becoming = None
        self.say(f"{kept.server.name}: ready again")
        try:
            if self._is_up:
                self._write_record()
        except OSError as error:  # A full disk: what runs goes on.
            self.say(f"{RECORD} names a former pid of {kept.server.name}: {error}")

    def _stop(self) -> None:
        """The services first, while their servers are there to hand over to; in each half the slowest decides."""
        (self.plan.folder / RECORD).unlink(missing_ok=True)
        started = [kept.started for kept in self._kept if kept.started is not None]
        for is_service in (True, False):
            half = [each for each in started if (each.server.name not in SERVERS) is is_service]
            for each in half:
                each.signal(each.server.stop_signal)
            for each in half:
                each.close()
        self._kept.clear()
        if started:
            self.say("the fleet's servers are stopped")


def vault_of(plan: LauncherPlan) -> Vault | None:
    """The folder's security, made when it is asked for; None for servers in clear. Raises ConfigError.

    What was once formatted in clear cannot be secured in place: its Kafka knows no user that could make others.
    """
    folder = plan.folder / SECURITY
    if not plan.is_secure and not folder.exists():
        return None
    if not folder.exists() and (plan.folder / "kafka" / FORMATTED).exists():
        raise ConfigError(f"{plan.folder} was made without security; secure a new folder, or remove its kafka/")
    return open_vault(folder, datetime.datetime.now(datetime.UTC), plan.hosts)


def service(folder: Path, name: str, environment: Mapping[str, str]) -> Server:
    """A service of the centre as something that is kept running; it waits for its servers itself."""
    command = (demo.program(), "service", name, "--config", str(folder / CONFIG))
    return Server(name, command, folder / LOGS / f"{name}.log", is_ready=demo.always, environment=environment)


def config(addresses: Mapping[str, str], http: str, shape: Shape, *, is_secure: bool, has_people: bool = False) -> str:
    """The centre's configuration for these servers, as shared.runtime.fleet_file reads it."""
    users = '"security/users/{service}'
    kafka = [f'  bootstrap: "{addresses["kafka"]}"', f"  security: {'tls' if is_secure else 'plain'}"]
    mqtt = [f'  url: "{addresses["mqtt"]}"']
    if is_secure:
        kafka += [f'  password_file: {users}.password"', "  ca_file: security/ca.pem"]
        mqtt += ["  ca_file: security/ca.pem", f'  cert_file: {users}.pem"', f'  key_file: {users}.key"']
    parts = f"partitions: {shape.partitions}, replication: {shape.replication}, min_insync: {shape.min_insync}"
    lines = ["# Written by `ampward fleet up` at each start.", "version: 1", "kafka:", *kafka]
    lines += [f"  topics: {{{parts}}}", "postgres: {url_file: postgres/postgres.url}", "mqtt:", *mqtt]
    lines += [f'http: "{http}"', f"data: {DATA}", *([f"notify: {demo.PEOPLE}"] if has_people else [])]
    return "\n".join(lines) + "\n"


def supervisor_line(services: Iterable[str], *, is_secure: bool) -> str:
    """What the supervision watches: the services that are kept running, and every certificate of the folder."""
    certificates = ', certificates: ["security/*.pem", "security/users/*.pem"]' if is_secure else ""
    return f"supervisor: {{identity: {SUPERVISOR}, services: [{', '.join(services)}]{certificates}}}\n"


def take_lock(folder: Path) -> int:
    """Hold the folder; gives the descriptor. Raises Busy with the pid of who has it, and for a site's data folder."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / places.LOCK).exists():
        raise Busy(f"{folder} is the data folder of a site: name another one with --dir")
    descriptor = os.open(folder / places.FLEET_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Busy(f"the fleet in {folder} is run by pid {holder(folder) or '?'}") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def holder(folder: Path) -> int:
    """Pid of the launcher that runs the folder; 0 when none does."""
    try:
        descriptor = os.open(folder / places.FLEET_LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return 0
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).strip()
        return int(text) if text.isdigit() else 0
    finally:
        os.close(descriptor)


def end_orphans(folder: Path, say: Callable[[str], None]) -> None:
    """End what a killed launcher of this folder left: by fleet.json's pids, and only where the command names it."""
    for name, pid in _recorded(folder).items():
        with suppress(OSError):
            descriptor = os.pidfd_open(pid)
            try:
                if str(folder).encode() not in Path(f"/proc/{pid}/cmdline").read_bytes():
                    continue
                say(f"{name}: an orphan of an earlier start (pid {pid}) is ended")
                signal.pidfd_send_signal(descriptor, signal.SIGINT if name == "postgres" else signal.SIGTERM)
                if not select.select([descriptor], [], [], END_S)[0]:
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    select.select([descriptor], [], [], END_S)
            finally:
                os.close(descriptor)


def _recorded(folder: Path) -> dict[str, int]:
    """Pids of the servers by the last record, if there is one."""
    try:
        pids = json.loads((folder / RECORD).read_text(encoding="utf-8"))["pids"]
        return {str(name): int(pid) for name, pid in pids.items() if name != "launcher"}
    except (OSError, ValueError, KeyError, AttributeError):
        return {}
