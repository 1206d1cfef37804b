"""Who may come in is part of the evidence: every change of DIR/tokens.json becomes a Report in the log, with its maker.

The file is compared with what the log last told of it (a position that is committed with the Reports), so that a change
while no site ran, or one by an editor, is recorded too. Neither the secret nor its hash is ever told.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from services.gateway.times import rfc3339
from services.gateway.tokens import NamedToken, TokensBroken, decode_tokens
from shared.runtime.logging import logger

POSITION = "tokens"
ADDED, REVOKED, CHANGED, REMOVED = "added", "revoked", "changed in the file", "removed from the file"

Told = dict[str, list[Any]]
"""By id: what was told of each token: name, role, sites, until, revoked."""


class TokenWatch:
    """``record(changes, position)`` puts (name, sentence) of each change into the log, with the position."""

    def __init__(
        self,
        find_file: Callable[[], Path],
        stored: bytes | None,
        record: Callable[[list[tuple[str, str]], bytes], object],
    ) -> None:
        self._find_file = find_file
        self._told: Told = json.loads(stored) if stored else {}
        self._record = record
        self._seen: tuple[int, int, int] | None = None

    def look(self) -> None:
        """Tell what has changed since the last look; a file that cannot be read is told in the text log and kept."""
        path = self._find_file()
        try:
            at = path.stat()
            seen = (at.st_mtime_ns, at.st_size, at.st_ino)
            if seen == self._seen:
                return
            self._seen = seen
            tokens = decode_tokens(path.read_bytes())
        except FileNotFoundError:
            self._seen, tokens = None, ()
        except (OSError, TokensBroken) as fault:
            logger().error("tokens_not_read", path=str(path), fault=str(fault))
            return
        told = {token.id: _facts(token) for token in tokens}
        if told == self._told:
            return
        changes = differences(self._told, tokens)
        self._told = told
        self._record(changes, json.dumps(told, sort_keys=True).encode())


def _facts(token: NamedToken) -> list[Any]:
    return [token.name, token.role.value, list(token.sites), token.until_ms, token.is_revoked]


def differences(told: Told, tokens: tuple[NamedToken, ...]) -> list[tuple[str, str]]:
    """Name and sentence of each change, in the order of the file; those that are gone last."""
    found: list[tuple[str, str]] = []
    for token in tokens:
        before = told.get(token.id)
        if before == _facts(token):
            continue
        if before is None:
            found.append((token.name, f"token {token.id} {ADDED} by {token.made_by}: {_words(token)}"))
        if token.is_revoked and not (before and before[-1]):
            found.append((token.name, f"token {token.id} {REVOKED} by {token.revoked_by}"))
        elif before is not None:
            found.append((token.name, f"token {token.id} {CHANGED}: {_words(token)}"))
    left = {token.id for token in tokens}
    gone = [(facts[0], f"token {name} {REMOVED}") for name, facts in told.items() if name not in left and not facts[-1]]
    return found + gone


def _words(token: NamedToken) -> str:
    sites = f"for {', '.join(token.sites)}" if token.sites else "for every site"
    return f"{token.role.value}, {sites}, until {rfc3339(token.until_ms) or 'it is revoked'}"
