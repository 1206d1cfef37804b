"""The stages that every item for one person and channel goes through: each says why it is held back now, or "".

late      first read when older than ten minutes: all of that is one summary
quiet     quiet hours of the person; nothing critical is held by them
grouping  at most one message a minute for each person and channel beside critical alarms, and none while the last
          one is still on its way; a critical gas alarm always goes on its own, other critical ones up to ten a
          minute
"""

from collections.abc import Callable
from dataclasses import dataclass

from services.notifier.messages import OVER, Item, Lane
from services.notifier.moments import Moment, within
from services.notifier.picture import LaneState, Picture
from services.notifier.routing import Setting, severity_of
from shared.domain.plan import Severity

MINUTE_MS = 60_000
CRITICAL_OWN_MAX = 10
"""Critical alarms that go on their own in a minute, for each lane; those of gas are not counted."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a stage looks at."""

    picture: Picture
    setting: Setting
    moment: Moment
    lane: Lane
    state: LaneState
    item: Item


def late(look: Look) -> str:
    return "late" if look.item.late else ""


def quiet(look: Look) -> str:
    person = look.setting.people.get(look.lane.person)
    is_critical = not look.item.is_notice and severity_of(look.item.event) is Severity.CRITICAL
    if is_critical or person is None or not person.quiet:
        return ""
    return "quiet" if within(person.quiet, look.moment.wall_ms, look.setting.zone) else ""


def grouping(look: Look) -> str:
    now, state = look.moment.steady_ms, look.state
    if is_critical_alarm(look.item):
        if is_gas(look.item):
            return ""
        state.own_ms[:] = [at for at in state.own_ms if now - at < MINUTE_MS]
        return "grouping" if len(state.own_ms) >= CRITICAL_OWN_MAX else ""
    held = look.picture.held.get(look.lane.key, {})
    if held or state.pending or now - state.last_ms < MINUTE_MS:
        return "grouping"
    return ""


STAGES: tuple[Callable[[Look], str], ...] = (late, quiet, grouping)


def is_gas(item: Item) -> bool:
    """Whether it comes from a hydrogen detector."""
    return item.event.rule.startswith("h2_")


def is_critical_alarm(item: Item) -> bool:
    """A critical alarm that is not over."""
    return not item.is_notice and severity_of(item.event) is Severity.CRITICAL and item.kind not in OVER
