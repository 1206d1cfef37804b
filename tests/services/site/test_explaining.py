"""What guard is told of an output that it found on: the log before it, whatever happens to who has to say it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from services.processor.runner import Runner
from services.site.backup.mark import RestoredMark
from services.site.guard_link import Source
from services.site.log_time import LogTime
from services.site.loss_mark import LossMark
from services.site.reader import LogReader
from services.site.service import Service
from services.site.traces import SiteTraces
from shared.devices.plan import DecisionPlan
from shared.domain import core
from shared.log.store import SqliteStore
from shared.runtime.clocks import ManualClock
from shared.runtime.undurable_events import Handing
from shared.wire.guardlink import Explain, Hello
from tests.services.processor.plant import decision, gas
from tests.services.processor.site import BALLAST

RUN_ON_MS = 2_000


class Told:
    """Stands where the link to guard stands."""

    def __init__(self) -> None:
        self.said: list[Explain] = []

    def explain(self, answer: Explain) -> None:
        self.said.append(answer)

    def lease(self, demands: dict[str, bool]) -> None:
        """Not looked at."""

    def ack(self, n: int) -> None:
        """Not looked at."""


@dataclass
class Box:
    """A folder in which one site process after another lives; none of them ends in order."""

    folder: Path
    plan: DecisionPlan
    clock: ManualClock = field(default_factory=ManualClock)
    sent: int = 0

    @contextmanager
    def life(self) -> Iterator[tuple[Service, Told]]:
        store = SqliteStore(self.folder, ballast_bytes=BALLAST)
        time = LogTime(self.clock)
        runner = Runner(store, self.plan, time)
        service = Service(
            runner, self.clock, "s", time=time, read=LogReader(runner.reader), mark=LossMark(self.folder),
            handing=Handing(self.folder), restored=RestoredMark(self.folder), alive=lambda: None, ring=lambda: None,
            traces=SiteTraces(),
        )  # fmt: skip
        service.open("boot")
        told = Told()
        service.connect(told)  # type: ignore[arg-type]
        try:
            yield service, told
        finally:
            service.writer.end(10)
            runner._journal.close()
            store.close()

    def air(self, service: Service, guard: str, seconds: int) -> None:
        """guard says for so long that there is no hydrogen."""
        for _ in range(seconds * 2):
            self.clock.advance(500)
            self.sent += 1
            service.take(gas(self.sent, 0, boot=guard), Source(guard, self.sent, -1))
            service.writer.call(lambda: None).result(60)

    def join(self, service: Service, told: Told, guard: str) -> Explain | None:
        """What this guard is told when it comes."""
        told.said.clear()
        service.joined(Hello(guard, 1, "plan", 0, started_at_ms=self.clock.wall_ms()))
        service.writer.call(lambda: None).result(60)
        return told.said[0] if told.said else None


def fan_demanded(service: Service) -> bool:
    """As the log has it now."""
    return any(view.on for state in service.runner.states.values() for view in core.outputs(state))


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A site whose fan is off again, and whose guard and site process are gone since."""
    plan = decision()
    room = plan.rooms[0]
    fans = tuple(replace(one, run_on_ms=RUN_ON_MS) for one in room.outputs)
    made = Box(tmp_path, replace(plan, rooms=(replace(room, outputs=fans), *plan.rooms[1:])))
    with made.life() as (service, _):
        made.air(service, "A", 10)
        assert not fan_demanded(service)
    return made


def demanded(said: Explain | None) -> bool:
    """Whether guard is told that the log demands the fan."""
    assert said is not None
    (fan,) = said.items
    return fan.demanded


def test_a_process_that_dies_before_it_heard_guard_leaves_the_word_to_the_next(box: Box) -> None:
    """Its Start demands the fan by itself: that is no reason why guard found it on."""
    with box.life() as (service, _):
        assert fan_demanded(service)
    with box.life() as (service, told):
        said = box.join(service, told, "B")
        assert not demanded(said)
        assert said is not None
        assert said.away_ms == 0, "the clock has not moved since guard A"


def test_a_guard_whose_link_broke_is_told_the_same_again(box: Box) -> None:
    """Also when its first frames are in the log and the Start demands the fan."""
    with box.life() as (service, told):
        assert not demanded(box.join(service, told, "B"))
        box.air(service, "B", 1)
        assert fan_demanded(service)
        assert not demanded(box.join(service, told, "B"))


def test_a_guard_that_follows_a_guard_is_told_what_the_log_knows_by_then(box: Box) -> None:
    """The state before its own first input, not that of the start."""
    with box.life() as (service, told):
        box.join(service, told, "B")
        box.air(service, "B", 1)
        assert demanded(box.join(service, told, "C"))
        box.air(service, "C", 10)
        assert not fan_demanded(service)
        assert demanded(box.join(service, told, "C"))
        assert not demanded(box.join(service, told, "D"))


def test_a_guard_that_an_earlier_process_has_heard_is_told_nothing(box: Box) -> None:
    """It has lived through what the log has since; what it found it asks itself about."""
    with box.life() as (service, told):
        assert box.join(service, told, "A") is None


def test_a_clean_stop_demanded_the_safe_value(box: Box) -> None:
    """Also when the process after the stop died before it heard guard."""
    with box.life() as (service, _):
        box.air(service, "B", 10)
        service.writer.end(10)
        service.runner.close()
    with box.life():
        pass
    with box.life() as (service, told):
        assert demanded(box.join(service, told, "C"))
