"""The goals of a site and how often each is run."""

import importlib
from dataclasses import dataclass

from tests.soak.outcome import Outcome

SEED = 20_261_122


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal. ``few`` runs are made in `make test`, at least ``full`` in `make soak`, ``batch`` at a time."""

    id: str
    says: str
    module: str
    few: int
    full: int
    batch: int

    def run(self, count: int, seed: int) -> Outcome:
        """``count`` runs, drawn from ``seed``."""
        outcome: Outcome = importlib.import_module(self.module).run(count, seed)
        return outcome


GOALS: tuple[Goal, ...] = (
    Goal(
        "G1", "hydrogen at 1 % -> fan coil, whatever is down or busy", "tests.soak.g01_trip", few=2, full=100, batch=20
    ),
    Goal("G2", "no airflow -> fan-fail alarm within 10 s", "tests.soak.g02_proof", few=1, full=50, batch=5),
    Goal("G3", "sensor silent -> fault alarm and fan within 6 s", "tests.soak.g03_silence", few=1, full=50, batch=5),
    Goal("G4", "guard dead -> relay at its safe value within 10 s", "tests.soak.g04_death", few=3, full=60, batch=6),
    Goal(
        "G5", "power-up: fan until warm-up and three good samples", "tests.soak.g05_power_up", few=3, full=60, batch=6
    ),
    Goal("G6", "alarm -> first attempt to tell within 5 s", "tests.soak.g06_attempt", few=1, full=50, batch=2),
    Goal("G7", "an unacked 2 % alarm is told again, escalated", "tests.soak.g07_again", few=1, full=15, batch=1),
    Goal(
        "G8", "a site, a link or a service lost -> said so within 60 s", "tests.soak.g08_lost", few=1, full=20, batch=20
    ),
    Goal("G9", "accepted inputs lost in kill -9 cycles: none", "tests.soak.g09_kill", few=5, full=1000, batch=50),
    Goal(
        "G9-bridge",
        "a bridge, its site or its uplink killed: what a device handed in is in Kafka, once",
        "tests.soak.g09_bridge",
        few=2,
        full=200,
        batch=20,
    ),
    Goal(
        "G9-fleet",
        "any process of the fleet killed, any server bounced: nothing lost, events exact, people told, history equal",
        "tests.soak.g09_fleet",
        few=3,
        full=60,
        batch=30,
    ),
    Goal(
        "G10", "events missed or invented, against the oracle: none", "tests.soak.g10_oracle", few=2, full=100, batch=5
    ),
    Goal(
        "G11",
        "nobody missed, nobody told twice, whatever servers and kills do",
        "tests.soak.g11_told",
        few=1,
        full=60,
        batch=2,
    ),
    Goal(
        "G11-site", "the same from gas to people, over the whole site", "tests.soak.g11_site", few=1, full=20, batch=1
    ),
    Goal("G12", "sends or writes during replay: none", "tests.soak.g12_replay", few=1, full=50, batch=5),
    Goal(
        "G13",
        "core, site runner and Faust app: equal bytes on a million inputs of a thousand rooms",
        "tests.soak.g13_runners",
        few=2,
        full=1000,
        batch=50,
    ),
    Goal(
        "G13-fleet",
        "workers and broker killed, paused, bounced: the fleet's events are the sites'",
        "tests.soak.g13_fleet",
        few=1,
        full=20,
        batch=4,
    ),
    Goal(
        "G13-storm",
        "a rebalance every 15 s and a storm of ten: the fleet's events are the sites'",
        "tests.soak.g13_storm",
        few=1,
        full=40,
        batch=20,
    ),
    Goal(
        "G14",
        "poison: exact bytes kept, an event, neighbours go on",
        "tests.soak.g14_poison",
        few=4,
        full=1000,
        batch=20,
    ),
    Goal("G15", "a start folds one snapshot interval, no more", "tests.soak.g15_start", few=1, full=20, batch=20),
    Goal(
        "G16",
        "a consumer that is stuck: noticed, made anew, reads on within 60 s",
        "tests.soak.g16_stuck",
        few=4,
        full=60,
        batch=20,
    ),
    Goal("G17", "the wall clock's steps decide nothing", "tests.soak.g17_clock", few=2, full=200, batch=10),
    Goal("G18", "1,000 alarms in 10 s: grouped, each 2 % on its own", "tests.soak.g18_flood", few=1, full=20, batch=1),
    Goal(
        "G19",
        "72 hours cut, a rule change and an upgrade inside, drained by workers that are rolled: every block equal",
        "tests.soak.g19_drain",
        few=1,
        full=6,
        batch=2,
    ),
    Goal("G20", "memory and descriptors do not grow", "tests.soak.g20_growth", few=1, full=180, batch=90),
    Goal(
        "invariants",
        "safety, closes, silence, monotony of the core",
        "tests.soak.invariants",
        few=4,
        full=1000,
        batch=50,
    ),
)
