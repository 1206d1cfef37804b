"""A site's signature: Ed25519 keys, their forms on disk and in a registration.

Who holds a topic's permission may write into it; only who holds a site's key can have signed as that site. A key's id
is the first 16 hexadecimal digits of the SHA-256 of its public half: it stands in every block, so that blocks signed
before a renewal are checked by the key of their time.

Promises: the same seed and bytes give the same signature on every machine (RFC 8032). A private key never shows in
a repr, an error or a log. Refuses (WireError): keys and texts of another kind or length; (BadSignature): a signature
that is not of these bytes by this key. Chance enters by the caller: a seed is 32 random bytes.
"""

from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.domain.errors import BadSignature, WireError

SIGNATURE_BYTES: Final = 64
KEY_BYTES: Final = 32
ID_DIGITS: Final = 16


class PublicKey:
    """The half that checks. Equal when the bytes are."""

    __slots__ = ("_key", "id", "raw")

    def __init__(self, raw: bytes) -> None:
        """From the 32 bytes of RFC 8032; raises WireError."""
        try:
            self._key = Ed25519PublicKey.from_public_bytes(raw)
        except (ValueError, TypeError) as fault:
            raise WireError(f"a public key has {KEY_BYTES} bytes: {fault}") from fault
        self.raw = raw
        self.id = key_id(raw)

    def check(self, data: bytes, signature: bytes) -> None:
        """Raises BadSignature unless this key's private half signed exactly these bytes."""
        try:
            self._key.verify(signature, data)
        except InvalidSignature as fault:
            raise BadSignature(f"not signed by the key {self.id}, or changed since") from fault

    def text(self) -> str:
        """64 hexadecimal digits, as a registration holds it."""
        return self.raw.hex()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"PublicKey({self.id})"


class SigningKey:
    """The half that signs; the site's alone."""

    __slots__ = ("_key", "public")

    def __init__(self, seed: bytes) -> None:
        """From 32 random bytes; raises WireError."""
        try:
            self._key = Ed25519PrivateKey.from_private_bytes(seed)
        except (ValueError, TypeError) as fault:
            raise WireError(f"the seed of a key has {KEY_BYTES} bytes") from fault
        raw = self._key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.public = PublicKey(raw)

    @property
    def id(self) -> str:
        return self.public.id

    def sign(self, data: bytes) -> bytes:
        """64 bytes."""
        return self._key.sign(data)

    def pem(self) -> bytes:
        """PKCS #8, not encrypted: for a file that only its owner may read."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def __repr__(self) -> str:
        return f"SigningKey({self.id})"


def key_id(raw: bytes) -> str:
    """What names a key in a block.

    >>> key_id(bytes(32))
    '66687aadf862bd77'
    """
    return sha256(raw).hexdigest()[:ID_DIGITS]


def read_signing_key(pem: bytes) -> SigningKey:
    """The key in a PEM file; raises WireError, which never quotes the file."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise WireError("not an unencrypted private key in PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise WireError("the private key is not of the kind Ed25519")
    raw = serialization.Encoding.Raw
    return SigningKey(key.private_bytes(raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()))


def read_public_key(text: str) -> PublicKey:
    """The key of a registration's 64 hexadecimal digits; raises WireError."""
    try:
        raw = bytes.fromhex(text)
    except (ValueError, TypeError) as fault:
        raise WireError("a public key is 64 hexadecimal digits") from fault
    return PublicKey(raw)
