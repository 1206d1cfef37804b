"""Identities of sites: made, renewed and ended in the fleet's folder; services.fleet.applying tells the servers.

    DIR/sites/SITE.json        the centre's book: partition, public keys, certificates, whether it is ended
    DIR/identities/SITE/       what goes to the site's box, and nowhere else: identity.json, signing.key, centre.pub (by
                               which pushed files are signed), and with security ca.pem, kafka.password, client.pem,
                               client.key
    DIR/hosted/SITE/           for the bridge, of a site that only speaks MQTT: identity.json, signing.key, centre.pub
    DIR/supervisor/            the same of the pseudo-site _fleet, by which the centre's supervision signs; once it was
                               renewed former.key too: pushed files are signed by that one, which every box knows

A renewal adds: the former signing key and certificate stay good, so that the site goes on until it has the new folder;
when it has it they can be ended. An end takes all: keys sign nothing more, certificates are revoked, the Kafka user
goes. A site that is enrolled again after an end keeps its partition, and of its former keys only what they signed
before. Who changes the book, or says to servers what stands in it, does so inside ``alone``: what another read before
an end would else be written behind it. Refuses (ConfigError): a site that is enrolled already, one that is not, the end
of _fleet.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from services.fleet.authority import Pair
from services.fleet.files import PRIVATE, PUBLIC, write, write_private
from services.fleet.permissions import site_user
from services.fleet.vault import Vault
from shared.domain.errors import ConfigError
from shared.domain.ids import ID_ALLOWED, is_id
from shared.wire.registrations import KEYS_MAX, Registration
from shared.wire.signing import SigningKey

FORM = 1
FLEET = "_fleet"
"""The pseudo-site of the centre's supervision: in the book like a site, its key in DIR/supervisor."""
SUPERVISOR = "supervisor"
HOSTED = "hosted"
LOCK = "book.lock"
CENTRE = "centre.pub"
KEY, FORMER_KEY = "signing.key", "former.key"
OURS = ("identity.json", KEY, CENTRE, "ca.pem", "client.pem", "client.key", "kafka.password")
"""What an identity's folder holds of ours."""
RESERVED = (FLEET, "_site", "site")


@dataclass(frozen=True, slots=True)
class Entry:
    """One site in the book. ``keys`` are public, the newest last; serials are those of its certificates, the newest
    last too."""

    site: str
    partition: int
    keys: tuple[str, ...]
    former: tuple[tuple[str, int], ...] = ()
    """Keys that were ended, and when (milliseconds since 1970); the newest last."""
    is_hosted: bool = False
    """It only speaks MQTT: the bridge at the centre keeps its log and signs for it."""
    is_ended: bool = False
    serials: tuple[int, ...] = ()
    revoked: tuple[int, ...] = ()
    certificate_ends_at_ms: int = 0
    """Of the newest one; 0 for none."""

    def registration(self) -> Registration:
        ends_at_ms = self.certificate_ends_at_ms
        return Registration(self.site, self.partition, self.keys, self.is_ended, ends_at_ms, self.former)

    def without(self, keys: Sequence[str], serials: Sequence[int], now_ms: int) -> "Entry":
        """The same after these were ended."""
        return replace(
            self,
            keys=tuple(key for key in self.keys if key not in keys),
            former=(*self.former, *((key, now_ms) for key in keys))[-KEYS_MAX:],
            serials=tuple(serial for serial in self.serials if serial not in serials),
            revoked=(*self.revoked, *serials),
        )


@dataclass(frozen=True, slots=True)
class Book:
    """The sites of a fleet. ``vault`` is None in a fleet without TLS: then a site has its signing key alone."""

    folder: Path
    vault: Vault | None
    partitions: int
    prefix: str = ""
    users_elsewhere: bool = False
    """Without a vault: Kafka's users are made by whoever runs the cluster, a site's by its name, as everywhere."""

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes the book or tells of it meanwhile; waits for who does."""
        (self.folder / "sites").mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.folder / "sites" / LOCK, os.O_RDWR | os.O_CREAT, PRIVATE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def entries(self) -> tuple[Entry, ...]:
        """Every site, ended ones too. Raises ConfigError for a file that is no entry."""
        return tuple(self._read(path) for path in sorted((self.folder / "sites").glob("*.json")))

    def entry(self, site: str) -> Entry:
        """Raises ConfigError when the site is not enrolled."""
        path = self._path(site)
        if not path.exists():
            raise ConfigError(f"{site} is not enrolled in {self.folder}: `ampward enroll {site}` does it")
        return self._read(path)

    def identity(self, site: str) -> Path:
        """The folder that goes to the site's box; that of _fleet is the supervisor's."""
        return self.folder / SUPERVISOR if site == FLEET else self.folder / "identities" / site

    def enroll(self, site: str, *, is_hosted: bool = False) -> Entry:
        """Make a site's identity. Raises ConfigError."""
        if not is_id(site) or site in RESERVED:
            raise ConfigError(f"{site!r} is no id of a site, allowed: {ID_ALLOWED}, and none of {', '.join(RESERVED)}")
        return self._enroll(site, is_hosted=is_hosted)

    def have_fleet(self) -> Entry:
        """The identity by which the centre's supervision signs, made when it is missing."""
        path = self._path(FLEET)
        return self._read(path) if path.exists() else self._enroll(FLEET, is_hosted=False)

    def _enroll(self, site: str, *, is_hosted: bool) -> Entry:
        former = self._read(self._path(site)) if self._path(site).exists() else None
        if former is not None and not former.is_ended:
            raise ConfigError(f"{site} is enrolled already: `ampward renew {site}` gives it new keys")
        partition = former.partition if former is not None else self._freest()
        keys, revoked = (former.former, former.revoked) if former is not None else ((), ())
        made = Entry(site, partition, (), keys, is_hosted, revoked=revoked)
        has_user = self.vault is not None and not is_hosted and site != FLEET
        return self._equip(made, secrets.token_urlsafe(32) if has_user else "")

    def renew(self, site: str, *, password: bool = False) -> Entry:
        """New keys and a new certificate beside the former ones; a new Kafka password only when it is asked for.

        The password changes for the whole site at once: until its box has the new folder it is refused. When _fleet is
        renewed the folders of all sites name its new key too.
        """
        entry = self.entry(site) if site != FLEET else self.have_fleet()
        if entry.is_ended:
            raise ConfigError(f"{site} is ended: `ampward enroll {site}` makes it anew")
        kept = self.password(site)
        return self._equip(entry, secrets.token_urlsafe(32) if password and kept else kept)

    def revoke_former(self, site: str, now_ms: int) -> Entry:
        """End all keys and certificates of a site but the newest. Doing it twice changes nothing."""
        if site == FLEET:
            raise ConfigError(f"{FLEET} signs pushed files by its former key, which all boxes know: it cannot be ended")
        entry = self.entry(site)
        made = entry.without(entry.keys[:-1], entry.serials[:-1], now_ms)
        self._write(made)
        self.publish()
        return made

    def revoke(self, site: str, now_ms: int) -> Entry:
        """End a site's identity; the folder for its box is removed here. Doing it twice changes nothing."""
        if site == FLEET:
            raise ConfigError(f"{FLEET} is the centre's own supervision: it can be renewed, not ended")
        entry = self.entry(site)
        ended = replace(entry.without(entry.keys, entry.serials, now_ms), is_ended=True)
        self._write(ended)
        for folder in (self.identity(site), self.folder / HOSTED / site):
            for name in OURS:
                (folder / name).unlink(missing_ok=True)
            with suppress(OSError):  # What others put there stays, and a volume that is mounted there.
                folder.rmdir()
        self.publish()
        return ended

    def password(self, site: str) -> str:
        """The site's Kafka password, empty when it has none."""
        try:
            return (self.identity(site) / "kafka.password").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""

    def publish(self) -> None:
        """Write the files that servers read: who may what in MQTT, and which certificates are revoked."""
        if self.vault is not None:
            entries = self.entries()
            living = [entry for entry in entries if not entry.is_ended and entry.site != FLEET]
            self.vault.publish(
                joined=[entry.site for entry in living if not entry.is_hosted],
                hosted=[entry.site for entry in living if entry.is_hosted],
                revoked=[serial for entry in entries for serial in entry.revoked],
            )

    def _equip(self, entry: Entry, password: str) -> Entry:
        """Fill the folder for the box with a fresh key and certificate, and note both in the book first."""
        key = SigningKey(secrets.token_bytes(32))
        needs_pair = self.vault is not None and entry.site != FLEET
        pair = self.vault.authority.client(site_user(entry.site)) if self.vault is not None and needs_pair else None
        serials = (*entry.serials, pair.serial) if pair is not None else entry.serials
        keys = (*entry.keys, key.public.text())[-KEYS_MAX:]
        ends_at_ms = int(pair.not_after.timestamp() * 1000) if pair is not None else entry.certificate_ends_at_ms
        entry = replace(entry, keys=keys, serials=serials, certificate_ends_at_ms=ends_at_ms)
        self._write(entry)
        folder = self.identity(entry.site)
        signer = self._signer(entry)
        for each in (folder, signer):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        centre = self.have_fleet().keys if entry.site != FLEET else entry.keys
        for name, data, mode in self._files(pair, password):
            write(folder / name, data, mode)
        body = {
            "v": FORM,
            "site": entry.site,
            "partition": entry.partition,
            "topics": self.prefix,
            "kafka_user": site_user(entry.site) if password or self.users_elsewhere else "",
            "mqtt_user": site_user(entry.site) if pair is not None else "",
        }
        if entry.site == FLEET:
            self._hand_on(entry)
            if (signer / KEY).exists():
                write(signer / FORMER_KEY, (signer / KEY).read_bytes(), PRIVATE)
        write(signer / CENTRE, _lines(centre), PUBLIC)
        write(signer / KEY, key.pem(), PRIVATE)
        write_private(signer / "identity.json", json.dumps(body, indent=2) + "\n")
        self.publish()
        return entry

    def _hand_on(self, fleet: Entry) -> None:
        """Every living site's folder names these keys as the centre's."""
        for entry in self.entries():
            if entry.site != FLEET and not entry.is_ended:
                write(self._signer(entry) / CENTRE, _lines(fleet.keys), PUBLIC)

    def _signer(self, entry: Entry) -> Path:
        """The folder of who signs for it: its box, or the bridge."""
        return self.folder / HOSTED / entry.site if entry.is_hosted else self.identity(entry.site)

    def _files(self, pair: Pair | None, password: str) -> Iterator[tuple[str, bytes, int]]:
        if self.vault is not None and pair is not None:
            yield "ca.pem", self.vault.authority.ca_file.read_bytes(), PUBLIC
            yield "client.pem", pair.certificate, PUBLIC
            yield "client.key", pair.key, PRIVATE
        if password:
            yield "kafka.password", password.encode() + b"\n", PRIVATE

    def _freest(self) -> int:
        """The partition with the fewest living sites, the lowest of these."""
        held = [entry.partition for entry in self.entries() if not entry.is_ended and entry.site != FLEET]
        return min(range(self.partitions), key=lambda partition: (held.count(partition), partition))

    def _path(self, site: str) -> Path:
        return self.folder / "sites" / f"{site}.json"

    def _write(self, entry: Entry) -> None:
        body = {
            "v": FORM,
            "site": entry.site,
            "partition": entry.partition,
            "keys": entry.keys,
            "former": entry.former,
            "hosted": entry.is_hosted,
            "ended": entry.is_ended,
            "serials": [f"{serial:x}" for serial in entry.serials],
            "revoked": [f"{serial:x}" for serial in entry.revoked],
            "certificate_ends_at_ms": entry.certificate_ends_at_ms,
        }
        (self.folder / "sites").mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self._path(entry.site), json.dumps(body, indent=2) + "\n")

    def _read(self, path: Path) -> Entry:
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            if body["v"] != FORM or body["site"] != path.stem:
                raise ValueError(f"form {body['v']}, site {body['site']}")
            return Entry(
                site=body["site"],
                partition=int(body["partition"]),
                keys=tuple(body["keys"]),
                former=tuple((key, int(at_ms)) for key, at_ms in body.get("former", ())),
                is_hosted=bool(body["hosted"]),
                is_ended=bool(body["ended"]),
                serials=tuple(int(text, 16) for text in body["serials"]),
                revoked=tuple(int(text, 16) for text in body["revoked"]),
                certificate_ends_at_ms=int(body.get("certificate_ends_at_ms", 0)),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path}: not an entry of the fleet's book: {type(error).__name__}: {error}") from error


def _lines(keys: Sequence[str]) -> bytes:
    return "".join(f"{key}\n" for key in keys).encode()
