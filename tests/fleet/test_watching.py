"""The rule by which a stuck reader is known: second by second."""

import pytest

from shared.log.kafka.records import Place
from shared.log.kafka.watching import Watch

A, B = Place("t", 0), Place("t", 1)


@pytest.mark.parametrize(
    ("looks", "stuck_at"),
    [
        # (second, places, ends, busy)
        ([(5 * n, {A: n}, {A: 100}, False) for n in range(1, 20)], None),
        ([(5 * n, {A: 7}, {A: 7}, False) for n in range(1, 20)], None),
        ([(5 * n, {A: 7}, {A: 9}, False) for n in range(1, 20)], 25),
        ([(5 * n, {A: 7}, {A: 9}, n < 10) for n in range(1, 20)], 65),
        ([(5 * n, {A: n, B: 3}, {A: 99, B: 4}, False) for n in range(1, 20)], 25),
        ([(5 * n, {A: 7}, None, False) for n in range(1, 20)], 20),
        ([(5 * n, {A: 7}, None if n < 3 else {A: 7}, False) for n in range(1, 20)], None),
        ([(5 * n, {}, {}, False) for n in range(1, 20)], None),
        ([(5 * n, {}, None, False) for n in range(1, 20)], 20),
        ([(5 * n, {A: -1}, {A: 0}, False) for n in range(1, 20)], 25),
        ([(5 * n, {A: 7} if n % 3 else {}, {A: 9}, False) for n in range(1, 20)], None),
        ([(5 * n, {A: 7}, {A: 7 if n < 9 else 8}, False) for n in range(1, 20)], 60),
    ],
    ids=[
        "it moves",
        "it stands at the end",
        "there is more and it stands",
        "who works on the records is not watched",
        "one place of two stands",
        "nobody says where the end is",
        "the end is known again",
        "it has no places",
        "nobody knows its places",
        "its beginning is not known",
        "it is shared out anew all the time",
        "something came and is not read",
    ],
)
def test_a_reader_is_stuck_when_there_is_more_and_it_stands(
    looks: list[tuple[float, dict[Place, int], dict[Place, int] | None, bool]], stuck_at: float | None
) -> None:
    """Twenty seconds after its place last moved, or after somebody last knew anything; never before."""
    watch = Watch(0.0, stuck_s=20.0)
    said = [(now, why) for now, places, ends, busy in looks if (why := watch.look(now, places, ends, busy=busy))]
    assert (said[0][0] if said else None) == stuck_at, said
    assert all(why for _, why in said)
