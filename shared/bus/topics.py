"""Every MQTT topic of Ampward in one place: its name, quality of service, retention and expiry.

    ampward/v1/{site}/status                    retained   is the site there (also the will)
    ampward/v1/{site}/events                               CloudEvents, in the order of the log
    ampward/v1/{site}/{room}/points/{point}     retained   newest value
    ampward/v1/{site}/{room}/{device}/status    retained   does the device answer
    ampward/v1/{site}/{room}/{device}/frame                raw words as they were polled
    ampward/v1/{site}/in/{device}                          inwards, to the bridge: a frame of a hosted site's device
    ampward/v1/{site}/pulse                                of the bridge to itself: how long what comes may have waited

Only state is retained, never an event or a command. Everything goes by QoS 1. Names are built from ids
([a-z0-9_-]{1,40}; a jar is 2S4), so no wildcard, no level and no control character can enter by a name.
"""

import re
from dataclasses import dataclass

from shared.domain.ids import is_id

ROOT = "ampward/v1"
QOS = 1

STATUS_WILL_DELAY_S = 5
"""A link that comes back within this time never was away, for those who watch the status."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How the messages of a topic are sent."""

    name: str
    pattern: str
    retain: bool
    expiry_s: int
    """MQTT 5 message expiry; 0 is never."""
    content_type: str


SITE_STATUS = Kind("site_status", f"{ROOT}/{{site}}/status", True, 0, "application/json")  # noqa: FBT003 - a table
EVENTS = Kind("events", f"{ROOT}/{{site}}/events", False, 0, "application/cloudevents+json")  # noqa: FBT003 - a table
POINT = Kind("point", f"{ROOT}/{{site}}/{{room}}/points/{{point}}", True, 0, "application/json")  # noqa: FBT003 - a table
DEVICE_STATUS = Kind("device_status", f"{ROOT}/{{site}}/{{room}}/{{device}}/status", True, 0, "application/json")  # noqa: FBT003 - a table
FRAME = Kind("frame", f"{ROOT}/{{site}}/{{room}}/{{device}}/frame", False, 0, "application/json")  # noqa: FBT003 - a table

HANDED_IN = Kind("handed_in", f"{ROOT}/{{site}}/in/{{device}}", False, 0, "application/json")  # noqa: FBT003 - a table
PULSE_EXPIRY_S = 60
PULSE = Kind("pulse", f"{ROOT}/{{site}}/pulse", False, PULSE_EXPIRY_S, "application/json")  # noqa: FBT003 - a table

ALL = (SITE_STATUS, EVENTS, POINT, DEVICE_STATUS, FRAME)
"""What a site says."""
INWARDS = (HANDED_IN, PULSE)
"""What is said to us, by the devices of a hosted site and by ourselves."""

_JAR = re.compile(r"[1-9][0-9]{0,3}S[1-9][0-9]?")


def site_status(site: str) -> str:
    return f"{ROOT}/{_id(site)}/status"


def events(site: str) -> str:
    return f"{ROOT}/{_id(site)}/events"


def point(point_id: str) -> str:
    """Topic of ``site/room/point``; the path of a jar's point goes on in levels. Raises ValueError."""
    site, room, *rest = point_id.split("/")
    if not rest or not all(is_id(part) or _JAR.fullmatch(part) for part in rest):
        raise ValueError(f"{point_id!r} is not the id of a point")
    return f"{ROOT}/{_id(site)}/{_id(room)}/points/{'/'.join(rest)}"


def device_status(site: str, room: str, device: str) -> str:
    return f"{ROOT}/{_id(site)}/{_id(room)}/{_device(device)}/status"


def frame(site: str, room: str, device: str) -> str:
    return f"{ROOT}/{_id(site)}/{_id(room)}/{_device(device)}/frame"


def handed_in(site: str, device: str) -> str:
    """Where a device of a hosted site hands its frames in."""
    return f"{ROOT}/{_id(site)}/in/{_id(device)}"


def all_handed_in(site: str) -> str:
    """The filter for all of them."""
    return f"{ROOT}/{_id(site)}/in/+"


def pulse(site: str) -> str:
    return f"{ROOT}/{_id(site)}/pulse"


def _id(text: str) -> str:
    if not is_id(text):
        raise ValueError(f"{text!r} is not an id")
    return text


def _device(text: str) -> str:
    if text == "points":
        raise ValueError("no device may be called 'points': its topics would be those of points")
    return _id(text)
