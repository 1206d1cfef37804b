"""What the log knew of the outputs before a guard that it has not heard yet: told to a guard that found one on.

    restore --states as the log last knew them--> Known --Start's transaction--> log
    guard joins, its boot not heard yet: what is Known; heard: guard knows better than the log

The Start of a site process demands by itself (power-up), so what stood before it is kept with it: a site process that
dies before it has heard guard, or a link that breaks, leaves the next one the same word to say. Promise: as long as the
log has nothing of a boot of guard, that boot is told the state before its first input, whoever tells it.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from services.site import shown
from shared.domain import core
from shared.domain.state import RoomState
from shared.wire.guardlink import Explained


@dataclass(frozen=True, slots=True)
class Held:
    """How far the log holds what guard sent, and when guard was last heard; a position of the log."""

    boot: str = ""
    n: int = 0
    at_ms: int = 0

    def to_bytes(self) -> bytes:
        return json.dumps([self.boot, self.n, self.at_ms]).encode()

    @staticmethod
    def from_bytes(data: bytes | None) -> "Held":
        return Held(*json.loads(data)) if data else Held()


class Known(msgspec.Struct, frozen=True, array_like=True):
    """The outputs as the log knew them when it held guard so far; a position of the log."""

    boot: str
    n: int
    heard_at_ms: int
    """When guard was last heard, 0 for never."""
    outputs: tuple[Explained, ...]

    def is_of(self, held: Held) -> bool:
        """Nothing of guard has come since."""
        return (self.boot, self.n) == (held.boot, held.n)

    def after_clean_stop(self, safe_on: Collection[str]) -> "Known":
        """A clean stop was a demand for every output's safe value."""
        outputs = tuple(
            Explained(said.output, said.demanded or said.output in safe_on, said.gas_at_limit) for said in self.outputs
        )
        return msgspec.structs.replace(self, outputs=outputs)


class Explaining:
    """In the writer's thread, as it tells the states before and after each input."""

    def __init__(self) -> None:
        self._before = Held()
        """As the log held guard before this process."""
        self._boot: str | None = None
        """Of the guard of the newest input that this process took, None before the first."""
        self._known = known(Held(), {})

    def recover(
        self, states: Mapping[str, RoomState], held: Held, kept: bytes | None, *, after_clean_stop: bool
    ) -> bytes:
        """Before the Start. What an earlier process ``kept`` is still the word while nothing of guard came since; what
        is returned is to be kept with the Start."""
        before = msgspec.json.decode(kept, type=Known) if kept else None
        self._before = held
        self._known = before if before is not None and before.is_of(held) else known(held, states)
        if after_clean_stop:
            safe_on = {one.id for state in states.values() for one in state.plan.outputs if one.safe_on}
            self._known = self._known.after_clean_stop(safe_on)
        return msgspec.json.encode(self._known)

    def taking(self, boot: str, held: Held, states: Mapping[str, RoomState]) -> None:
        """Before an input of guard is stepped."""
        if boot == self._boot:
            return
        if self._boot is not None or boot == self._before.boot:
            self._known = known(held, states)
        self._boot = boot

    def told(self, boot: str, held: Held, states: Mapping[str, RoomState]) -> Known | None:
        """What this boot of guard is to know; None when a process before this one has heard it."""
        if boot == self._before.boot:
            return None
        return self._known if self._boot in (None, boot) else known(held, states)


def known(held: Held, states: Mapping[str, RoomState]) -> Known:
    """What these states say of each output, for a guard that found it on."""
    outputs = tuple(
        Explained(view.id, view.on, at_limit)
        for state in states.values()
        for at_limit in (shown.gas_at_limit(state),)
        for view in core.outputs(state)
    )
    return Known(held.boot, held.n, held.at_ms, outputs)
