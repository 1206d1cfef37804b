"""The site file as pydantic models: every key, its form and its default, each section a model.

Unknown keys are refused (extra=forbid), everything is frozen. What needs more than one place to judge (references,
limits against each other, sizing) is checked in the modules beside this one. A file named under ``include:`` may hold
the same sections, without ``version``, ``site`` and ``include``.
"""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.catalogue import BatteryType
from shared.domain.plan import Mode
from shared.runtime.site_file.values import (
    Channel,
    Count,
    Delay,
    Duration,
    Flag,
    HoursText,
    Id,
    Number,
    OneOrMany,
    Positive,
    RoomRef,
    Text,
    TimeOfDay,
    Whole,
    Words,
)

MINUTE = 60_000
DAY = 86_400_000
Wiring = Literal["fan_on_when_deenergised"]
"""How an output behaves that no watchdog supervises: it falls to its safe value when its relay has no current."""


class Model(BaseModel):
    """Root of all sections."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class SiteModel(Model):
    """Whose file this is."""

    id: Id
    name: Text = ""
    time_zone: str = "UTC"
    language: Literal["en", "de"] = "en"
    demo: Flag = False
    """true allows simulated devices and buses."""


class BusModel(Model):
    """One line or connection: exactly one of modbus_tcp, modbus_rtu, simulated, mqtt, snmp."""

    modbus_tcp: str = ""
    """host:port"""
    modbus_rtu: str = ""
    """Serial device; take the one under /dev/serial/by-id."""
    simulated: str = ""
    mqtt: Literal["in"] | None = None
    """``in``: devices that hand their frames in by MQTT, at ampward/v1/SITE/in/DEVICE. The whole site is then hosted by
    the fleet's bridge; a unit means nothing there."""
    snmp: str = ""
    """host:port; comes with a later version, with version and user_file."""
    version: Annotated[Whole, Field(ge=1, le=3)] | None = None
    user_file: str = ""
    timeout: Duration = 300
    baud: Whole = 19_200
    parity: Literal["N", "E", "O"] = "E"
    stop_bits: Annotated[Whole, Field(ge=1, le=2)] = 1


class DeviceModel(Model):
    bus: Id
    unit: Annotated[Whole, Field(ge=0, le=255)]
    profile: str
    """A shipped name, or ./file.yaml beside the site file."""
    every: Duration
    room: RoomRef
    """The room that sees its frames; ``site`` is every room."""
    name: Text = ""
    serial: Text = ""
    was: Id | None = None


class GasModel(Model):
    """A hydrogen detector: a concentration, or the two contacts of the sensor."""

    h2: Channel | None = None
    contact_1pct: Channel | None = None
    contact_2pct: Channel | None = None
    status: Channel | None = None
    """The detector's own state word; found in the profile when not given."""
    heartbeat: Channel | None = None
    warm_up: Delay = 0
    persist: Duration = 4_000
    """Without a good sample for so long: a fault, and the fan on."""
    serial: Text = ""
    """Of the gas head."""


class FanModel(Model):
    output: Channel
    airflow: Channel | None = None
    override: Channel | None = None
    """Contact of a wired override: while closed, a foreign OFF is not written over."""
    capacity_m3h: Positive | None = None
    run_up: Duration = 5_000
    run_on: Delay = 60 * MINUTE
    not_falling: Duration = 30 * MINUTE
    standby: Flag = False
    safe: Flag | None = None
    """State when nobody demands anything and at the end of a lease; the profile's when not given."""
    wiring: Wiring | None = None


class SwitchModel(Model):
    """charger_inhibit or buzzer."""

    output: Channel
    run_on: Delay = 0
    safe: Flag | None = None
    wiring: Wiring | None = None


class ModeModel(Model):
    """Where a battery's mode comes from, tried in this order; found in the profiles when not given."""

    flags: Channel | None = None
    contact: Channel | None = None
    """Closed = boost."""
    current: Channel | None = None
    voltage: Channel | None = None
    hold: Duration | None = None
    """A new mode counts after so long: by default 10 s from current and volts, two polls (2 s at least) from flags or a
    contact."""
    idle_a: Positive | None = None
    """Below minus this it discharges."""
    boost_v_per_cell: Positive | None = None
    """At or over this, charging, it is boost."""


class StringModel(Model):
    device: Id | None = None
    """The manager whose modules measure the jars."""
    current: Channel | None = None
    voltage: Channel | None = None
    jars: Annotated[str, Field(coerce_numbers_to_str=True)] = ""
    """A number (24), a range of module ids (25-48), or a CSV file."""
    levels: Id | None = None
    """The device whose sensors see the electrolyte, one a jar, by the jars' modules."""
    number: Annotated[Whole, Field(ge=1, le=99)] | None = None
    """The number in its jars' names (2S4 is jar 2 of string 4); the one in its id when not given."""
    was: Id | None = None


class RuleModel(Model):
    """Figures that go over those of a built-in rule, or, with ``point``, a rule of the site's own."""

    enabled: Flag = True
    severity: Literal["warning", "alarm", "critical"] | None = None
    limit: Number | None = None
    deadband: Number | None = None
    on_delay: Delay | None = None
    off_delay: Delay | None = None
    latch: Flag | None = None
    realarm: Delay | None = None
    rises: Annotated[Whole, Field(ge=2, le=100)] | None = None
    """Count in window: so many rises within ``window`` raise at once."""
    window: Duration | None = None
    by_mode: dict[Mode, Number] = {}
    """Other limits while the battery is in these modes."""
    over_ambient: Positive | None = None
    factor_percent: Annotated[Whole, Field(ge=101, le=10_000)] | None = None
    floor: Positive | None = None
    at_least: Count | None = None
    every: Duration | None = None
    """Of a calibration or a proof test: overdue when it was not done for so long."""
    point: Annotated[list[Channel] | None, Words] = None
    high_high: Number | None = None
    high: Number | None = None
    low: Number | None = None
    low_low: Number | None = None
    closed: Flag | None = None
    """For a contact: raise when it is closed (true) or open (false)."""
    rise: Positive | None = None
    """Rate rule: raise when the value rises so much within ``window``."""


class BatteryModel(Model):
    type: BatteryType
    cells_per_jar: Annotated[Whole, Field(ge=1, le=24)]
    capacity_ah: Positive
    mode: ModeModel = ModeModel()
    strings: Annotated[dict[Id, StringModel], Field(min_length=1)]
    ambient: Channel | None = None
    float_v_per_cell: Positive | None = None
    boost_v_per_cell: Positive | None = None
    temperature_c: Number = Decimal(25)
    """The battery's usual temperature: volts per cell of a VRLA battery are compensated for it where neither the jar
    nor the battery has a point that measures it, and until that has a first value."""
    baseline_mohm: Positive | None = None
    """Internal resistance of a new jar, where the CSV has none of its own."""
    recovery: Duration = DAY // 2
    rules: dict[str, RuleModel] = {}
    name: Text = ""
    was: Id | None = None


class RoomModel(Model):
    volume_m3: Positive | None = None
    openings_cm2: Positive | None = None
    """Free area of natural ventilation openings, in and out each."""
    gas: Annotated[list[GasModel], OneOrMany] = []
    fan: Annotated[list[FanModel], OneOrMany] = []
    charger_inhibit: Annotated[list[SwitchModel], OneOrMany] = []
    buzzer: Annotated[list[SwitchModel], OneOrMany] = []
    batteries: dict[Id, BatteryModel] = {}
    rules: dict[str, RuleModel] = {}
    name: Text = ""
    was: Id | None = None


class MatrixModel(Model):
    """One line of the cause-and-effect matrix beside the built-in ones."""

    on: Annotated[list[str], Words, Field(min_length=1)]
    """Rule ids, or detector_fault, boost."""
    output: Channel
    safe: Flag | None = None
    wiring: Wiring | None = None
    run_on: Delay = 0
    at_least: Count | None = None
    """k of n causes, never for the fan."""
    on_delay: Delay = 0
    latch: Flag = False


class PersonModel(Model):
    name: Text = ""
    email: Text = ""
    phone: Text = ""
    language: Literal["en", "de"] | None = None
    """Of messages; the site's when not given."""
    quiet: Annotated[list[HoursText], Words] = []
    """Hours in which nothing below critical is sent, as in "22:00-06:00"; at their end comes one message."""


class MatchModel(Model):
    severity: Literal["warning", "alarm", "critical"] | None = None
    """This or graver."""
    room: Annotated[list[RoomRef], Words] = []
    """``site`` is the box itself; every room and the box when not given."""
    rule: Annotated[list[str], Words] = []


class NotifyModel(Model):
    match: MatchModel = MatchModel()
    to: Annotated[list[Id], Words, Field(min_length=1)]
    by: Annotated[list[str], Words, Field(min_length=1)]
    repeat: Duration | None = None
    """Told again so often until somebody acknowledges; critical alarms at least every 5min in any case."""
    escalate_after: Duration | None = None
    """Unacknowledged for so long it goes to the next people, one after the other."""
    escalate_to: Annotated[list[Id], Words] = []
    """The next people in their order; everybody else under people when not given."""
    when: Id | None = None
    """Only in the hours of this schedule."""


class EmailModel(Model):
    host: str
    port: Annotated[Whole, Field(ge=1, le=65_535)] = 587
    tls: Literal["none", "starttls", "tls"] = "starttls"
    sender: Text = Field(alias="from")
    user: Text = ""
    password_file: str = ""
    ca_file: str = ""


Url = Annotated[str, Field(pattern="^(https?://|$)")]
"""Empty: ``url_file`` holds it."""


class WebhookModel(Model):
    url: Url = ""
    url_file: str = ""
    """Holds the URL alone, for one whose path or query is a secret."""
    secret_file: str = ""
    allow: Annotated[list[str], Words] = []


class ChannelsModel(Model):
    email: EmailModel | None = None
    webhook: WebhookModel | None = None
    sms: dict[str, Any] | None = None
    """Comes with a later version."""


class HeartbeatModel(Model):
    """A sign of life to an outsider, who notices when it stays away."""

    url: Url = ""
    url_file: str = ""
    every: Duration = MINUTE
    allow: Annotated[list[str], Words] = []


class MqttModel(Model):
    url: Annotated[str, Field(pattern=r"^(mqtts?://[^\s/@]+(:[0-9]+)?/?)?$")]
    """mqtt://host:1883 or mqtts://host:8883; credentials stand in ``user`` and ``password_file``."""
    user: Text = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


class LogModel(Model):
    """Limits of the log."""

    frames: Duration = 90 * DAY
    """How long raw frames are kept; alarms, commands and rule sets stay."""
    around_alarm: Duration = 15 * MINUTE
    ballast_mib: Annotated[Whole, Field(ge=1, le=4096)] = 64
    disk_low_mib: Annotated[Whole, Field(ge=1, le=1_048_576)] = 256


class UplinkModel(Model):
    """The way to the fleet."""

    kafka: str
    """host:port of its brokers, several behind commas."""
    mqtt: str = ""
    """mqtt://host:1883 or mqtts://host:8883 of its MQTT broker."""
    identity: str
    """The folder that `ampward enroll` has made for this site."""
    kib_per_s: Annotated[Whole, Field(ge=16, le=1_048_576)] = 4096
    """What may go up a second at most, in KiB; with ``mqtt`` half of it by MQTT, half by Kafka."""


class Sections(Model):
    """What the site file and the files it includes may hold."""

    buses: dict[Id, BusModel] = {}
    devices: dict[Id, DeviceModel] = {}
    rooms: dict[Id, RoomModel] = {}
    rules: dict[str, RuleModel] = {}
    matrix: dict[Id, MatrixModel] = {}
    people: dict[Id, PersonModel] = {}
    notify: list[NotifyModel] = []
    schedules: dict[Id, Annotated[list[HoursText], Words, Field(min_length=1)]] = {}
    """Hours by name, for ``when:`` of a rule for people."""
    heartbeat: HeartbeatModel | None = None
    daily_test: TimeOfDay | None = None
    """Once a day at this time a test message goes to each person by each channel."""
    channels: ChannelsModel = ChannelsModel()
    mqtt: MqttModel | None = None
    http: str = "127.0.0.1:8080"
    simulate: str = ""
    """The devices file that a demo site starts."""
    log: LogModel = LogModel()
    uplink: UplinkModel | None = None
    northbound: dict[str, Any] | None = None
    """Comes with a later version."""


class IncludedFile(Sections):
    """A file named under ``include:``."""

    version: Literal[1] = 1


class SiteFile(Sections):
    """The whole site file."""

    version: Literal[1]
    site: SiteModel
    include: Annotated[list[str], Words, Field(max_length=100)] = []
