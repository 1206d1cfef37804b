"""How the site signs in to the fleet's MQTT broker: by the certificate in its identity folder, where there is one."""

from pathlib import Path

from shared.devices.plan import MqttPlan, UplinkPlan

CA = "ca.pem"
CLIENT = ("client.pem", "client.key")


def fleet_broker(plan: UplinkPlan) -> MqttPlan:
    """The broker with what is in the folder now; its ``url`` is empty for a site without one."""
    if not plan.mqtt or not plan.identity:
        return MqttPlan("")
    folder = Path(plan.identity)
    ca, cert, key = (str(folder / name) if (folder / name).is_file() else "" for name in (CA, *CLIENT))
    return MqttPlan(plan.mqtt, ca_file=ca, cert_file=cert if key else "", key_file=key if cert else "")
