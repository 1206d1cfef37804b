"""The ring of keys: which secret opens the door, and who comes in with it.

The machine token (DIR/token) is an engineer without a name of its own; named tokens are read from DIR/tokens.json, anew
whenever the file has changed, so that a new or revoked one counts at the next request. A file that is broken leaves the
ring as it was and is told once; at start it leaves the machine token alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from time import monotonic
from typing import Protocol

from services.gateway.roles import Role
from services.gateway.tokens import NamedToken, TokensBroken, decode_tokens
from shared.runtime.logging import logger
from shared.wire.signs import Expiry

MACHINE = "machine"
SECRET_MIN = 16
LOOK_S = 0.05
"""A thousand readers that are told of one event look at the file a few times, not a thousand times."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who has come in."""

    name: str
    """The token's name; ``machine`` for the machine token."""
    role: Role
    sites: tuple[str, ...] = ()
    """Empty: every site."""
    token_id: str = ""
    """Empty for the machine token."""

    @property
    def is_machine(self) -> bool:
        return self.token_id == ""

    def may_see(self, site: str) -> bool:
        return not self.sites or site in self.sites


class Keys(Protocol):
    def find(self, secret: str) -> Caller | None:
        """Who this secret belongs to; None when it opens nothing."""
        ...

    def is_good(self, caller: Caller) -> bool:
        """Whether somebody who came in before would be let in again: not revoked, not expired."""
        ...


class KeyRing:
    """Implements Keys. ``find_file`` tells where tokens.json stands now; ``now_ms`` is the wall clock. One thread."""

    def __init__(
        self, machine: str, find_file: Callable[[], Path] | None = None, now_ms: Callable[[], int] = lambda: 0
    ) -> None:
        assert len(machine) >= SECRET_MIN, f"the machine token is at least {SECRET_MIN} characters"
        self._machine = sha256(machine.encode()).hexdigest()
        self._find_file = find_file
        self._now_ms = now_ms
        self._seen: tuple[int, int, int] | None = None
        self._looked_at = 0.0
        self._by_hash: dict[str, NamedToken] = {}
        self._by_id: dict[str, NamedToken] = {}

    def find(self, secret: str) -> Caller | None:
        given = sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
        if compare_digest(given, self._machine):
            return Caller(MACHINE, Role.ENGINEER)
        self._look()
        token = self._by_hash.get(given)
        if token is None or not token.is_good(self._now_ms()):
            return None
        return Caller(token.name, token.role, token.sites, token.id)

    def is_good(self, caller: Caller) -> bool:
        if caller.is_machine:
            return True
        if monotonic() - self._looked_at > LOOK_S:
            self._look()
        token = self._by_id.get(caller.token_id)
        return token is not None and token.is_good(self._now_ms())

    def expiries(self) -> tuple[Expiry, ...]:
        """The ends of the tokens that have one; of several with one name the last, none when one of them never ends."""
        self._look()
        ends: dict[str, list[int]] = {}
        for token in self._by_id.values():
            ends.setdefault(token.name, []).append(token.until_ms)
        return tuple(Expiry("token", name, max(each)) for name, each in sorted(ends.items()) if all(each))

    def _look(self) -> None:
        if self._find_file is None:
            return
        self._looked_at = monotonic()
        path = self._find_file()
        try:
            at = path.stat()
            seen = (at.st_mtime_ns, at.st_size, at.st_ino)
            if seen == self._seen:
                return
            self._seen = seen
            tokens = decode_tokens(path.read_bytes())
        except FileNotFoundError:
            self._seen, self._by_hash, self._by_id = None, {}, {}
            return
        except (OSError, TokensBroken) as fault:
            logger().error("tokens_not_read", path=str(path), fault=str(fault))
            return
        living = [token for token in tokens if not token.is_revoked]
        self._by_hash = {token.sha256: token for token in living}
        self._by_id = {token.id: token for token in living}
