"""Where the seats of sites are, as the worker sees them: in its own process, or shared out over processes of their own.

One Python process folds on one core. With ``Hands.start(2)`` a worker folds on two, each site in one process for its
whole stay; what crosses the sockets is what seats take and give: bytes.

Promises: outcomes come in the order of what was given. Raises HandLost when a process has ended: then the worker must
end too, and another goes on from the states. One that does not end by itself within END_S is killed: nothing is kept in
it that the states do not have.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

from services.processor.seats import Given, Outcome, Seats
from shared.domain.errors import AmpwardError
from shared.wire.calls import LENGTH, Call, Drop, Learn, Restore, States, Take, answer_decoder, encode_call

HELD_BYTES: Final = 16 << 20
"""An answer to some blocks is read in one go: with asyncio's 64 KiB it would come in hundreds of starts and stops."""

END_S: Final = 10.0

MEMORY: Final = {"MALLOC_TRIM_THRESHOLD_": str(64 << 20), "MALLOC_MMAP_THRESHOLD_": str(32 << 20)}
"""glibc's: a block takes some 10 MiB while it is folded, which the kernel else takes back and gives anew each time, by
pages: a fifth of the work. To another C library they are just words."""


class HandLost(AmpwardError):
    """A process that folds has ended."""


class SeatsPort(Protocol):
    """services.processor.seats.Seats, wherever they are."""

    async def learn(self, needs: str, site: str, value: bytes) -> None: ...

    async def restore(self, site: str, data: bytes) -> str: ...

    async def drop(self, site: str) -> None: ...

    async def take(self, given: Sequence[Given]) -> list[Outcome]: ...

    async def states(self, wanted: Sequence[tuple[str, int, str]], generation: int) -> list[bytes]: ...

    async def close(self) -> None: ...


class OwnSeats:
    """In this process. Gives the loop a turn between two records: a heartbeat must not wait for a whole batch."""

    def __init__(self) -> None:
        self._seats = Seats()

    async def learn(self, needs: str, site: str, value: bytes) -> None:
        self._seats.learn(needs, site, value)

    async def restore(self, site: str, data: bytes) -> str:
        return self._seats.restore(site, data)

    async def drop(self, site: str) -> None:
        self._seats.drop(site)

    async def take(self, given: Sequence[Given]) -> list[Outcome]:
        outcomes = []
        for one in self._seats.take(given):
            outcomes.append(one)
            await asyncio.sleep(0)
        return outcomes

    async def states(self, wanted: Sequence[tuple[str, int, str]], generation: int) -> list[bytes]:
        return self._seats.states(wanted, generation)

    async def close(self) -> None:
        """Nothing to end."""


_nothing = answer_decoder(None)
_text = answer_decoder(str)
_outcomes = answer_decoder(list[Outcome])
_states = answer_decoder(list[bytes])


class _Hand:
    """One process; it answers calls in their order, the next ones wait in its socket."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._asking = asyncio.Lock()
        self._hearing = asyncio.Lock()
        """Both are given in the order in which they were asked for."""
        self.sites: set[str] = set()

    async def connect(self, line: socket.socket) -> None:
        self._reader, self._writer = await asyncio.open_connection(sock=line, limit=HELD_BYTES)

    async def ask(self, call: Call, decoder: Any) -> Any:
        """Asks and waits. Who is cancelled meanwhile leaves no half answer behind: it is read all the same."""
        return await asyncio.shield(asyncio.create_task(self._ask(call, decoder)))

    async def _ask(self, call: Call, decoder: Any) -> Any:
        try:
            async with self._asking:
                self._writer.write(encode_call(call))
                await self._writer.drain()
            async with self._hearing:
                (size,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
                return decoder.decode(await self._reader.readexactly(size))
        except (OSError, EOFError) as fault:
            raise HandLost(f"process {self._process.pid} that folds has ended") from fault

    async def close(self) -> None:
        self._writer.close()
        try:
            await asyncio.to_thread(self._process.wait, END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)


class Hands:
    """Seats in processes of their own; see the module."""

    def __init__(self, hands: Sequence[_Hand]) -> None:
        self._hands = hands
        self._of_site: dict[str, _Hand] = {}

    @classmethod
    async def start(cls, count: int) -> "Hands":
        """So many processes, connected. They end with this one."""
        hands = []
        for _ in range(count):
            ours, theirs = socket.socketpair()
            with theirs:
                command = [sys.executable, "-m", "services.processor.hand", str(theirs.fileno())]
                environment = {**os.environ, **MEMORY}
                hand = _Hand(subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment))
            ours.settimeout(0)
            await hand.connect(ours)
            hands.append(hand)
        return cls(hands)

    def _of(self, site: str) -> _Hand:
        """The same one until the site is dropped: one that had the fewest."""
        hand = self._of_site.get(site)
        if hand is None:
            hand = self._of_site[site] = min(self._hands, key=lambda each: len(each.sites))
            hand.sites.add(site)
        return hand

    async def learn(self, needs: str, site: str, value: bytes) -> None:
        await self._of(site).ask(Learn(needs, site, value), _nothing)

    async def restore(self, site: str, data: bytes) -> str:
        said: str = await self._of(site).ask(Restore(site, data), _text)
        return said

    async def drop(self, site: str) -> None:
        hand = self._of_site.pop(site, None)
        if hand is not None:
            hand.sites.discard(site)
            await hand.ask(Drop(site), _nothing)

    async def take(self, given: Sequence[Given]) -> list[Outcome]:
        def calls(part: list[Given]) -> Call:
            return Take([(each.site, each.offset, each.data) for each in part])

        return await self._shared(given, calls, _outcomes)

    async def states(self, wanted: Sequence[tuple[str, int, str]], generation: int) -> list[bytes]:
        return await self._shared(wanted, lambda part: States(part, generation), _states)

    async def _shared(self, things: Iterable[Any], call: Any, decoder: Any) -> list[Any]:
        """Each thing to the hand of its site, all hands at once; the answers in the order of the things."""
        places: dict[_Hand, list[int]] = {}
        listed = list(things)
        for number, thing in enumerate(listed):
            places.setdefault(self._of(thing[0]), []).append(number)
        asked = [hand.ask(call([listed[n] for n in numbers]), decoder) for hand, numbers in places.items()]
        answers: list[Any] = [None] * len(listed)
        for numbers, found in zip(places.values(), await asyncio.gather(*asked), strict=True):
            for number, answer in zip(numbers, found, strict=True):
                answers[number] = answer
        return answers

    async def close(self) -> None:
        await asyncio.gather(*(hand.close() for hand in self._hands))
