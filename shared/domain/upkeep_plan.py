"""The plan's tables about upkeep: parts with their serials, baselines of resistance, and what is due again.

Indexes are positions as in shared.domain.plan. Nothing here is judged: the site file was checked.
"""

from dataclasses import dataclass
from enum import StrEnum

NO_LIMIT = 1 << 50
"""The limit of a row whose jar has no baseline: no value is over it."""


class PartKind(StrEnum):
    """What can be replaced."""

    JAR = "jar"
    MODULE = "module"
    """Measures one jar."""
    SENSOR = "sensor"
    GAS_HEAD = "gas_head"
    DEVICE = "device"
    RELAY_MODULE = "relay_module"
    """A device that holds outputs."""


@dataclass(frozen=True, slots=True)
class PartPlan:
    """One replaceable part. Its serial counts until a replacement is recorded; the rest is for people."""

    id: str
    """Its path: a jar's plant path, that with /module, a point, a detector, or site/room/device."""
    kind: PartKind
    serial: str = ""
    type: str = ""
    made: str = ""
    installed: str = ""
    position: str = ""
    was: str = ""
    """The id it had before it was renamed."""


@dataclass(frozen=True, slots=True)
class BaselinePlan:
    """The resistance of a jar when it was new. ``given`` counts until a person has another one recorded."""

    jar: str
    string: str
    """Path of its string: a baseline may be asked for a jar, a string or a battery."""
    point: int
    """Its resistance, uOhm."""
    battery: int
    given: int = 0
    """uOhm; 0 when the site file gives none."""
    was: str = ""


@dataclass(frozen=True, slots=True)
class FactorRow:
    """A limit that is so many per cent of a baseline, NO_LIMIT while there is none; no limit has two such rows."""

    limit: int
    """Position in RoomPlan.limits."""
    baseline: int
    percent: int
    deadband: int
    """0: a fiftieth of the limit."""


class DueKind(StrEnum):
    """What has to be done again and again."""

    CALIBRATION = "calibration"
    """Of a hydrogen detector."""
    PROOF_TEST = "proof_test"
    """Of an output."""


@dataclass(frozen=True, slots=True)
class DueRow:
    """TRUE when it was not done for every_ms; what was never done counts from when it was first in the plan."""

    alarm: int
    kind: DueKind
    subject: str
    """Detector or output."""
    every_ms: int
