"""The capacity sheet: the arithmetic of lines, log and disk."""

from pathlib import Path

from shared.devices.plan import BusPlan
from shared.devices.profile import BlockPlan, Table
from shared.runtime.site_file import check_site
from shared.runtime.site_file.capacity import read_us

GOOD = Path(__file__).parent / "good"


def test_a_serial_read_takes_its_characters_its_silence_and_the_turn_round() -> None:
    """10 registers at 9600: 33 characters of 11 bits, twice 3.5 characters of silence, 10 ms."""
    bus = BusPlan("b", "", "/dev/ttyS0", "", 300, baud=9600)
    characters = 8 + 5 + 2 * 10
    exact = characters * 11 / 9600 * 1e6 + 2 * 3.5 * 11 / 9600 * 1e6 + 10_000
    assert abs(read_us(bus, BlockPlan(Table.HOLDING, 0, 10)) - exact) <= 2


def test_a_fast_line_keeps_the_least_silence() -> None:
    """Above 19200 the silent interval is 1.75 ms, whatever the speed."""
    bus = BusPlan("b", "", "/dev/ttyS0", "", 300, baud=115_200)
    assert read_us(bus, BlockPlan(Table.COIL, 0, 8)) == round((8 + 6) * 11 / 115_200 * 1e6) + 3500 + 10_000


def test_the_sheet_counts_frames_log_and_days() -> None:
    """Frames a day follow the periods, days of disk the free space above the low mark."""
    capacity = check_site(GOOD / "base.yaml", {}, free_bytes=100 << 30).capacity
    assert capacity.frames_a_day == 86_400 * 2 + 86_400 * 5 + 43_200
    assert capacity.log_bytes_kept == 90 * capacity.log_bytes_a_day
    assert capacity.days_of_disk == ((100 << 30) - (256 << 20)) // capacity.log_bytes_a_day
    assert capacity.outage_hours // 24 == capacity.days_of_disk


def test_the_sheet_reads_for_people_and_for_machines() -> None:
    """The text names each line with its share of time; the data are plain numbers."""
    capacity = check_site(GOOD / "full.yaml", {}).capacity
    assert "lan" in capacity.text()
    assert capacity.data()["lines"][1]["kind"] == "serial"
    assert capacity.days_of_disk == -1


def test_a_small_disk_is_warned_of() -> None:
    """The retention must fit on the disk."""
    faults = check_site(GOOD / "base.yaml", {}, free_bytes=600 << 20).faults
    assert any(fault.key == "log.frames" and fault.severity == "warning" for fault in faults)


def test_the_sheet_says_what_goes_up(tmp_path: Path) -> None:
    """What frames need of the uplink, what it may take, how long a backlog takes; a slow one is warned of."""
    text = (GOOD / "base.yaml").read_text(encoding="utf-8").replace("../profiles", str(GOOD.parent / "profiles"))
    file = tmp_path / "site.yaml"
    key = 'uplink: {kafka: "k1:9092,k2:9092", identity: ., kib_per_s: %d}\n'
    (tmp_path / "signing.key").write_text("")
    file.write_text(text + key % 16, encoding="utf-8")
    slow = check_site(file, {})
    file.write_text(text.replace("every: 200ms", "every: 100ms").replace("every: 2s", "every: 100ms") + key % 16)
    slower = check_site(file, {})
    assert slow.capacity.uplink_bytes_a_day_max == 16 * 1024 * 86_400
    assert "what a cut of 72 h held back is up" in slow.capacity.text()
    assert 0 < 2 * slow.capacity.uplink_bytes_a_calm_day < slow.capacity.uplink_bytes_a_day
    assert [fault.key for fault in slow.faults] == []
    assert [fault.key for fault in slower.faults if fault.key.startswith("uplink")] == ["uplink.kib_per_s"]


def test_the_sheet_counts_what_goes_by_mqtt(tmp_path: Path) -> None:
    """Half of what may go up is MQTT's: its line, and a warning that says how much is enough."""
    text = (GOOD / "base.yaml").read_text(encoding="utf-8").replace("../profiles", str(GOOD.parent / "profiles"))
    file = tmp_path / "site.yaml"
    key = 'uplink: {kafka: "k1:9092", mqtt: "mqtt://m:1883", identity: ., kib_per_s: %d}\n'
    (tmp_path / "signing.key").write_text("")
    file.write_text(text + key % 16, encoding="utf-8")
    slow = check_site(file, {})
    assert slow.capacity.mqtt_bytes_a_day_max == slow.capacity.uplink_bytes_a_day_max == 8 * 1024 * 86_400
    assert 0 < slow.capacity.mqtt_bytes_a_calm_day < slow.capacity.mqtt_bytes_a_day
    (warned,) = [fault for fault in slow.faults if "by MQTT" in fault.what]
    assert warned.key == "uplink.kib_per_s"
    enough = int(warned.allowed.split()[0])
    file.write_text(text + key % enough, encoding="utf-8")
    fast = check_site(file, {})
    assert [fault.key for fault in fast.faults] == []
    assert "\nuplink by MQTT: " in fast.capacity.text()
    file.write_text(text + (key % 16).replace('mqtt: "mqtt://m:1883", ', ""), encoding="utf-8")
    assert "by MQTT" not in check_site(file, {}).capacity.text()
