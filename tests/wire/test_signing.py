"""A site's keys: what they sign, how they are kept, and what is no key."""

import pytest

from shared.domain.errors import BadSignature, WireError
from shared.wire.signing import PublicKey, SigningKey, read_public_key, read_signing_key

_RFC_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
_RFC_PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
_RFC_SIGNATURE = (
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
    "d25bf5f0595bbe24655141438e7a100b"
)


def test_a_signature_is_that_of_the_standard() -> None:
    """RFC 8032, section 7.1, test 1."""
    key = SigningKey(_RFC_SEED)
    assert key.public.text() == _RFC_PUBLIC
    assert key.sign(b"").hex() == _RFC_SIGNATURE
    key.public.check(b"", bytes.fromhex(_RFC_SIGNATURE))


def test_what_another_signed_or_changed_is_refused() -> None:
    """Another key, another text, another length of signature: each is refused by the id of the key."""
    key, other = SigningKey(bytes(32)), SigningKey(_RFC_SEED)
    for data, signature in ((b"x", other.sign(b"x")), (b"y", key.sign(b"x")), (b"x", key.sign(b"x")[:-1]), (b"x", b"")):
        with pytest.raises(BadSignature, match=key.id):
            key.public.check(data, signature)


def test_keys_come_back_from_their_texts() -> None:
    """A private key from PEM, a public one from its digits; equal keys are equal."""
    key = SigningKey(_RFC_SEED)
    assert read_signing_key(key.pem()).public == key.public
    assert read_public_key(key.public.text()) == key.public
    assert len({key.public, read_public_key(_RFC_PUBLIC)}) == 1


def test_a_private_key_never_shows() -> None:
    """Neither in what is printed of it nor in what is said of a broken file."""
    key = SigningKey(_RFC_SEED)
    assert _RFC_SEED.hex() not in repr(key) + repr(vars(type(key)))
    broken = key.pem().replace(b"-----END", b"-----MEND")
    with pytest.raises(WireError) as raised:
        read_signing_key(broken)
    assert broken.split(b"\n")[1].decode() not in str(raised.value)


_RSA = b"-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----\n"


@pytest.mark.parametrize("pem", [b"", b"x", _RSA, SigningKey(bytes(32)).pem()[:-40]])
def test_what_is_no_private_key_is_refused(pem: bytes) -> None:
    """A sentence, whatever the file holds."""
    with pytest.raises(WireError, match="private key"):
        read_signing_key(pem)


def test_what_is_no_key_is_refused() -> None:
    """Of another length, or not hexadecimal."""
    for text in ("", "zz", "00" * 31, "00" * 33):
        with pytest.raises(WireError, match="public key"):
            read_public_key(text)
    with pytest.raises(WireError, match="32 bytes"):
        PublicKey(b"")
    with pytest.raises(WireError, match="32 bytes"):
        SigningKey(b"short")
