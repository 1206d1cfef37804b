"""What is offered before a commit: stepped at once, durable with the group, and who waits for it."""

from pathlib import Path

from services.processor.repeats import place
from services.processor.taker import Offered
from shared.domain.inputs import What
from shared.log.store import MemoryStore
from tests.services.processor.plant import H2_ALARM, bank, command, gas
from tests.services.processor.site import in_memory, kinds, on_disk


def test_an_alarm_and_a_command_are_waited_for_and_a_plain_frame_is_not() -> None:
    """The answer stays yes until the group is committed."""
    site = in_memory()
    site.open()
    assert not site.runner.offer([gas(1, 20)])
    assert site.runner.offer([gas(2, 250)])
    assert site.runner.offer([gas(3, 20)])
    assert "alarm.raised" in kinds(site.runner.commit())
    assert not site.runner.offer([gas(4, 20)])
    assert site.runner.offer([command("c1", What.ACK, H2_ALARM)])
    assert site.runner.commit().refusals == {}
    assert site.runner.offer([command("c1", What.ACK, H2_ALARM)]), "its answer is waited for"
    assert site.runner.commit().repeated == {"c1"}


def test_offered_one_by_one_gives_the_bytes_of_one_commit() -> None:
    """Re-batching changes nothing: the same numbers, inputs and events."""
    both = in_memory(), in_memory()
    for site in both:
        site.open()
    inputs: list[Offered] = [gas(1, 20), bank(1), gas(2, 250), command("c1", What.ACK, H2_ALARM), gas(3, 20)]
    for one in inputs:
        both[0].runner.offer([one])
    told = both[0].runner.commit()
    assert told.events == both[1].runner.commit(inputs).events
    stores = [site.store for site in both]
    rows = [list(store.log.inputs(0)) for store in stores if isinstance(store, MemoryStore)]
    assert rows[0] == rows[1]


def test_what_is_offered_is_in_no_log_before_the_commit(tmp_path: Path) -> None:
    """A kill between the two leaves nothing of it, so nothing may act on it."""
    site = on_disk(tmp_path)
    site.open()
    before = site.runner.head.site_seq
    site.runner.offer([gas(1, 250)])
    site.restart()
    assert site.runner.head.site_seq == before + 1, "the second start only"


def test_what_is_offered_goes_before_a_snapshot_and_a_tick() -> None:
    """A snapshot is the state before its own group; nothing offered may be in it and after it too."""
    site = in_memory()
    site.open()
    site.runner.offer([gas(1, 20)])
    site.runner.snapshot()
    site.runner.offer([gas(2, 250)])
    told = site.tick()
    assert told is not None and "alarm.raised" in kinds(told)
    site.restart()
    assert not site.runner.offer([gas(3, 250)]), "the alarm is known: snapshot and tail are the same state"


def test_an_id_with_another_content_is_refused_over_a_restart_too() -> None:
    """The log keeps what was asked for beside the answer."""
    site = in_memory()
    site.open()
    site.commit(gas(1, 250))
    ack = command("c1", What.ACK, H2_ALARM)
    site.commit(ack)
    for _ in range(2):
        made = site.commit(ack._replace(reason="another reason"))
        assert (set(made.reused), set(made.repeated), made.last_seq) == ({"c1"}, set(), 0)
        assert site.commit(ack).repeated == {"c1"}
        site.restart()


def test_an_answer_of_an_older_program_is_kept() -> None:
    """It has no content beside it: the id is taken for what it was."""
    site = in_memory()
    site.open()
    site.runner.commit([], {place("c1"): b""})
    assert site.commit(command("c1", What.ACK, H2_ALARM)).repeated == {"c1"}


def test_each_room_decides_upon_what_names_the_site() -> None:
    """One alarm is open in one room: the ack of the site is accepted, and the other room's refusal is told beside."""
    site = in_memory()
    site.open()
    site.commit(gas(1, 250))
    site.commit(command("c0", What.ACK, "s/r1/gas1-h2/h2_prealarm"))
    ack = command("c1", What.ACK, "s")
    first = site.commit(ack)
    answer = first.answers["c1"]
    assert answer.accepted
    assert [event.room for event in answer.refusals] == ["_site"]
    assert first.refusals == {}
    site.restart()
    assert site.commit(ack).answers == first.answers


def test_what_every_room_refuses_is_refused_with_the_reason_that_says_most() -> None:
    """Nothing can be reset in the room, the box has no alarm at all: the room's reason is the answer."""
    site = in_memory()
    site.open()
    site.commit(gas(1, 250))
    made = site.commit(command("c1", What.RESET, "s/r1/gas1-h2/h2_alarm"), command("c2", What.RESET, "s"))
    assert not made.answers["c2"].accepted
    assert len(made.answers["c2"].refusals) == 2
    assert made.refusals["c2"].room == "r1"
