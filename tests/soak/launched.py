"""A whole fleet under the goals' hands: the launcher's own, with sites that never rest and one receiver of messages.

Everything runs as `ampward fleet up` runs it: the servers, every service of the centre and SITES, each in processes of
its own that are started again when they die. The sites' gas rises and falls by a script; sites and centre tell the same
person, each under a path of its own, so that the receiver knows who told.
"""

import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.log.kafka.access import Access
from tests.testkit.http_sink import HttpSink
from tests.testkit.process import Running, descendants, is_alive

SERVICES = ("processor", "gateway", "notifier", "history", "supervisor", "kpi")
SERVERS = ("kafka", "mqtt", "postgres")
SITES = ("north", "south")
CENTRE = "centre"
PULSE_S, GAS_S = 8, 3
LOAD_S = 900
"""For so long gas comes and goes, from each start of a site on."""
CRITICAL, WARNING, CALM = 2.5, 1.5, 0.1
UP_S = 480.0
APART = ("launcher", "mailbox")
"""The one would end everything with it; the other is not used here."""

SITE = """\
version: 1
site: {{id: "${{AMPWARD_SITE}}", name: "${{AMPWARD_SITE}}", time_zone: UTC, language: en, demo: true}}
simulate: devices.yaml
buses: {{tcp1: {{modbus_tcp: "127.0.0.1:${{AMPWARD_DEMO_PORT}}", timeout: 300ms}}}}
devices:
  gas1: {{bus: tcp1, unit: 1, profile: pemtech-pt495, every: 200ms, room: r1}}
  io1:  {{bus: tcp1, unit: 2, profile: relay-io, every: 200ms, room: r1}}
rooms:
  r1:
    volume_m3: 50
    gas: [{{h2: gas1.h2, warm_up: 1s}}]
    fan: [{{output: io1.do0, airflow: io1.di2, capacity_m3h: 100, run_up: 3s, run_on: 2s}}]
rules: {{h2_prealarm: {{off_delay: 500ms}}, h2_alarm: {{off_delay: 500ms}}}}
log: {{ballast_mib: 1, disk_low_mib: 1}}
uplink: {{kafka: "${{AMPWARD_KAFKA}}", mqtt: "${{AMPWARD_MQTT}}", identity: "${{AMPWARD_IDENTITY}}"}}
http: ${{AMPWARD_HTTP}}
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
    """The fleet's folder and the receiver; ``with launched() as fleet``."""

    folder: Path
    sink: HttpSink
    launcher: Running

    def record(self) -> dict[str, Any]:
        """fleet.json as it is now."""
        found: dict[str, Any] = json.loads((self.folder / "fleet.json").read_text(encoding="utf-8"))
        return found

    @property
    def access(self) -> Access:
        return Access(str(self.record()["kafka"]))

    def data(self, site: str) -> Path:
        """A site's data folder."""
        return Path(self.record()["sites"][site]["data"])

    def token(self, site: str) -> str:
        """The machine token of a site, or of the centre."""
        file = Path(self.record()["token"]) if site == CENTRE else self.data(site) / "token"
        return file.read_text(encoding="utf-8").strip()

    def url(self, site: str) -> str:
        """Where a site, or the centre, answers."""
        record = self.record()
        return str(record["gateway"] if site == CENTRE else record["sites"][site]["http"])

    def victims(self) -> dict[str, int]:
        """What runs now and can be killed alone: servers, services, the sites' parents and each of their children."""
        found: dict[str, int] = {}
        for name, pid in self.record()["pids"].items():
            if name in APART or str(self.folder) not in _command(pid):
                continue
            found[name] = pid
            if name.startswith("site-"):
                for child in descendants(pid):
                    words = _command(child).split()
                    part = next((word.rpartition(".")[2] for word in words if word.startswith("services.")), "")
                    if part and is_alive(child):
                        found[f"{name}/{part}"] = child
        return found


@contextmanager
def launched(*gases: float) -> Iterator[Launched]:
    """Up, with both sites past their first check; all of it ends with the block. ``gases`` come and go in turns."""
    with tempfile.TemporaryDirectory(prefix="ampward-fleet-") as name, HttpSink() as sink:
        folder = Path(name)
        people = {who: PEOPLE.format(port=sink.port, who=who) for who in (CENTRE, "${AMPWARD_SITE}")}
        centre = "version: 1\nsite: {id: centre, time_zone: UTC, language: en}\n" + people[CENTRE]
        (folder / "people.yaml").write_text(centre, encoding="utf-8")
        (folder / "site.yaml").write_text(SITE.format(people=people["${AMPWARD_SITE}"]), encoding="utf-8")
        (folder / "devices.yaml").write_text(DEVICES.format(script="\n".join(_script(gases))), encoding="utf-8")
        words = [word for each in SERVICES for word in ("--service", each)]
        words += [word for each in SITES for word in ("--site", each)]
        words += ["--site-file", str(folder / "site.yaml"), "--people", str(folder / "people.yaml")]
        with Running.python("services.fleet", folder / "fleet", *words) as launcher:
            launcher.wait_for_line("servers are ready", within_s=UP_S)
            yield Launched((folder / "fleet").resolve(), sink, launcher)


def _script(gases: Sequence[float]) -> Iterator[str]:
    """Pulses of gas."""
    for number, at in enumerate(range(PULSE_S, LOAD_S, PULSE_S)):
        yield f"  - {{at: {at}s, set: {{gas1.h2: {gases[number % len(gases)]}}}}}"
        yield f"  - {{at: {at + GAS_S}s, set: {{gas1.h2: {CALM}}}}}"


def draw_victim(fleet: Launched, draw: random.Random) -> tuple[str, int]:
    """A server one time in three, else any other process."""
    victims = fleet.victims()
    servers = [name for name in victims if name in SERVERS]
    others = [name for name in victims if name not in SERVERS]
    names = servers if servers and (not others or draw.random() < 1 / 3) else others
    name = draw.choice(sorted(names))
    return name, victims[name]


def _command(pid: int) -> str:
    """The words of a process; "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
