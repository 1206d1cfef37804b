"""The guard process on a real Modbus TCP plant: with a site process, and without anybody."""

import signal
import sys
from pathlib import Path

from shared.devices.profile import Table
from shared.domain.inputs import ReportKind
from shared.wire.guardlink import Ack, Explain, Explained, Outputs, PlanSent, Refused, Stop
from tests.services.actuator.plans import BUZZER, CHARGER, FAN, relay_module, room, site
from tests.services.guard.conftest import StartGuard, StartPeer, until_coil
from tests.services.guard.peer import Peer
from tests.services.guard.plant import Plant
from tests.testkit.process import Running, wait_for

ALL_OFF: dict[str, bool] = {FAN: False, CHARGER: False, BUZZER: False}
FAN_COIL, CHARGER_COIL, BUZZER_COIL, STANDBY_COIL = range(4)


def explained(peer: Peer) -> None:
    """The site says: everything that was found on had been demanded."""
    peer.say(Explain(60_000, tuple(Explained(name, demanded=True, gas_at_limit=False) for name in ALL_OFF)))


def quiet(plant: Plant, peer: Peer) -> None:
    """Bring the plant to rest: a live lease, fan and buzzer off."""
    explained(peer)
    peer.hold(dict(ALL_OFF))
    until_coil(plant, FAN_COIL, on=False)
    until_coil(plant, BUZZER_COIL, on=False)


def test_gas_switches_the_fan_on_and_a_lease_off(plant: Plant, start_guard: StartGuard, start_peer: StartPeer) -> None:
    """The whole chain: register, trip, coil, Reports; with the site's lease the fan goes off when the gas has gone."""
    start_guard(site(plant.address))
    peer = start_peer()
    quiet(plant, peer)
    plant.gas = 12
    until_coil(plant, FAN_COIL, on=True)
    peer.report(ReportKind.LOCAL_TRIP, FAN, saying="gas_1")
    written = len(peer.told(ReportKind.WRITE, FAN, on=False))
    plant.gas = 3
    until_coil(plant, FAN_COIL, on=False)
    peer.report(ReportKind.WRITE, FAN, on=False, after=written)
    assert plant.written(CHARGER_COIL) == []


def test_it_trips_with_nobody_else_alive(plant: Plant, start_guard: StartGuard) -> None:
    """No site process, no parent, no log: gas at 2 % stops the boost charge and the fan runs."""
    start_guard(site(plant.address))
    wait_for(lambda: plant.requests > 20, within_s=60)
    assert plant.coil(FAN_COIL), "its safe value"
    plant.gas = 21
    until_coil(plant, CHARGER_COIL, on=True)
    assert plant.coil(FAN_COIL)


def test_the_fan_goes_on_when_the_site_process_dies(
    plant: Plant, start_guard: StartGuard, start_peer: StartPeer
) -> None:
    """Five seconds after its last lease: the safe value. Buzzer and charger inhibit stay as they were."""
    start_guard(site(plant.address))
    peer = start_peer()
    quiet(plant, peer)
    peer.close()
    until_coil(plant, FAN_COIL, on=True)
    assert plant.coil(BUZZER_COIL) is False
    assert plant.coil(CHARGER_COIL) is False
    start_peer().report(ReportKind.LEASE_EXPIRED, "demo/_site/guard")


def test_a_zombie_site_process_switches_nothing(plant: Plant, start_guard: StartGuard, start_peer: StartPeer) -> None:
    """A lower number and a lease that waited too long are refused, and an older connection is closed."""
    start_guard(site(plant.address))
    first = start_peer()
    quiet(plant, first)
    second = start_peer()
    wait_for(lambda: first.is_over, within_s=60, name="the older site's end")
    second.lease(ALL_OFF, number=1)
    assert second.first(Refused).reason == "not-above"
    second.lease({**ALL_OFF, CHARGER: True}, number=10_000, sent_ms=1)
    assert second.first(Refused, lambda refused: refused.reason == "late").number == 10_000
    assert plant.written(CHARGER_COIL) == []


def test_a_stopped_guard_falls_silent_and_the_modules_watchdog_acts(
    plant: Plant, start_guard: StartGuard, start_peer: StartPeer
) -> None:
    """SIGSTOP: the fan runs within the module's time. CONT: what was in hand before is not sent; with the site's lease
    back the fan goes off, and nobody is accused of a foreign write."""
    guard = start_guard(site(plant.address))
    peer = start_peer()
    quiet(plant, peer)
    guard.signal(signal.SIGSTOP)
    until_coil(plant, FAN_COIL, on=True, within_s=60)
    wait_for(lambda: plant.coil(BUZZER_COIL), within_s=60)
    guard.signal(signal.SIGCONT)
    until_coil(plant, FAN_COIL, on=False)
    until_coil(plant, BUZZER_COIL, on=False)
    assert peer.told(ReportKind.RELAY_FOREIGN_WRITE, FAN) == []


def test_a_killed_guard_leaves_the_fan_on(plant: Plant, start_guard: StartGuard, start_peer: StartPeer) -> None:
    """kill -9: the module's watchdog switches the fan on; the next guard joins in and reads before it writes."""
    guard = start_guard(site(plant.address))
    peer = start_peer()
    quiet(plant, peer)
    guard.kill()
    until_coil(plant, FAN_COIL, on=True, within_s=60)
    before = len(plant.writes)
    start_guard(None)
    again = start_peer()
    again.report(ReportKind.COILS_AT_START, FAN)
    assert again.hello.boot != peer.hello.boot
    quiet(plant, again)
    assert all(value is False for _, _, value in plant.writes[before:])


def test_a_coil_found_on_after_a_short_absence_is_unexplained(
    plant: Plant, start_guard: StartGuard, start_peer: StartPeer
) -> None:
    """A trip and a crash before the log knew of it: the report, and the fan holds its run-on."""
    start_guard(site(plant.address, room(run_on_ms=600_000)))
    peer = start_peer()
    assert FAN in peer.first(Outputs).items[0].id
    wait_for(lambda: peer.told(ReportKind.COILS_AT_START, FAN), within_s=60)
    peer.say(Explain(150, ()))
    peer.hold(dict(ALL_OFF))
    report = peer.report(ReportKind.TRIP_UNEXPLAINED, FAN)
    assert report.pulse
    peer.output(FAN, lambda item: "unexplained" in item.by)
    assert plant.coil(FAN_COIL)


def test_a_second_guard_on_the_same_folder_or_outputs_is_refused(
    plant: Plant, start_guard: StartGuard, start_peer: StartPeer, tmp_path: Path
) -> None:
    """Exit code 3, one line that names who has it; the first one goes on."""
    first = start_guard(site(plant.address))
    start_peer("parent")
    second = start_guard(None)
    assert second.wait() == 3
    assert f"pid {first.pid}" in second.output
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    third = start_guard(site(plant.address), elsewhere)
    assert third.wait() == 3
    assert third.output == f"guard: 127.0.0.1:{plant.port}-2: the outputs are held by pid {first.pid}"
    assert start_peer("parent").hello.pid == first.pid


def test_a_foreign_off_is_written_over_and_a_foreign_on_stays(
    plant: Plant, start_guard: StartGuard, start_peer: StartPeer
) -> None:
    """Another master on the relay module: its ON is left, its OFF against a demand is not."""
    start_guard(site(plant.address))
    peer = start_peer()
    quiet(plant, peer)
    plant.switch(CHARGER_COIL, on=True)
    assert peer.report(ReportKind.RELAY_FOREIGN_WRITE, CHARGER).detail == "on"
    read_on = len(peer.told(ReportKind.READ_BACK, FAN))
    plant.gas = 12
    peer.report(ReportKind.READ_BACK, FAN, after=read_on)
    plant.switch(FAN_COIL, on=False)
    assert "off against a demand" in peer.report(ReportKind.RELAY_FOREIGN_WRITE, FAN).detail
    until_coil(plant, FAN_COIL, on=True)
    assert plant.coil(CHARGER_COIL)
    assert plant.written(CHARGER_COIL) == []


def test_a_master_that_insists_is_contested(plant: Plant, start_guard: StartGuard, start_peer: StartPeer) -> None:
    """Switched off again and again, each time when guard has read it on: three writes, then the alarm's Report."""
    start_guard(site(plant.address))
    peer = start_peer()
    quiet(plant, peer)
    plant.gas = 12

    def insist() -> bool:
        if plant.coil(FAN_COIL) and peer.last(ReportKind.READ_BACK, FAN).on:
            plant.switch(FAN_COIL, on=False)
        return bool(peer.told(ReportKind.OUTPUT_CONTESTED, FAN))

    wait_for(insist, within_s=60, every_s=0.3, name="contested")
    assert plant.written(FAN_COIL)[-4:].count(True) in (3, 4)


def test_a_coil_that_does_not_take_is_reported(plant: Plant, start_guard: StartGuard, start_peer: StartPeer) -> None:
    """The module echoes and does nothing."""
    start_guard(site(plant.address))
    peer = start_peer()
    quiet(plant, peer)
    plant.stuck.add(FAN_COIL)
    before = len(peer.told(ReportKind.OUTPUT_MISMATCH, FAN))
    plant.gas = 12
    peer.report(ReportKind.OUTPUT_MISMATCH, FAN, after=before)
    over = len(peer.told(ReportKind.OUTPUT_MISMATCH, FAN, on=False))
    plant.stuck.clear()
    until_coil(plant, FAN_COIL, on=True)
    peer.report(ReportKind.OUTPUT_MISMATCH, FAN, on=False, after=over)


def test_a_module_whose_coils_cannot_be_read_is_switched_all_the_same(plant: Plant, start_guard: StartGuard) -> None:
    """It answers reads of its coils with an exception: the trip writes anyway."""
    plant.refused.add(Table.COIL)
    plant.stored[FAN_COIL] = False
    plant.watchdog_ms = 0
    start_guard(site(plant.address, relay=relay_module(watchdog_ms=0)))
    until_coil(plant, FAN_COIL, on=True)
    assert plant.written(FAN_COIL) == [True]


def test_an_energise_to_stop_contactor_is_switched_by_its_own_sense(
    plant: Plant, start_guard: StartGuard, start_peer: StartPeer
) -> None:
    """The coil's 0 is the fan's on."""
    plant.watchdog_ms = 0
    plant.stored[FAN_COIL] = False
    start_guard(site(plant.address, relay=relay_module(watchdog_ms=0, fan_on=0)))
    peer = start_peer()
    explained(peer)
    peer.hold(dict(ALL_OFF))
    until_coil(plant, FAN_COIL, on=True)
    plant.gas = 12
    until_coil(plant, FAN_COIL, on=False)
    peer.output(FAN, lambda item: item.wanted and item.coil == "on" and item.supervision == "not supervised")
    assert plant.written(FAN_COIL) == [True, False], "stopped by 1, started by 0"


def test_a_wrong_watchdog_is_reported(plant: Plant, start_guard: StartGuard, start_peer: StartPeer) -> None:
    """Its time is read back at start; what is not as planned is told, and told again when it is put right."""
    plant.registers[100] = 0
    start_guard(site(plant.address))
    peer = start_peer()
    report = peer.report(ReportKind.WATCHDOG_OFF, "demo/r1/io1")
    assert "holds 0, planned is 10" in report.detail
    peer.output(FAN, lambda item: item.supervision == "watchdog off")
    plant.registers.clear()
    peer.report(ReportKind.WATCHDOG_OFF, "demo/r1/io1", on=False, within_s=60)


def test_the_standby_fan_takes_over_with_the_site_process_dead(
    plant: Plant, start_guard: StartGuard, start_peer: StartPeer
) -> None:
    """The first fan moves no air: its standby runs within the run-up."""
    plant.no_air.add(FAN_COIL)
    start_guard(site(plant.address, room(airflow=True, standby=True)))
    until_coil(plant, STANDBY_COIL, on=True)
    start_peer().output(FAN, lambda item: item.proof in ("proven", "failed"))
    assert plant.coil(FAN_COIL), "both run: nothing is taken away"


def test_a_site_process_that_comes_back_gets_everything_once(
    plant: Plant, start_guard: StartGuard, start_peer: StartPeer
) -> None:
    """Frames and Reports of the time without it, in order, from the place it names; acked ones never again."""
    start_guard(site(plant.address))
    first = start_peer()
    wait_for(lambda: len(first.frames) > 10, within_s=60)
    acked = first.last_n
    first.say(Ack(acked))
    first.close()
    seen_n = max(n for n, _ in (*first.frames, *first.reports))
    wait_for(lambda: plant.requests > 40, within_s=60)
    second = start_peer(after=seen_n)
    wait_for(lambda: second.last_n > seen_n + 20, within_s=60)
    numbers = sorted(n for n, _ in (*second.frames, *second.reports))
    assert numbers == list(range(seen_n + 1, seen_n + 1 + len(numbers)))
    by_device: dict[str, list[int]] = {}
    for _, frame in (*first.frames, *second.frames):
        by_device.setdefault(frame.device, []).append(frame.device_seq)
    assert set(by_device) == {"gas1", "io1"}
    for seqs in by_device.values():
        assert seqs == list(range(1, len(seqs) + 1))


def test_a_clean_stop_writes_safe_values(plant: Plant, start_guard: StartGuard, start_peer: StartPeer) -> None:
    """By word of the parent: fan and buzzer on, charger free, exit 0, no socket left."""
    guard = start_guard(site(plant.address))
    peer = start_peer()
    quiet(plant, peer)
    start_peer("parent").say(Stop())
    assert guard.wait() == 0
    assert (plant.stored[FAN_COIL], plant.stored[BUZZER_COIL], plant.stored[CHARGER_COIL]) == (True, True, False)
    assert plant.written(FAN_COIL)[-1] is True


def test_terminate_is_a_clean_stop_too(plant: Plant, start_guard: StartGuard, start_peer: StartPeer) -> None:
    """TERM: safe values, exit 0."""
    guard = start_guard(site(plant.address))
    quiet(plant, start_peer())
    guard.signal(signal.SIGTERM)
    assert guard.wait() == 0
    assert plant.written(FAN_COIL)[-1] is True


def test_a_new_plan_counts_when_it_is_committed(plant: Plant, start_guard: StartGuard, start_peer: StartPeer) -> None:
    """Until then the lower of both limits trips; a bad plan is refused and changes nothing."""
    start_guard(site(plant.address))
    peer = start_peer()
    quiet(plant, peer)
    higher = site(plant.address, room(limit_1=15_000))
    name = peer.change(higher, commit=False)
    plant.gas = 12
    until_coil(plant, FAN_COIL, on=True)
    plant.gas = 3
    until_coil(plant, FAN_COIL, on=False)
    writes = len(plant.writes)
    peer.change(higher)
    peer.first(Outputs, lambda said: said.plan == name)
    plant.gas = 12
    seen = plant.requests
    wait_for(lambda: plant.requests > seen + 20, within_s=60)
    assert plant.coil(FAN_COIL) is False
    assert len(plant.writes) == writes, "the change itself wrote nothing"
    plant.gas = 16
    until_coil(plant, FAN_COIL, on=True)
    peer.say(PlanSent("0" * 64), b"{}")
    peer.first(Refused, lambda said: "the plan's hash is" in said.reason)


def test_a_dead_relay_module_is_named_and_does_not_hold_up_readiness(
    plant: Plant, start_guard: StartGuard, start_peer: StartPeer
) -> None:
    """It was asked and is declared unreachable; when it answers again its coils are read before anything is written."""
    plant.silent.add(2)
    plant.stored[CHARGER_COIL] = True
    plant.watchdog_ms = 60_000
    plant.registers[100] = 10
    start_guard(site(plant.address))
    peer = start_peer()
    said = peer.first(Outputs, lambda outputs: outputs.ready)
    assert said.not_ready == ()
    assert "io1: timeout" in peer.first(Outputs, lambda outputs: bool(outputs.unreachable)).unreachable[0]
    assert plant.writes == []
    plant.silent.clear()
    peer.report(ReportKind.COILS_AT_START, CHARGER)
    explained(peer)
    peer.hold(dict(ALL_OFF))
    until_coil(plant, CHARGER_COIL, on=False)
    assert peer.told(ReportKind.RELAY_FOREIGN_WRITE, CHARGER) == []


def test_words_out_of_turn_are_refused(plant: Plant, start_guard: StartGuard, start_peer: StartPeer) -> None:
    """A parent cannot lease, a stranger nothing; bytes that are no protocol end the connection and nothing else."""
    start_guard(site(plant.address))
    parent = start_peer("parent")
    parent.lease(ALL_OFF)
    assert "not the parent" in parent.first(Refused).reason
    stranger = start_peer(join=False)
    stranger.say(Stop())
    assert stranger.first(Refused).reason == "say join first"
    stranger.raw(b"\xff" * 64)
    wait_for(lambda: stranger.is_over, within_s=60)
    seen = plant.requests
    wait_for(lambda: plant.requests > seen + 5, within_s=60)


def test_it_reads_no_file_after_its_start(plant: Plant, start_guard: StartGuard, start_peer: StartPeer) -> None:
    """The descriptors of a running guard: sockets, pipes, its lock; no file of the disk is open, and none is read again
    when plan and record are gone."""
    guard = start_guard(site(plant.address))
    peer = start_peer()
    quiet(plant, peer)
    names = [entry.readlink() for entry in Path(f"/proc/{guard.pid}/fd").iterdir()]
    files = [name for name in names if name.is_absolute() and name.parts[1] not in ("dev", "proc")]
    assert [name.name for name in files] == ["guard.lock"]


def test_it_imports_nothing_that_is_not_needed_to_protect() -> None:
    """No database, server or broker library, no numpy: they would cost start time and memory."""
    code = (
        "import sys, services.guard.process;"
        "print(sorted({'numpy','sqlite3','structlog','rich','fastapi','uvicorn','paho','pydantic','ruamel','httpx',"
        "'orjson','aiokafka','faust'} & {name.partition('.')[0] for name in sys.modules}))"
    )
    with Running([sys.executable, "-c", code]) as run:
        assert run.wait() == 0
        assert run.output == "[]"
