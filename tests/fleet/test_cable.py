"""The cable between a site and its broker is pulled without a word: packets vanish, nobody refuses anything."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from shared.runtime.places import TEXT_LOG
from tests.e2e.foreign import Site, wait_for
from tests.fleet.joined import Fleet, all_up, joined
from tests.testkit import kernel
from tests.testkit.fleet import KafkaBroker
from tests.testkit.network import SecondHost, second_host
from tests.testkit.ports import free_port

ALARM = "depot/r1/gas1-h2/h2_alarm"
REBUILT = ("kafka_sender_rebuilt", "kafka_reader_rebuilt")


@contextmanager
def way_round(host: SecondHost, port: int) -> Iterator[str]:
    """An address over there from which everything goes on to ``port`` here."""
    way = free_port()
    words = ["socat", f"TCP-LISTEN:{way},bind={host.address},fork,reuseaddr", f"TCP:{host.here}:{port}"]
    with subprocess.Popen(host.command(words), start_new_session=True, stderr=subprocess.DEVNULL) as socat:
        try:
            yield f"{host.address}:{way}"
        finally:
            os.killpg(socat.pid, signal.SIGKILL)


def broker_between(folder: Path, here: str, port: int, way: str) -> KafkaBroker:
    """A broker that sites reach by ``way``, which ends at ``here``:``port``; the test reaches it by loopback."""
    broker = KafkaBroker(folder)
    clients = f"CLIENTS://{broker.bootstrap}"
    controller = f"CONTROLLER://127.0.0.1:{broker.plan.controller_port}"
    settings = {
        "listeners": f"{clients},SITE://{here}:{port},{controller}",
        "advertised.listeners": f"{clients},SITE://{way}",
        "listener.security.protocol.map": "SITE:PLAINTEXT,CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }
    broker.plan = replace(broker.plan, more={**broker.plan.more, **settings})
    return broker


def rebuilt(site: Site) -> int:
    """How often the uplink has thrown a client away and said so."""
    words = (site.data / TEXT_LOG).read_text() + site.printed()
    return sum(words.count(name) for name in REBUILT)


def test_a_cable_that_is_pulled_without_a_word_costs_nothing(tmp_path: Path) -> None:
    """The site decides on; the uplink notices by its own watch and makes its client anew; then everything goes up."""
    assert kernel.has(kernel.Feature.NAMESPACES), "this test pulls a cable: it has to be root and may make namespaces"
    port = free_port()
    with (
        second_host() as host,
        way_round(host, port) as way,
        broker_between(tmp_path / "kafka", host.here, port, way) as broker,
    ):
        fleet = Fleet(broker.bootstrap)
        fleet.make()
        (tmp_path / "site").mkdir()
        with joined(tmp_path / "site", fleet, way) as (depot, site):
            all_up(site, fleet)
            before = rebuilt(site)
            host.cut_towards_here()
            depot.h2(25)
            wait_for("2 % in the cut", lambda: site.alarms().get("h2_alarm"))
            wait_for("the fan", lambda: depot.fan() == 1)
            wait_for("the watch over the uplink's clients", lambda: rebuilt(site) > before)
            assert not any(alarm.id == ALARM for live in fleet.live() for alarm in live.alarms)
            host.mend()
            all_up(site, fleet)
            wait_for("the alarm at the centre", lambda: [
                alarm for live in fleet.live() for alarm in live.alarms if alarm.id == ALARM
            ])  # fmt: skip
