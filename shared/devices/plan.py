"""The whole site as compiled from its site file: what decides (DecisionPlan) and what only connects (SitePlan)."""

from dataclasses import dataclass, field

from shared.devices.profile import DevicePlan
from shared.domain.notify_plan import NotifyPlan
from shared.domain.plan import RoomPlan


@dataclass(frozen=True, slots=True)
class DecisionPlan:
    """All that decisions depend on. Its canonical bytes are the rule-set body, their hash the decision version."""

    core_version: int
    site: str
    devices: tuple[DevicePlan, ...]
    rooms: tuple[RoomPlan, ...]
    """The pseudo-room ``_site`` is the last one."""


@dataclass(frozen=True, slots=True)
class BusPlan:
    """One line or connection. Exactly one of tcp, serial, simulated is not empty."""

    id: str
    tcp: str
    """host:port"""
    serial: str
    """Device path."""
    simulated: str
    """Name of an in-process simulated bus (demo sites and tests only)."""
    timeout_ms: int
    baud: int = 19200
    parity: str = "E"
    stop_bits: int = 1


@dataclass(frozen=True, slots=True)
class MqttPlan:
    url: str
    """mqtt:// or mqtts://, may be empty: no broker."""
    user: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


@dataclass(frozen=True, slots=True)
class UplinkPlan:
    """The way to the fleet; ``kafka`` is empty for a site without one."""

    kafka: str = ""
    """host:port of the brokers, several behind commas."""
    mqtt: str = ""
    """mqtt:// or mqtts://, may be empty: no broker."""
    identity: str = ""
    """Folder of the site's keys."""
    kib_per_s: int = 4096
    """What may go up a second at most, by Kafka and by MQTT together."""

    @property
    def mqtt_bytes_per_s(self) -> int:
        """Half of it for a site that publishes to the fleet's MQTT broker: two processes send, and neither asks the
        other."""
        return self.kib_per_s << 9 if self.mqtt else 0

    @property
    def kafka_bytes_per_s(self) -> int:
        """The rest."""
        return (self.kib_per_s << 10) - self.mqtt_bytes_per_s


@dataclass(frozen=True, slots=True)
class LogLimits:
    frames_days: int = 90
    ballast_mib: int = 64
    keep_around_alarm_ms: int = 900_000
    disk_low_mib: int = 256


@dataclass(frozen=True, slots=True)
class SitePlan:
    """Everything that `ampward run` needs from the site file."""

    name: str
    time_zone: str
    language: str
    demo: bool
    decision: DecisionPlan
    buses: tuple[BusPlan, ...]
    mqtt: MqttPlan
    http: str
    simulate: str
    """Path of the devices file that the demo starts, or empty."""
    log: LogLimits = field(default_factory=LogLimits)
    notify: NotifyPlan = field(default_factory=NotifyPlan)
    """Who is told what. guard never gets it: its plan does not change with people."""
    uplink: UplinkPlan = field(default_factory=UplinkPlan)
    """Nor does guard get this."""

    @property
    def is_hosted(self) -> bool:
        """Its devices are on no line: they hand their frames in by MQTT."""
        return bool(self.decision.devices) and not self.buses
