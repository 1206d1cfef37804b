"""Seats in processes of their own say what seats in this one say, and a process that dies is noticed."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from services.processor.hands import HandLost, Hands, OwnSeats, SeatsPort
from services.processor.seats import KEY, RULES, Given, Kind, Outcome
from shared.wire.blocks import encode_block
from shared.wire.calls import LENGTH
from shared.wire.signing import SigningKey
from tests.services.processor.recorded import blocks_of, bodies, recorded

SIGNER = SigningKey(bytes(range(32)))
SITES = [f"site{n}" for n in range(5)]


def _given() -> list[Given]:
    """The blocks of all sites, in turns."""
    made = [[encode_block(block, SIGNER) for block in blocks_of(recorded(0), site=site, seed=1)] for site in SITES]
    rounds = list(zip(*made, strict=True))
    return [Given(site, n, data) for n, row in enumerate(rounds) for site, data in zip(SITES, row, strict=True)]


async def _lived(seats: SeatsPort) -> tuple[list[Outcome], list[bytes]]:
    given = _given()
    [parked] = await seats.take(given[:1])
    assert parked.kind is Kind.PARKED
    assert parked.needs == KEY + SIGNER.id
    for site in SITES:
        await seats.learn(KEY + SIGNER.id, site, SIGNER.public.raw)
        for version, body in bodies(recorded(0)).items():
            await seats.learn(RULES + version, site, body)
    outcomes = await seats.take(given[:200])
    assert {outcome.kind for outcome in outcomes} == {Kind.BATCH}
    states = await seats.states([(site, 7, "") for site in SITES], 3)
    for site, state in zip(SITES, states, strict=True):
        assert await seats.restore(site, state) == ""
    await seats.drop(SITES[0])
    outcomes += await seats.take([*given[200:], Given(SITES[1], 999, b"poison")])
    assert outcomes[-1].kind is Kind.DEAD
    assert Kind.HOLE in {outcome.kind for outcome in outcomes[200:]}
    return outcomes, await seats.states([(site, 8, "") for site in SITES], 4)


async def test_seats_elsewhere_say_the_same() -> None:
    """Outcomes and states are equal byte for byte, whichever process folds, also from restored states on."""
    hands = await Hands.start(2)
    try:
        assert await _lived(hands) == await _lived(OwnSeats())
    finally:
        await hands.close()


async def test_a_process_that_dies_is_an_error() -> None:
    """Nothing is made up for what it would have said."""
    hands = await Hands.start(1)
    os.kill(hands._hands[0]._process.pid, signal.SIGKILL)
    with pytest.raises(HandLost, match="has ended"):
        await hands.take([Given("site0", 0, b"")])
    await hands.close()


def test_a_process_that_folds_logs_as_the_worker_does() -> None:
    """What ends it unexpectedly is one line of JSON that names the service, like all others of it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-m", "services.processor.hand", str(theirs.fileno())]
        ours.sendall(LENGTH.pack(4) + b"junk")
        done = subprocess.run(command, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE, timeout=120, check=False)
    assert done.returncode == 1
    (line,) = map(json.loads, done.stderr.splitlines())
    assert (line["service"], line["event"], line["level"]) == ("processor", "uncaught", "critical")


async def test_a_process_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is stuck does not hold up the worker's end."""
    monkeypatch.setattr("services.processor.hands.END_S", 0.2)
    hands = await Hands.start(1)
    process = hands._hands[0]._process
    os.kill(process.pid, signal.SIGSTOP)
    closing = asyncio.create_task(hands.close())
    try:
        done, _ = await asyncio.wait([closing], timeout=30)
        assert done == {closing}
        assert process.returncode == -signal.SIGKILL
    finally:
        process.kill()
        await closing
