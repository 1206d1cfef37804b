"""A small site for the processor's tests: one gas head and its fan, a bank of jars, and the box's own alarms."""

from shared.devices.frame import Block, Frame
from shared.devices.plan import DecisionPlan
from shared.devices.profile import BlockPlan, Channel, DevicePlan, Table, ValueType
from shared.domain.ids import AlarmId, DeviceId, OutputId, PointId, RoomId, RuleId
from shared.domain.inputs import Command, What
from shared.domain.plan import (
    NONE,
    AlarmPlan,
    CauseKind,
    CausePlan,
    DetectorPlan,
    LimitRow,
    OutputKind,
    OutputPlan,
    PointPlan,
    ReportRow,
    RoomPlan,
    ScanPlan,
    Severity,
)
from shared.domain.units import NoData, Unit
from shared.domain.version import CORE_VERSION

ROOM = "s/r1"
H2_ALARM = f"{ROOM}/gas1-h2/h2_alarm"
JARS = 20


def decision(*, limit_2: int = 20_000, jars: int = JARS, jar_low: int = 2_000) -> DecisionPlan:
    """The plan; ``limit_2`` in ppm, ``jar_low`` in mV."""
    gas = DevicePlan(
        id="gas1",
        bus="b1",
        unit=1,
        profile="gas",
        every_ms=500,
        rooms=("r1",),
        channels=(Channel("h2", Table.HOLDING, 0, ValueType.U16, Unit.H2_VOL, multiply=100),),
        blocks=(BlockPlan(Table.HOLDING, 0, 1),),
    )
    bank = DevicePlan(
        id="bank",
        bus="b1",
        unit=2,
        profile="bank",
        every_ms=10_000,
        rooms=("r1",),
        channels=tuple(Channel(f"v{n}", Table.HOLDING, n, ValueType.U16, Unit.VOLT) for n in range(jars)),
        blocks=tuple(BlockPlan(Table.HOLDING, at, min(100, jars - at)) for at in range(0, jars, 100)),
    )
    return DecisionPlan(CORE_VERSION, "s", (gas, bank), (_room(limit_2, jars, jar_low), _box()))


def _room(limit_2: int, jars: int, jar_low: int) -> RoomPlan:
    fan = OutputPlan(
        id=OutputId(f"{ROOM}/io1-do0"),
        kind=OutputKind.FAN,
        device=DeviceId("io1"),
        channel="do0",
        safe_on=True,
        causes=tuple(
            CausePlan(kind, 0) for kind in (CauseKind.DETECTOR_1, CauseKind.DETECTOR_2, CauseKind.DETECTOR_FAULT)
        ),
        run_on_ms=3_600_000,
    )
    detector = DetectorPlan(
        id=PointId(f"{ROOM}/gas1-h2"),
        h2=0,
        contact_1=NONE,
        contact_2=NONE,
        status=NONE,
        heartbeat=NONE,
        limit_1=10_000,
        limit_2=limit_2,
        deadband=2_000,
        alarm_1=0,
        alarm_2=1,
        alarm_fault=2,
    )
    alarms = (
        _alarm("gas1-h2", "h2_prealarm", Severity.WARNING),
        AlarmPlan(AlarmId(H2_ALARM), RuleId("h2_alarm"), f"{ROOM}/gas1-h2", Severity.CRITICAL, latch=True),
        _alarm("gas1-h2", "h2_fault", Severity.ALARM),
        *(_alarm(f"bank-v{n}", "jar_voltage_low_alarm", Severity.ALARM) for n in range(jars)),
    )
    rows = tuple(
        LimitRow(alarm=3 + n, point=1 + n, high=False, limit=jar_low, deadband=20, severity=Severity.ALARM)
        for n in range(jars)
    )
    return RoomPlan(
        id=RoomId("r1"),
        site="s",
        name="Room one",
        points=(
            PointPlan(PointId(f"{ROOM}/gas1-h2"), Unit.H2_VOL, 4_000),
            *(PointPlan(PointId(f"{ROOM}/bank-v{n}"), Unit.VOLT, 60_000) for n in range(jars)),
        ),
        scans=(
            ScanPlan(DeviceId("gas1"), "b1", 0, 1, 500),
            ScanPlan(DeviceId("bank"), "b1", 1, jars, 10_000),
        ),
        alarms=alarms,
        limits=rows,
        detectors=(detector,),
        outputs=(fan,),
    )


def _alarm(point: str, rule: str, severity: Severity) -> AlarmPlan:
    return AlarmPlan(AlarmId(f"{ROOM}/{point}/{rule}"), RuleId(rule), f"{ROOM}/{point}", severity)


def _box() -> RoomPlan:
    """The pseudo-room, with the alarms that the log's own Reports raise."""
    bound = (("log", "log_undurable"), ("log", "log_damaged"), ("clock", "clock_step"), ("disk", "disk_low"))
    alarms = tuple(
        AlarmPlan(AlarmId(f"s/_site/{part}/{rule}"), RuleId(rule), f"s/_site/{part}", Severity.ALARM)
        for part, rule in bound
    )
    reports = tuple(
        ReportRow(alarm=n, kind=rule, subject=f"s/_site/{part}", severity=Severity.ALARM)
        for n, (part, rule) in enumerate(bound)
    )
    return RoomPlan(id=RoomId("_site"), site="s", name="The box", alarms=alarms, reports=reports)


def gas(seq: int, centi_percent: int, *, boot: str = "g1", age_ms: int = 5) -> Frame:
    """A scan of the gas head: 200 is 2 %vol."""
    return _frame("gas1", seq, [Block(Table.HOLDING, 0, 1, centi_percent.to_bytes(2, "big"))], boot, age_ms)


def bank(seq: int, *, low: frozenset[int] = frozenset(), jars: int = JARS, boot: str = "g1") -> Frame:
    """A scan of the jars: 2.23 V each, 1.9 V those in ``low``."""
    words = b"".join((1900 if n in low else 2230).to_bytes(2, "big") for n in range(jars))
    blocks = [
        Block(Table.HOLDING, at, min(100, jars - at), words[2 * at : 2 * min(jars, at + 100)])
        for at in range(0, jars, 100)
    ]
    return _frame("bank", seq, blocks, boot, 20)


def _frame(device: str, seq: int, blocks: list[Block], boot: str, age_ms: int) -> Frame:
    return Frame(
        device=device,
        boot=boot,
        device_seq=seq,
        sampled_at_ms=0,
        age_ms=age_ms,
        synced=True,
        outcome=NoData.PRESENT,
        detail="",
        blocks=tuple(blocks),
    )


def command(name: str, what: What, subject: str, *, reason: str = "") -> Command:
    return Command(name, what, subject, "", None, reason, "cli:anna", 0)
