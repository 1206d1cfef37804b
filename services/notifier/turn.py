"""One look of the notifier at one moment: what it is decided by, and what has come of it so far."""

from dataclasses import dataclass, field

from services.notifier.lease import SITE
from services.notifier.messages import Message
from services.notifier.moments import Moment
from services.notifier.picture import Picture
from services.notifier.routing import DELIVERY_FAILING, Recipient, Setting, recipients
from shared.domain.events import Event


@dataclass(slots=True)
class Turn:
    """One look at one moment."""

    picture: Picture
    setting: Setting
    moment: Moment
    planned: list[Message] = field(default_factory=list)
    lines: dict[tuple[str, ...], tuple[Recipient, ...]] = field(default_factory=dict)
    """Recipients at this moment, by what routes look at."""
    sender: str = SITE
    """Who tells people here (services.notifier.lease)."""
    leased: str = SITE
    """Who held the notify lease at the place in the log that this has come to."""
    theirs: set[str] = field(default_factory=set)
    """Ids of planned messages that somebody else sends (services.notifier.lease)."""
    judged: int = 0
    """Of so many planned messages it was said who sends them."""
    is_ahead: bool = False
    """Older events are still to be read, and something that is newer than they was taken."""

    def line(self, event: Event) -> tuple[Recipient, ...]:
        """Everybody in line for an alarm, in order."""
        about = event.subject if event.rule == DELIVERY_FAILING else ""
        key = (event.room, event.rule, event.severity, about)
        if key not in self.lines:
            self.lines[key] = recipients(self.setting, event, self.moment)
        return self.lines[key]
