"""Commissioning on a real Modbus TCP plant, and what ``armed`` is derived from."""

import asyncio
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from services.guard.armed import output_hash, read_record, unarmed
from services.guard.binding import bind
from services.guard.commission import Outcome, commission
from shared.devices.plan import BusPlan, SitePlan
from shared.domain.errors import Busy, ConfigError
from shared.domain.ids import DeviceId
from shared.domain.plan import ScanPlan
from shared.runtime.clocks import SystemClock
from tests.services.actuator.plans import BUZZER, CHARGER, FAN, relay_module, room, site, with_outputs
from tests.services.guard.conftest import StartGuard, StartPeer
from tests.services.guard.plant import Plant

YES = True


class Person:
    """Answers every question, and remembers what was said."""

    def __init__(self, *, answer: bool = True) -> None:
        self.questions: list[str] = []
        self.told: list[str] = []
        self._answer = answer

    def ask(self, question: str) -> bool:
        self.questions.append(question)
        return self._answer or "safe for that" in question


def prove(plan: SitePlan, data: Path, person: Person, *, output: str = "", yes: bool = False) -> dict[str, Outcome]:
    outcomes = asyncio.run(
        commission(
            plan, data, SystemClock(), output=output, yes=yes, by="anna", ask=person.ask, tell=person.told.append
        )
    )
    return {str(outcome.output): outcome for outcome in outcomes}


def with_air(plant: Plant) -> SitePlan:
    return site(plant.address, room(airflow=True))


def test_every_output_is_proven_and_recorded(plant: Plant, tmp_path: Path) -> None:
    """Air follows the fan, a person sees the others, the module's own watchdog brings each to its safe value."""
    person = Person()
    plan = with_air(plant)
    outcomes = prove(plan, tmp_path, person)
    assert all(outcome.is_armed for outcome in outcomes.values()), outcomes
    assert unarmed(plan, bind(plan), read_record(tmp_path)) == {}
    record = read_record(tmp_path).outputs
    assert "airflow contact followed" in record[FAN].proofs.wiring
    assert record[CHARGER].proofs.wiring == "seen by anna: off, on, off"
    assert "by itself" in record[BUZZER].proofs.watchdog
    assert record[FAN].by == "anna"
    assert (plant.stored[0], plant.stored[1], plant.stored[2]) == (True, False, True), "safe values at the end"
    assert any("does not protect" in line for line in person.told)


def test_what_a_proof_depends_on_unarms_when_it_changes(plant: Plant, tmp_path: Path) -> None:
    """Another coil sense or watchdog time needs a new proof; another limit does not."""
    plan = with_air(plant)
    prove(plan, tmp_path, Person(), output=FAN, yes=YES)
    record = read_record(tmp_path)
    limits = site(plant.address, room(airflow=True, limit_1=5_000))
    assert FAN not in unarmed(limits, bind(limits), record)
    assert unarmed(limits, bind(limits), record)[CHARGER] == "never commissioned"
    for changed in (
        site(plant.address, room(airflow=True), relay=relay_module(watchdog_ms=2_000)),
        site(plant.address, room(airflow=True), relay=relay_module(fan_on=0)),
        with_outputs(plan, safe_on=False),
        site("127.0.0.1:9", room(airflow=True)),
    ):
        assert unarmed(changed, bind(changed), record)[FAN] == "changed since it was commissioned"


def test_the_airflow_of_another_box_is_another_proof() -> None:
    """The sensor's bus keeps its name and gets another address: what was proven was the air at the old one."""
    the_room = room(airflow=True)
    scans = (*the_room.scans[:1], replace(the_room.scans[1], count=4), ScanPlan(DeviceId("air"), "b2", 5, 2, 200))
    io1 = relay_module()
    relay = replace(io1, channels=io1.channels[:4])
    air = replace(io1, id="air", bus="b2", unit=7, channels=io1.channels[4:], watchdog=None)
    plan = site("127.0.0.1:1", replace(the_room, scans=scans), relay=relay)
    plan = replace(plan, decision=replace(plan.decision, devices=(*plan.decision.devices, air)))

    def at(address: str) -> str:
        sited = replace(plan, buses=(*plan.buses, BusPlan("b2", address, "", "", 300)))
        return output_hash(sited, bind(sited).outputs[0])

    assert at("10.0.0.1:502") == at("10.0.0.1:502")
    assert at("10.0.0.1:502") != at("10.0.0.2:502")


def test_a_fan_without_air_is_not_armed_and_loses_an_older_proof(plant: Plant, tmp_path: Path) -> None:
    """The coil reads well and nothing moves."""
    plan = with_air(plant)
    prove(plan, tmp_path, Person(), output=FAN, yes=YES)
    plant.no_air.add(0)
    outcome = prove(plan, tmp_path, Person(), output=FAN, yes=YES)[FAN]
    assert "airflow is False" in outcome.failure
    assert FAN not in read_record(tmp_path).outputs
    assert plant.stored[0] is True


def test_a_watchdog_that_does_not_act_is_no_proof(plant: Plant, tmp_path: Path) -> None:
    """Its registers say what they should, and silence changes nothing."""
    plant.registers[100] = 10
    plant.watchdog_ms = 0
    outcome = prove(with_air(plant), tmp_path, Person(), output=FAN, yes=YES)[FAN]
    assert "of silence the coil was False, not at its safe value" in outcome.failure


def test_a_coil_that_does_not_follow_is_no_proof(plant: Plant, tmp_path: Path) -> None:
    """Read-back differs from what was written."""
    plant.stuck.add(0)
    outcome = prove(with_air(plant), tmp_path, Person(), output=FAN, yes=YES)[FAN]
    assert outcome.failure == "written off, read back True"


def test_a_module_without_watchdog_needs_the_safe_wiring(plant: Plant, tmp_path: Path) -> None:
    """Not supervised is possible, said in the record, and only with the contactor wired energise-to-stop."""
    plant.watchdog_ms = 0
    bare = site(plant.address, room(airflow=True), relay=relay_module(watchdog_ms=0))
    assert "has no watchdog" in prove(bare, tmp_path, Person(), output=FAN, yes=YES)[FAN].failure
    wired = with_outputs(bare, wiring_safe=True)
    proofs = prove(wired, tmp_path, Person(), output=FAN, yes=YES)[FAN].proofs
    assert proofs is not None
    assert proofs.watchdog == "none: not supervised"


def test_a_person_who_sees_nothing_move_is_believed(plant: Plant, tmp_path: Path) -> None:
    """No airflow contact, no agreement: no proof."""
    outcome = prove(site(plant.address), tmp_path, Person(answer=False), output=CHARGER)[CHARGER]
    assert outcome.failure == "it was not off when it should have been"


def test_an_absent_module_proves_nothing(plant: Plant, tmp_path: Path) -> None:
    """A silent unit: the reason is said, nothing is recorded."""
    plant.silent.add(2)
    outcome = prove(with_air(plant), tmp_path, Person(), output=FAN, yes=YES)[FAN]
    assert "timeout" in outcome.failure
    assert read_record(tmp_path).outputs == {}


def test_commissioning_is_refused_while_a_guard_runs(
    plant: Plant, tmp_path: Path, start_guard: StartGuard, start_peer: StartPeer
) -> None:
    """The site is stopped first: the error names the guard. An armed output is told as such by the next guard."""
    plan = with_air(plant)
    prove(plan, tmp_path, Person(), output=FAN, yes=YES)
    guard = start_guard(plan)
    start_peer().output(FAN, lambda item: item.armed)
    with pytest.raises(Busy, match=f"pid {guard.pid}"):
        prove(plan, tmp_path, Person(), yes=YES)


def test_an_unknown_output_is_refused(plant: Plant, tmp_path: Path) -> None:
    """With the names that there are."""
    with pytest.raises(ConfigError, match="there are demo/r1/io1-do0"):
        prove(with_air(plant), tmp_path, Person(), output="demo/r1/none")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"outputs":{"a":1}}', "\x00", '{"outputs":' + "[" * 3000])
def test_a_damaged_record_arms_nothing(tmp_path: Path, text: str) -> None:
    """Whatever stands there, it is no proof."""
    (tmp_path / "commission.json").write_text(text)
    plan = site()
    assert set(unarmed(plan, bind(plan), read_record(tmp_path)).values()) == {"never commissioned"}


class Undecided(Person):
    """Answers so many questions, and thinks about the next one."""

    def __init__(self, answers: int) -> None:
        super().__init__()
        self.is_asked, self.go = threading.Event(), threading.Event()
        self._answers = answers

    def ask(self, question: str) -> bool:
        if len(self.questions) == self._answers:
            self.is_asked.set()
            self.go.wait(60)
        return super().ask(question)


@pytest.mark.parametrize("answers", [0, 2], ids=["at the beginning", "while the output is on"])
def test_who_breaks_off_at_a_question_need_not_answer_it(plant: Plant, tmp_path: Path, answers: int) -> None:
    """The program ends while nobody has answered, and the output is at its safe value before."""
    person, plan = Undecided(answers), with_air(plant)
    switched: list[bool] = []
    plant.watchdog_ms = 0

    async def break_off() -> None:
        proving = asyncio.create_task(
            commission(
                plan, tmp_path, SystemClock(), output=CHARGER, yes=False, by="anna", ask=person.ask,
                tell=person.told.append,
            )
        )  # fmt: skip
        await asyncio.to_thread(person.is_asked.wait, 60)
        switched.append(plant.stored[1])
        proving.cancel()
        with suppress(asyncio.CancelledError):
            await proving

    ending = threading.Thread(target=lambda: asyncio.run(break_off()), daemon=True)
    ending.start()
    assert person.is_asked.wait(60)
    ending.join(30)
    is_over, left = not ending.is_alive(), plant.stored[1]
    person.go.set()
    ending.join(60)
    assert is_over
    assert (switched, left) == ([bool(answers)], False)
    assert read_record(tmp_path).outputs == {}
