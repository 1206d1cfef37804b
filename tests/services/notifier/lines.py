"""Time lines for the pure part of the notifier: at a time something happens, and exactly these messages are planned.

    world = World(setting(routes=[...]))
    world.line((
        (0, world.raise_("h2_alarm", "critical"), ["anna/email alarm raised h2_alarm"], "at once"),
    ))

A message is told as ``lane form kind rule, kind rule ...``; times are seconds after the row before.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

from services.notifier import pipeline
from services.notifier.messages import Message
from services.notifier.moments import Moment
from services.notifier.picture import Picture
from services.notifier.routing import Setting, way_of
from services.notifier.turn import Turn
from shared.domain.events import Event
from shared.domain.ids import event_id, occurrence_id
from shared.domain.notify_plan import EmailPlan, NotifyPlan, Person, Route, WebhookPlan
from shared.domain.plan import Severity
from tests.services.notifier.samples import ANNA, AT_MS, BEN

LOG = "log1"
EMAIL = EmailPlan("127.0.0.1", 25, "none", "box@example.org")
WEBHOOK = WebhookPlan("http://127.0.0.1:9/")
BERLIN = ZoneInfo("Europe/Berlin")


def route(*to: str, by: Iterable[str] = ("email",), **more: object) -> Route:
    """The first route: everything, to these people."""
    whole = Route(1, Severity.WARNING, (), (), tuple(to), tuple(by))
    return replace(whole, **more)  # type: ignore[arg-type]


def setting(*routes: Route, people: Sequence[Person] = (ANNA, BEN), **more: object) -> Setting:
    plan = NotifyPlan(tuple(people), routes=routes or (route("anna"),), email=(EMAIL,), webhook=(WEBHOOK,))
    return Setting(replace(plan, **more), BERLIN, "s", "Site", "en", {"r1": "Room 1"})  # type: ignore[arg-type]


def told(message: Message) -> str:
    """One message in words: many items of a kind are counted."""
    named = Counter(f"{item.kind} {item.event.rule}" for item in message.items)
    what = ", ".join(name if count == 1 else f"{count} x {name}" for name, count in named.items())
    return f"{message.lane.key} {message.form} {what}".rstrip()


class World:
    """Events with ids and stamps, and the pipeline that takes them."""

    def __init__(self, setting: Setting, *, wall_ms: int = AT_MS) -> None:
        self.setting = setting
        self.picture = Picture()
        self.messages: list[Message] = []
        self.events: list[Event] = []
        self.now_ms = 0
        self.began_ms = wall_ms
        self.seq = 0
        self.settles = True
        """Whether what is planned arrives at once."""

    def moment(self) -> Moment:
        return Moment(self.now_ms, self.began_ms + self.now_ms)

    def event(self, what: str, alarm: str = "r1/p/rule", severity: str = "warning", *, state: str = "",
              occurrence: str | None = None, reason: str = "", room: str = "", value: str = "") -> Event:  # fmt: skip
        """An event about SITE/``alarm``; a raise begins an occurrence, the others go on with the last one."""
        self.seq += 1
        subject = f"s/{alarm}"
        if occurrence is None:
            mine = [one.occurrence for one in self.events if one.subject == subject and one.occurrence]
            is_new = what == "raised" or not mine
            occurrence = occurrence_id(subject, LOG, self.seq) if is_new else mine[-1]
        states = {"raised": "B", "acked": "C", "returned": "D", "cleared": "A", "escalated": "B", "reannounced": "B"}
        self.events.append(
            Event(
                type=f"ampward.alarm.{what}.v1", id=event_id(LOG, self.seq, "r1", 0), site="s",
                room=room or alarm.partition("/")[0], room_no=self.seq, log_id=LOG, site_seq=self.seq, ordinal=0,
                tick_ms=self.now_ms, at_ms=self.began_ms + self.now_ms, version="v", subject=subject,
                occurrence=occurrence, rule=alarm.rpartition("/")[2], severity=severity,
                state=state or states.get(what, ""), value=value, unit="%vol" if value else "", limit="", quality="",
                reason=reason, actor="", until_ms=0,
            )
        )  # fmt: skip
        return self.events[-1]

    def take(self, *events: Event, undurable: bool = False, late: bool = False) -> list[str]:
        """The pipeline takes these and looks at the time."""

        def act(turn: Turn) -> None:
            for one in events:
                pipeline.take(turn, one, undurable=undurable, late=late)

        return self._turn(act)

    def wait(self, seconds: float) -> list[str]:
        """Time passes, second by second; everything that it brings."""
        made: list[str] = []
        end = self.now_ms + round(seconds * 1000)
        while self.now_ms < end:
            self.now_ms = min(end, self.now_ms + 1000)
            made += self._turn(lambda _: None)
        return made

    def settle(self, *, refused: bool = False) -> None:
        """Everything that is under way arrives, or is refused."""
        for message in self.messages:
            way = way_of(self.setting, message.lane) if refused else ""
            pipeline.settle(self.picture, message, refused=way, why="550 no such user")

    def _turn(self, act: Callable[[Turn], object]) -> list[str]:
        turn = Turn(self.picture, self.setting, self.moment())
        act(turn)
        pipeline.due(turn)
        self.messages += turn.planned
        if self.settles:
            for message in turn.planned:
                pipeline.settle(self.picture, message)
        return [told(message) for message in turn.planned]

    def line(self, rows: Sequence[tuple[float, Callable[[], Event] | None, list[str], str]]) -> None:
        """Go through the rows; what comes while time passes belongs to the row that waits."""
        for number, (after_s, act, expected, sentence) in enumerate(rows, 1):
            made = self.wait(after_s)
            if act is not None:
                made += self.take(act())
            assert made == expected, f"row {number}, {sentence}: {made} instead of {expected}"

    def does(self, what: str, alarm: str = "r1/p/rule", severity: str = "warning", *, state: str = "",
             reason: str = "", occurrence: str | None = None) -> Callable[[], Event]:  # fmt: skip
        """For the rows of a line."""
        return lambda: self.event(what, alarm, severity, state=state, reason=reason, occurrence=occurrence)
