"""What may go up a second, from the site's plan to both lanes."""

from pathlib import Path

from services.uplink.process import Process
from shared.devices.plan import UplinkPlan
from shared.runtime.bell import Bell
from shared.runtime.lifecycle import Signals
from tests.services.uplink.test_files import identity


def test_blocks_and_live_records_share_what_the_site_file_allows(tmp_path: Path) -> None:
    """One bucket of so many KiB a second for both."""
    folder = tmp_path / "identity"
    folder.mkdir()
    plan = UplinkPlan(kafka="k:1", identity=str(identity(folder)), kib_per_s=64)
    serving, _ = Process(tmp_path, Signals())._serving("s", plan, Bell(tmp_path))
    assert serving._lane._budget is serving._live._budget
    assert serving._lane._budget.bytes_per_s == 64 * 1024


def test_what_goes_by_mqtt_is_taken_from_what_goes_by_kafka() -> None:
    """Both together are what the site file allows."""
    plan = UplinkPlan(kafka="k:1", mqtt="mqtt://m:1", kib_per_s=17)
    assert plan.mqtt_bytes_per_s == plan.kafka_bytes_per_s == 17 * 512
