"""DIR/guard.json: the plan that guard reads once at start, with the hash of the bytes it was made from.

``{"hash": ..., "plan": {...}, ...}``: the hash is the SHA-256 of the plan's bytes (shared.wire.plans.encode_guard) as
they stand in the file; other keys are for the parent and are not looked at. Refuses (ConfigError): a file that is not
that, a plan whose hash differs, a plan that names what is not there.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec

from services.guard.binding import Binding, bind
from shared.devices.plan import SitePlan
from shared.domain.errors import ConfigError, WireError
from shared.runtime import places
from shared.wire.plans import decode_site, encode_guard


class _File(msgspec.Struct):
    hash: str
    plan: msgspec.Raw


@dataclass(frozen=True, slots=True)
class GuardPlan:
    hash: str
    site: SitePlan
    binding: Binding


def plan_hash(data: bytes) -> str:
    """The name of a plan: SHA-256 of its bytes in hex."""
    return sha256(data).hexdigest()


def make_plan(name: str, data: bytes) -> GuardPlan:
    """A plan from its bytes and its hash; raises ConfigError."""
    if plan_hash(data) != name:
        raise ConfigError(f"the plan's hash is {plan_hash(data)}, not {name}")
    try:
        site = decode_site(data)
    except (WireError, RecursionError) as fault:
        raise ConfigError(str(fault)) from fault
    return GuardPlan(name, site, bind(site))


def read_plan(path: Path) -> GuardPlan:
    """Raises ConfigError or OSError."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise ConfigError(f"{path}: {fault}") from fault
    try:
        return make_plan(found.hash, bytes(found.plan))
    except ConfigError as fault:
        raise ConfigError(f"{path}: {fault}") from fault


def write_plan(data: Path, site: SitePlan) -> str:
    """Write DIR/guard.json for a plan and give its hash."""
    body = encode_guard(site)
    name = plan_hash(body)
    places.write_file(data, places.GUARD_PLAN, b'{"hash":"%s","plan":%s}\n' % (name.encode(), body))
    return name
