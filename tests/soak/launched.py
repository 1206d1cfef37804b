"""A whole fleet under the goals' hands: the launcher's own, with sites that never rest and one receiver of messages.

Everything runs as `ampward fleet up` runs it: the servers, every service of the centre and demo sites, each in
processes of its own that are started again when they die; and HOSTED, which the bridge runs, with a device that hands
in its frames by MQTT. The sites' gas rises and falls by a script; sites and centre tell the same person, each under a
path of its own, so that the receiver knows who told.
"""

import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.fleet.identities import Book
from shared.bus.registry import ONE_NODE
from shared.log.kafka.access import Access
from shared.runtime import places
from tests.fleet.hosted import Device
from tests.testkit.http_sink import HttpSink, Request
from tests.testkit.process import Running, descendants, is_alive, wait_for

BRIDGE = "bridge"
SERVICES = ("processor", "gateway", "notifier", "history", "supervisor", "kpi", BRIDGE)
SERVERS = ("kafka", "mqtt", "postgres")
SITES = ("north", "south")
HOSTED = "mast"
CENTRE = "centre"
RULES, MESSAGES = "rules.yaml", "messages.jsonl"
PULSE_S, GAS_S, FRAME_S = 8, 3, 0.5
LOAD_S = 900
"""For so long gas comes and goes, from each start of a site on."""
CRITICAL, WARNING, CALM = 2.5, 1.5, 0.1
UP_S = 480.0
SPARE = 2
"""Kills more than are owed: one that is owed may just be starting again."""
APART = ("launcher", "mailbox")
"""The one would end everything with it; the other is not used here."""

SITE = """\
version: 1
site: {{id: "${{AMPWARD_SITE}}", name: "${{AMPWARD_SITE}}", time_zone: UTC, language: en, demo: true}}
simulate: devices.yaml
include: [rules.yaml]
buses: {{tcp1: {{modbus_tcp: "127.0.0.1:${{AMPWARD_DEMO_PORT}}", timeout: 300ms}}}}
devices:
  gas1: {{bus: tcp1, unit: 1, profile: pemtech-pt495, every: 200ms, room: r1}}
  io1:  {{bus: tcp1, unit: 2, profile: relay-io, every: 200ms, room: r1}}
rooms:
  r1:
    volume_m3: 50
    gas: [{{h2: gas1.h2, warm_up: 1s}}]
    fan: [{{output: io1.do0, airflow: io1.di2, capacity_m3h: 100, run_up: 3s, run_on: 2s}}]
log: {{ballast_mib: 1, disk_low_mib: 1}}
uplink: {{kafka: "${{AMPWARD_KAFKA}}", mqtt: "${{AMPWARD_MQTT}}", identity: "${{AMPWARD_IDENTITY}}"}}
http: ${{AMPWARD_HTTP}}
{people}
"""
HOSTED_SITE = """\
version: 1
site: {{id: "${{AMPWARD_SITE}}", name: "${{AMPWARD_SITE}}", time_zone: UTC, language: en}}
include: [rules.yaml]
buses: {{m1: {{mqtt: in}}}}
devices: {{gas1: {{bus: m1, unit: 0, profile: pemtech-pt495, every: 500ms, room: r1}}}}
rooms: {{r1: {{gas: [{{h2: gas1.h2, warm_up: 1s}}]}}}}
log: {{ballast_mib: 1, disk_low_mib: 1}}
uplink: {{kafka: "${{AMPWARD_KAFKA}}", identity: "${{AMPWARD_IDENTITY}}"}}
{people}
"""
PEOPLE = """\
people: {{anna: {{email: anna@example.org}}}}
channels: {{webhook: {{url: "http://127.0.0.1:{port}/{who}", allow: [127.0.0.0/8]}}}}
notify: [{{match: {{severity: warning}}, to: [anna], by: [webhook]}}]
"""
DEVICES = """\
devices:
  gas1: {{modbus_tcp: "127.0.0.1:${{AMPWARD_DEMO_PORT}}", unit: 1, profile: pemtech-pt495, warm_up: 1s}}
  io1:  {{modbus_tcp: "127.0.0.1:${{AMPWARD_DEMO_PORT}}", unit: 2, profile: relay-io}}
rooms:
  r1: {{volume_m3: 50, fans: [{{output: io1.do0, airflow: io1.di2, capacity_m3h: 100}}]}}
script:
{script}
"""


@dataclass(frozen=True, slots=True)
class Launched:
    """The fleet's folder and the receiver; ``with launched(folder) as fleet``."""

    folder: Path
    sink: HttpSink
    launcher: Running
    joined: tuple[str, ...]
    """The demo sites."""
    head: "Head"

    @property
    def sites(self) -> tuple[str, ...]:
        return (*self.joined, HOSTED)

    def record(self) -> dict[str, Any]:
        """fleet.json as it is now."""
        found: dict[str, Any] = json.loads((self.folder / "fleet.json").read_text(encoding="utf-8"))
        return found

    @property
    def access(self) -> Access:
        return Access(str(self.record()["kafka"]))

    def data(self, site: str) -> Path:
        """A site's data folder."""
        if site == HOSTED:
            return self.folder / "services" / "hosted" / site
        return Path(self.record()["sites"][site]["data"])

    def token(self, site: str) -> str:
        """The machine token of a site, or of the centre."""
        file = Path(self.record()["token"]) if site == CENTRE else self.data(site) / "token"
        return file.read_text(encoding="utf-8").strip()

    def url(self, site: str) -> str:
        """Where a site, or the centre, answers."""
        record = self.record()
        if site == HOSTED:
            run: dict[str, Any] = json.loads(places.find_file(self.data(site), places.RUN).read_bytes())
            return f"http://{run['http'].removeprefix('http://')}"
        return str(record["gateway"] if site == CENTRE else record["sites"][site]["http"])

    def identity(self, site: str) -> Path:
        """The folder with a site's keys."""
        return self.data(site) / "identity" if site == HOSTED else self.folder / "identities" / site

    def given(self, site: str, name: str) -> Path:
        """A file beside a site's own site file."""
        own = self.folder / "hosted" / site if site == HOSTED else self.data(site) / "site"
        return own / name

    def victims(self) -> dict[str, int]:
        """What runs now and can be killed alone: servers, services, the sites' parents, each of their children and the
        bridge's."""
        found: dict[str, int] = {}
        for name, pid in self.record()["pids"].items():
            if name in APART or str(self.folder) not in _command(pid):
                continue
            found[name] = pid
            if name.startswith("site-") or name == BRIDGE:
                for child in descendants(pid):
                    words = _command(child).split()
                    part = next((word.rpartition(".")[2] for word in words if word.startswith("services.")), "")
                    if part and is_alive(child):
                        found[f"{name}/{part}"] = child
        return found


class Head(threading.Thread):
    """The gas head of HOSTED: a frame each FRAME_S, by MQTT, with the same gases as the others have."""

    def __init__(self, url: str, gases: Sequence[float]) -> None:
        super().__init__(name="gas head", daemon=True)
        self._device = Device(url, HOSTED)
        self._gases = gases
        self._over = threading.Event()

    def run(self) -> None:
        began = time.monotonic()
        while not self._over.wait(FRAME_S):
            number, since = divmod(time.monotonic() - began, PULSE_S)
            is_gas = number >= 1 and since < GAS_S
            gas = self._gases[int(number) % len(self._gases)] if is_gas else CALM
            self._device.hand_in(round(10 * gas))

    def taken(self) -> set[int]:
        """The numbers of the frames that the broker has acknowledged by now."""
        return self._device.taken()

    def close(self) -> None:
        self._over.set()
        self.join()
        self._device.close()


def rules(number: int) -> str:
    """A rules file; each number is another content, and no alarm of these tests goes by the difference."""
    delays = "h2_prealarm: {off_delay: 500ms}, h2_alarm: {off_delay: 500ms}"
    return f"rules: {{{delays}, disk_low: {{off_delay: {2 + number}min}}}}\n"


@contextmanager
def launched(folder: Path, *gases: float, joined: tuple[str, ...] = SITES) -> Iterator[Launched]:
    """Up, with all sites past their first check; all of it ends with the block. ``gases`` come and go in turns.

    What the receiver got is then in ``folder`` too, in order, a line each.
    """
    with HttpSink() as sink:
        words = _write_files(folder, sink.port, gases)
        words += [word for each in SERVICES for word in ("--service", each)]
        words += [word for each in joined for word in ("--site", each)]
        with Running.python("services.fleet", folder / "fleet", *words) as launcher:
            launcher.wait_for_line("servers are ready", within_s=UP_S)
            said = folder / "fleet" / "logs" / f"{BRIDGE}.log"
            # The broker keeps the hosted site's session from here on; what came before had nobody to go to.
            wait_for(lambda: "bridge_connected" in said.read_text(), within_s=UP_S, every_s=0.2, name="the bridge")
            home = (folder / "fleet").resolve()
            head = Head(json.loads((home / "fleet.json").read_bytes())["mqtt"], gases)
            head.start()
            try:
                yield Launched(home, sink, launcher, joined, head)
            finally:
                head.close()
                _write_messages(folder / MESSAGES, sink.requests)


def _write_messages(file: Path, requests: Sequence[Request]) -> None:
    """As they came; ``at`` is by time.monotonic()."""
    came = [
        {"at": each.at, "who": each.target, "id": each.headers["webhook-id"], "body": json.loads(each.body)}
        for each in list(requests)
    ]
    file.write_text("".join(f"{json.dumps(each)}\n" for each in came), encoding="utf-8")


def _write_files(folder: Path, port: int, gases: Sequence[float]) -> list[str]:
    """Site files, people and the hosted site's identity; the launcher's words for them."""
    people = {who: PEOPLE.format(port=port, who=who) for who in (CENTRE, "${AMPWARD_SITE}")}
    own, home = folder / "own", folder / "fleet"
    own.mkdir()
    (own / "site.yaml").write_text(SITE.format(people=people["${AMPWARD_SITE}"]), encoding="utf-8")
    (own / "devices.yaml").write_text(DEVICES.format(script="\n".join(_script(gases))), encoding="utf-8")
    centre = "version: 1\nsite: {id: centre, time_zone: UTC, language: en}\n" + people[CENTRE]
    (folder / "people.yaml").write_text(centre, encoding="utf-8")
    home.mkdir(mode=0o700)
    book = Book(home.resolve(), None, ONE_NODE.partitions)
    book.have_fleet()
    book.enroll(HOSTED, is_hosted=True)
    hosted = home / "hosted" / HOSTED
    (hosted / "site.yaml").write_text(HOSTED_SITE.format(people=people["${AMPWARD_SITE}"]), encoding="utf-8")
    for each in (own, hosted):
        (each / RULES).write_text(rules(0), encoding="utf-8")
    return ["--site-file", str(own / "site.yaml"), "--people", str(folder / "people.yaml")]


def _script(gases: Sequence[float]) -> Iterator[str]:
    """Pulses of gas."""
    for number, at in enumerate(range(PULSE_S, LOAD_S, PULSE_S)):
        yield f"  - {{at: {at}s, set: {{gas1.h2: {gases[number % len(gases)]}}}}}"
        yield f"  - {{at: {at + GAS_S}s, set: {{gas1.h2: {CALM}}}}}"


def draw_victim(fleet: Launched, draw: random.Random, killed: Sequence[str], left: int) -> tuple[str, int]:
    """The next of so many kills that are ``left``: its name and process."""
    victims = fleet.victims()
    name = next_of(set(victims), draw, killed, left)
    return name, victims[name]


def next_of(names: set[str], draw: random.Random, killed: Sequence[str], left: int) -> str:
    """A server one time in three, else any other process; of its kind one that was killed least often.

    A run that is long enough leaves out no server and no service: they come when hardly more kills are left than that.
    """
    needed = {*SERVERS, *SERVICES}
    owed = names & (needed - set(killed))
    if owed and len(killed) + left >= len(needed) and left <= len(needed - set(killed)) + SPARE:
        names = owed
    servers, others = names & set(SERVERS), names - set(SERVERS)
    kind = servers if servers and (not others or draw.random() < 1 / 3) else others
    least = min(map(killed.count, kind))
    return draw.choice(sorted(name for name in kind if killed.count(name) == least))


def _command(pid: int) -> str:
    """The words of a process; "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
