"""The way to the fleet: checks of ``uplink:`` and its plan.

Nothing about the fleet keeps a site from protecting its rooms: whatever is wrong here is a warning, said at its place,
and nothing goes up until it is right.
"""

import re

from shared.devices.plan import UplinkPlan
from shared.runtime.documents import Place
from shared.runtime.site_file.loading import Source
from shared.runtime.site_file.values import split_address

KAFKA: Place = ("uplink", "kafka")
MQTT: Place = ("uplink", "mqtt")
IDENTITY: Place = ("uplink", "identity")
SIGNING_KEY = "signing.key"
BROKERS_MAX = 20
BROKERS_ALLOWED = "host:port, several behind commas, as in kafka1:9092,kafka2:9092"
_URL = re.compile(r"mqtts?://[^\s/@]+(:[0-9]{1,5})?/?", re.ASCII)
URL_ALLOWED = "mqtt://host:1883 or mqtts://host:8883"


def check_uplink(source: Source) -> None:
    """All checks of this module."""
    model = source.model.uplink
    if model is None:
        return
    if not is_brokers(model.kafka):
        source.warn(KAFKA, f"{model.kafka[:60]!r} names no broker: nothing goes up", BROKERS_ALLOWED)
    if model.mqtt and not _URL.fullmatch(model.mqtt):
        source.warn(MQTT, f"{model.mqtt[:60]!r} is no broker: nothing is published there", URL_ALLOWED)
    if not (source.base(("uplink",)) / model.identity / SIGNING_KEY).is_file():
        what = f"there is no {SIGNING_KEY} in {model.identity}: nothing goes up"
        source.warn(IDENTITY, what, "the folder that `ampward enroll` has made for this site")


def is_brokers(text: str) -> bool:
    """Whether these are the addresses of brokers."""
    parts = text.split(",")
    return len(parts) <= BROKERS_MAX and all(split_address(part.strip()) for part in parts)


def uplink_plan(source: Source) -> UplinkPlan:
    """What the uplink goes by; nothing in it that is wrong."""
    model = source.model.uplink
    if model is None or not is_brokers(model.kafka):
        return UplinkPlan()
    return UplinkPlan(
        kafka=",".join(part.strip() for part in model.kafka.split(",")),
        mqtt=model.mqtt if _URL.fullmatch(model.mqtt) else "",
        identity=str((source.base(("uplink",)) / model.identity).resolve()),
        kib_per_s=model.kib_per_s,
    )
