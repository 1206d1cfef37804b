"""Named tokens: DIR/tokens.json, who may come in beside the machine token, as what, and until when.

Of each secret only the SHA-256 is kept: it has 256 bits of chance in it, so nothing slower is needed, and it is shown
once, when it is made. A token that was revoked stays in the file as a record, without its hash. Names are for people
and for the log: the actor of a command is the token's name. At most TOKENS_MAX tokens live, and as many revoked ones
are remembered.

Refuses a file that is not of this form (TokensBroken): a slip of an editor must not open or lock a door silently.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256

import msgspec

from services.gateway.roles import Role
from shared.domain.errors import AmpwardError
from shared.domain.ids import is_id

VERSION = 1
TOKENS_MAX = 200
BYTES_MAX = 1 << 20
SITES_MAX = 100
NAMES_TAKEN = frozenset({"machine"})
"""The machine token's own name in the log is token:machine; nobody shall look like it."""


class TokensBroken(AmpwardError):
    """The file is there and is not what this program writes."""


@dataclass(frozen=True, slots=True)
class NamedToken:
    """One token. Instants are UTC milliseconds since 1970, 0 for never."""

    id: str
    """Eight hexadecimal digits: tells two tokens of one name apart."""
    name: str
    role: Role
    sites: tuple[str, ...]
    """Empty: every site."""
    sha256: str
    """Of the secret, hexadecimal; empty once it is revoked."""
    made_at_ms: int
    made_by: str
    until_ms: int = 0
    revoked_at_ms: int = 0
    revoked_by: str = ""

    @property
    def is_revoked(self) -> bool:
        return self.revoked_at_ms > 0

    def is_good(self, now_ms: int) -> bool:
        """Whether it opens the door now."""
        return not self.is_revoked and (self.until_ms == 0 or now_ms < self.until_ms)


@dataclass(frozen=True, slots=True)
class _File:
    version: int
    tokens: tuple[NamedToken, ...]


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return sha256(secret.encode()).hexdigest()


def decode_tokens(data: bytes) -> tuple[NamedToken, ...]:
    """The tokens of a file. Raises TokensBroken with what is wrong."""
    if len(data) > BYTES_MAX:
        raise TokensBroken(f"it is larger than {BYTES_MAX} bytes")
    try:
        found = msgspec.json.decode(data, type=_File)
    except msgspec.DecodeError as fault:
        raise TokensBroken(str(fault)) from None
    if found.version != VERSION:
        raise TokensBroken(f"it has version {found.version}, this program reads version {VERSION}")
    for token in found.tokens:
        if not is_id(token.name) or not all(map(is_id, token.sites)):
            raise TokensBroken(f"the token {token.id!r} has a name or a site that is no id")
        if not token.is_revoked and len(token.sha256) != 64:
            raise TokensBroken(f"the token {token.id!r} has no SHA-256")
    return found.tokens


def encode_tokens(tokens: Iterable[NamedToken]) -> bytes:
    """The file's bytes; the oldest revoked tokens are left out beyond TOKENS_MAX."""
    listed = tuple(tokens)
    ended = [token for token in listed if token.is_revoked]
    left_out = {token.id for token in ended[: max(0, len(ended) - TOKENS_MAX)]}
    body = msgspec.json.encode(_File(VERSION, tuple(token for token in listed if token.id not in left_out)))
    return msgspec.json.format(body, indent=1) + b"\n"


def revoked(token: NamedToken, at_ms: int, by: str) -> NamedToken:
    """The same token when it opens nothing any more."""
    return replace(token, sha256="", revoked_at_ms=max(1, at_ms), revoked_by=by)
