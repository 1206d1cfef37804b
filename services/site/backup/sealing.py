"""Secrets of a backup: sealed with a passphrase, by AES-256-GCM under a key that scrypt makes of it.

One JSON line with the parameters, then the ciphertext. Line and backup are authenticated with it: nothing of either
can be changed, and secrets of one backup cannot be put into another. Limits: 64 MiB of memory for a key, 4 MiB of
secrets; parameters from a file that would need more are refused.
"""

import json
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from services.site.backup.manifest import CannotBackUp, Unsound

PASSPHRASE_MIN = 12
BYTES_MAX = 4 << 20
_N, _R, _P = 1 << 16, 8, 1
_SALT, _NONCE = 16, 12


def check_passphrase(text: str) -> bytes:
    """Raises CannotBackUp when it is too short to keep anything."""
    if len(text) < PASSPHRASE_MIN:
        raise CannotBackUp(f"the passphrase has {len(text)} characters, allowed: {PASSPHRASE_MIN} and more")
    return text.encode()


def seal(plain: bytes, passphrase: bytes, bound: bytes) -> bytes:
    """``bound`` is what must be the same when it is opened."""
    if len(plain) > BYTES_MAX:
        raise CannotBackUp(f"the secrets are {len(plain)} bytes, allowed: {BYTES_MAX}")
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    head = json.dumps({"kdf": "scrypt", "n": _N, "r": _R, "p": _P, "salt": salt.hex(), "cipher": "AES-256-GCM",
                       "nonce": nonce.hex()}).encode()  # fmt: skip
    key = Scrypt(salt, 32, _N, _R, _P).derive(passphrase)
    return head + b"\n" + AESGCM(key).encrypt(nonce, plain, head + bound)


def unseal(sealed: bytes, passphrase: bytes, bound: bytes) -> bytes:
    """Raises Unsound: another passphrase, or not what was sealed."""
    head, _, body = sealed.partition(b"\n")
    try:
        said = json.loads(head)
        known = (said["kdf"], said["cipher"]) == ("scrypt", "AES-256-GCM")
        n, r, p = int(said["n"]), int(said["r"]), int(said["p"])
        salt, nonce = bytes.fromhex(said["salt"]), bytes.fromhex(said["nonce"])
    except (ValueError, KeyError, TypeError) as fault:
        raise Unsound("the sealed secrets are not readable") from fault
    if not known or not (2 <= n <= 1 << 17 and r == _R and p == _P) or len(nonce) != _NONCE or n & (n - 1):
        raise Unsound("the secrets are sealed in a way that this program does not know")
    key = Scrypt(salt, 32, n, r, p).derive(passphrase)
    try:
        return AESGCM(key).decrypt(nonce, body, head + bound)
    except InvalidTag:
        raise Unsound("the passphrase is another one, or the sealed secrets were changed") from None
