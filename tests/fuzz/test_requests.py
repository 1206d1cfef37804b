"""Fuzz targets of what people and programs ask by HTTP: commands, actors, cursors, durations."""

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.command_body import read_actor, read_command
from services.gateway.cursors import decode_cursor, encode_cursor
from services.gateway.problems import Problem
from shared.domain.ids import LogId
from shared.log.port import Cursor
from shared.runtime.durations import LARGEST_MS, format_duration, parse_duration
from tests.fuzz.harness import bad, held

_COMMANDS = (
    b'{"id": "c1", "what": "ack", "subject": "demo/r1/gas1-h2/h2_alarm", "severity_seen": "critical"}',
    b'{"id": "c2", "what": "shelve", "subject": "demo/r1/gas1-h2/h2_prealarm", "reason": "works", "for": "30min"}',
    b'{"id": "c3", "what": "out_of_service", "subject": "demo/r1", "second_person": "ben", "measure": "a watch",'
    b' "for": "8h", "reason": "proof test", "occurrence": "0123456789abcdef0123456789abcdef"}',
)
_CURSORS = tuple(encode_cursor(Cursor(LogId("a1b2"), seq, 3)).encode() for seq in (0, 1, 2**40))


@given(bad(_COMMANDS))
def test_a_command_is_read_or_is_a_problem_that_names_its_fields(body: bytes) -> None:
    """Whatever the body: a command, or a 400 or 422 problem."""
    try:
        command = held(partial(read_command, body, "cli:anna"))
    except Problem as problem:
        assert problem.status in (400, 422)
        assert problem.errors or problem.status == 400
    else:
        assert command is not None
        assert len(command.reason) <= 500
        assert 0 <= command.for_ms <= LARGEST_MS


def test_the_good_commands_are_good() -> None:
    """Samples that are refused would fuzz nothing."""
    assert [read_command(body, "cli:anna").what for body in _COMMANDS] == ["ack", "shelve", "out_of_service"]


@given(st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace").decode("latin-1")))
def test_an_actor_is_read_or_is_a_problem(header: str) -> None:
    """Whatever the header: an actor of printable characters, or a problem."""
    try:
        actor = held(partial(read_actor, header))
    except Problem as problem:
        assert problem.status == 422
    else:
        assert actor is not None
        assert "\n" not in actor


@given(bad(_CURSORS))
def test_a_cursor_is_read_or_refused(data: bytes) -> None:
    """Whatever the text: the cursor that was given out, or none."""
    text = data.decode("latin-1")
    cursor = held(partial(decode_cursor, text))
    assert cursor is None or encode_cursor(cursor) == text.rstrip("=")


@given(st.one_of(st.text(max_size=40), st.from_regex(r"[0-9]{1,13}(\.[0-9]{1,7})? ?(ms|s|min|h|d)", fullmatch=True)))
def test_a_duration_is_read_or_refused(text: str) -> None:
    """Whatever the text: milliseconds that read back the same, or none."""
    ms = held(partial(parse_duration, text))
    assert ms is None or (0 <= ms <= LARGEST_MS and parse_duration(format_duration(ms)) == ms)
