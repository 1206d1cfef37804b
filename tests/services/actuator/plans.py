"""Small plans for the tests: one room, a gas head, a relay module with two fans, a charger and a buzzer."""

from dataclasses import replace

from shared.devices.plan import BusPlan, DecisionPlan, MqttPlan, SitePlan
from shared.devices.profile import BlockPlan, Channel, DevicePlan, Table, ValueType, Watchdog
from shared.domain.ids import AlarmId, DeviceId, OutputId, PointId, RoomId, RuleId
from shared.domain.plan import (
    NONE,
    AlarmPlan,
    CauseKind,
    CausePlan,
    DetectorPlan,
    OutputKind,
    OutputPlan,
    PointPlan,
    RoomPlan,
    ScanPlan,
    Severity,
)
from shared.domain.units import Unit
from shared.domain.version import CORE_VERSION

FAN = OutputId("demo/r1/io1-do0")
CHARGER = OutputId("demo/r1/io1-do1")
BUZZER = OutputId("demo/r1/io1-do2")
STANDBY = OutputId("demo/r1/io1-do3")
DETECTOR = PointId("demo/r1/gas1-h2")
LIMIT_1, LIMIT_2 = 10_000, 20_000
"""1 and 2 %vol."""

GAS_UNIT, RELAY_UNIT = 1, 2
AIRFLOW_ADDRESS, OVERRIDE_ADDRESS = 2, 5
WATCHDOG_ADDRESS = 100
ON_AT_0 = 0
"""Energise-to-stop: the fan runs while the coil is 0."""


def coil(name: str, address: int, on: int = 1) -> Channel:
    return Channel(name, Table.COIL, address, ValueType.BIT, Unit.STATE, writable=True, on=on)


def contact(name: str, address: int) -> Channel:
    return Channel(name, Table.DISCRETE, address, ValueType.BIT, Unit.STATE)


def gas_head(every_ms: int = 200) -> DevicePlan:
    h2 = Channel("h2", Table.HOLDING, 0, ValueType.U16, Unit.H2_VOL, multiply=1_000, no_data=(65_535,), high=50_000)
    return DevicePlan("gas1", "b1", GAS_UNIT, "test-head", every_ms, ("r1",), (h2,), (BlockPlan(Table.HOLDING, 0, 1),))


def relay_module(every_ms: int = 200, watchdog_ms: int = 1_000, fan_on: int = 1) -> DevicePlan:
    """Four coils, an airflow contact, an override contact; watchdog_ms 0: it has none."""
    channels = (
        coil("do0", 0, fan_on),
        coil("do1", 1),
        coil("do2", 2),
        coil("do3", 3),
        contact("di2", AIRFLOW_ADDRESS),
        contact("di5", OVERRIDE_ADDRESS),
    )
    blocks = (BlockPlan(Table.COIL, 0, 4), BlockPlan(Table.DISCRETE, 2, 4))
    watchdog = Watchdog(Table.HOLDING, WATCHDOG_ADDRESS, 100, watchdog_ms // 100) if watchdog_ms else None
    return DevicePlan("io1", "b1", RELAY_UNIT, "test-io", every_ms, ("r1",), channels, blocks, watchdog=watchdog)


def detector(limit_1: int = LIMIT_1, warm_up_ms: int = 0, persist_ms: int = 4_000) -> DetectorPlan:
    return DetectorPlan(
        DETECTOR, 0, NONE, NONE, NONE, NONE, limit_1, LIMIT_2, 2_000, warm_up_ms=warm_up_ms, persist_ms=persist_ms
    )


def outputs(*, airflow: bool = False, standby: bool = False, run_on_ms: int = 0) -> tuple[OutputPlan, ...]:
    gas = tuple(CausePlan(kind, 0) for kind in (CauseKind.DETECTOR_1, CauseKind.DETECTOR_2, CauseKind.DETECTOR_FAULT))
    io1 = DeviceId("io1")
    fan = OutputPlan(
        FAN, OutputKind.FAN, io1, "do0", safe_on=True, causes=gas, run_on_ms=run_on_ms, run_up_ms=1_000,
        airflow=5 if airflow else NONE, read_back=1, override=6,
    )  # fmt: skip
    charger = OutputPlan(CHARGER, OutputKind.CHARGER_INHIBIT, io1, "do1", safe_on=False, causes=(gas[1],), read_back=2)
    buzzer = OutputPlan(BUZZER, OutputKind.BUZZER, io1, "do2", safe_on=True, causes=(), read_back=3)
    second = OutputPlan(STANDBY, OutputKind.FAN, io1, "do3", safe_on=False, causes=(), read_back=4, standby=True)
    return (fan, charger, buzzer, *((second,) if standby else ()))


def room(*, limit_1: int = LIMIT_1, warm_up_ms: int = 0, airflow: bool = False, standby: bool = False,
         run_on_ms: int = 0) -> RoomPlan:  # fmt: skip
    names = ("gas1-h2", "io1-do0", "io1-do1", "io1-do2", "io1-do3", "io1-di2", "io1-di5")
    return RoomPlan(
        RoomId("r1"),
        "demo",
        "Room 1",
        points=tuple(PointPlan(PointId(f"demo/r1/{name}"), Unit.STATE, 2_000) for name in names),
        scans=(ScanPlan(DeviceId("gas1"), "b1", 0, 1, 200), ScanPlan(DeviceId("io1"), "b1", 1, 6, 200)),
        detectors=(detector(limit_1, warm_up_ms),),
        outputs=outputs(airflow=airflow, standby=standby, run_on_ms=run_on_ms),
    )


def site(
    tcp: str = "127.0.0.1:1", the_room: RoomPlan | None = None, *, gas: DevicePlan | None = None,
    relay: DevicePlan | None = None, timeout_ms: int = 300,
) -> SitePlan:  # fmt: skip
    devices = (gas or gas_head(), relay or relay_module())
    decision = DecisionPlan(CORE_VERSION, "demo", devices, (the_room or room(),))
    bus = BusPlan("b1", tcp, "", "", timeout_ms)
    return SitePlan(
        "Demo", "UTC", "en", demo=True, decision=decision, buses=(bus,), mqtt=MqttPlan(""), http="", simulate=""
    )


def with_outputs(plan: SitePlan, **changes: object) -> SitePlan:
    """The same site with fields of its first output changed."""
    the_room = plan.decision.rooms[0]
    first = replace(the_room.outputs[0], **changes)  # type: ignore[arg-type]
    the_room = replace(the_room, outputs=(first, *the_room.outputs[1:]))
    return replace(plan, decision=replace(plan.decision, rooms=(the_room,)))


def renamed_module(plan: SitePlan, now: str) -> SitePlan:
    """The same site with its relay module under another name, which its alarms know."""
    the_room, (gas, relay) = plan.decision.rooms[0], plan.decision.devices

    def named(id_: str) -> str:
        return id_.replace("io1", now)

    the_room = replace(
        the_room,
        scans=(the_room.scans[0], replace(the_room.scans[1], device=DeviceId(now))),
        points=tuple(replace(x, id=PointId(named(x.id))) for x in the_room.points),
        alarms=tuple(
            AlarmPlan(AlarmId(f"{named(x.id)}/rule"), RuleId("rule"), named(x.id), Severity.ALARM, was=f"{x.id}/rule")
            for x in the_room.outputs
        ),
        outputs=tuple(replace(x, id=OutputId(named(x.id)), device=DeviceId(now)) for x in the_room.outputs),
    )
    devices = (gas, replace(relay, id=now))
    return replace(plan, decision=replace(plan.decision, devices=devices, rooms=(the_room,)))
