"""Plans <-> bytes. The canonical bytes of a DecisionPlan are a rule set's body; their hash is the decision version.

Promises: the same plan gives the same bytes on every machine: JSON objects in the order of the dataclasses' fields, no
spaces. Decoding checks every type and fills a field that is newer than the bytes with its default.
Refuses (WireError): unknown enumeration values, wrong types, a plan for another core version is NOT refused here: who
decides by it compares ``core_version``.
"""

from dataclasses import replace
from hashlib import sha256

import msgspec

from shared.devices.plan import DecisionPlan, SitePlan, UplinkPlan
from shared.domain.errors import WireError
from shared.domain.ids import DecisionVersion
from shared.domain.notify_plan import NotifyPlan

_encoder = msgspec.json.Encoder()
_decision = msgspec.json.Decoder(DecisionPlan)
_site = msgspec.json.Decoder(SitePlan)


def encode_decision(plan: DecisionPlan) -> bytes:
    """Canonical bytes: the rule-set body."""
    return _encoder.encode(plan)


def decode_decision(data: bytes) -> DecisionPlan:
    """The plan; raises WireError."""
    try:
        return _decision.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise WireError(f"decision plan: {fault}") from fault


def decision_version(data: bytes) -> DecisionVersion:
    """The hash that names these canonical bytes: the first 16 bytes of their SHA-256 in hex."""
    return DecisionVersion(sha256(data).hexdigest()[:32])


def check_decision(version: str, data: bytes) -> None:
    """That these bytes are the rule set of this name; raises WireError."""
    if (found := decision_version(data)) != version:
        raise WireError(f"rule set {version}: these bytes are {found}")


def encode_site(plan: SitePlan) -> bytes:
    return _encoder.encode(plan)


def encode_guard(plan: SitePlan) -> bytes:
    """The site's plan as guard gets it: without people and fleet. Its SHA-256 names it between guard and site."""
    return _encoder.encode(replace(plan, notify=NotifyPlan(), uplink=UplinkPlan()))


def decode_site(data: bytes) -> SitePlan:
    """The plan; raises WireError."""
    try:
        return _site.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise WireError(f"site plan: {fault}") from fault
