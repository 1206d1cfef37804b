"""A certificate authority of the fleet's own: signs its servers' and its clients' certificates, and ends them.

Keys are EC P-256. The authority lives ten years, what it signs one year; an authority that is there already is used.
A certificate that is no longer good stands in the list of revoked ones (crl.pem), which the MQTT broker reads. Servers
and clients know files and not this authority: certificates from elsewhere may stand in the same places.

    ca.pem ca.key       the authority; who has the key can make any identity
    crl.pem             revoked certificates
"""

import datetime
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.fleet.files import PRIVATE, PUBLIC, write
from shared.domain.errors import ConfigError

CA_DAYS = 3650
LEAF_DAYS = 365
_EARLIER = datetime.timedelta(minutes=10)
"""What a box whose clock is a little behind still takes."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, both PEM."""

    certificate: bytes
    key: bytes
    serial: int
    not_after: datetime.datetime


class Authority:
    """The authority in a folder; made when there is none. Raises ConfigError for files that are not an authority."""

    def __init__(self, folder: Path, now: datetime.datetime) -> None:
        self.folder = folder
        self._now = now
        if not (folder / "ca.key").exists():
            if self.ca_file.exists():
                raise ConfigError(f"{folder}: ca.pem is there and its key ca.key is not: nothing can be signed")
            self._make()
        try:
            self._certificate = x509.load_pem_x509_certificate(self.ca_file.read_bytes())
            key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(f"{folder}: not a certificate authority: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError(f"{folder / 'ca.key'}: not a key of an elliptic curve")
        self._key = key

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def crl_file(self) -> Path:
        return self.folder / "crl.pem"

    def server(self, name: str, hosts: Sequence[str]) -> Pair:
        """A certificate for a server that is reached under these names and addresses; it may be a client too."""
        names = [_host(host) for host in dict.fromkeys(hosts)]
        usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        return self._leaf(name, usage, x509.SubjectAlternativeName(names))

    def client(self, name: str) -> Pair:
        """A certificate that says who a client is."""
        return self._leaf(name, [ExtendedKeyUsageOID.CLIENT_AUTH], None)

    def revoke(self, serials: Iterable[int]) -> None:
        """Write the list of revoked certificates: exactly these."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._certificate.subject)
        builder = builder.last_update(self._now - _EARLIER).next_update(self._now + datetime.timedelta(days=CA_DAYS))
        for serial in sorted(set(serials)):
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(self._now - _EARLIER)
            builder = builder.add_revoked_certificate(entry.build())
        made = builder.sign(self._key, hashes.SHA256())
        write(self.crl_file, made.public_bytes(serialization.Encoding.PEM), PUBLIC)

    def _make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Ampward fleet")
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        certificate = (
            self._builder(name, name, key, CA_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write(self.ca_file, certificate.public_bytes(serialization.Encoding.PEM), PUBLIC)
        write(self.folder / "ca.key", _pem(key), PRIVATE)

    def _leaf(self, name: str, usage: list[x509.ObjectIdentifier], names: x509.SubjectAlternativeName | None) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            self._builder(_name(name), self._certificate.subject, key, LEAF_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        made = builder.sign(self._key, hashes.SHA256())
        return Pair(
            made.public_bytes(serialization.Encoding.PEM), _pem(key), made.serial_number, made.not_valid_after_utc
        )

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - _EARLIER)
            .not_valid_after(self._now + datetime.timedelta(days=days))
        )


def ends_at(certificate: Path) -> datetime.datetime:
    """When a certificate ends. Raises ConfigError."""
    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        raise ConfigError(f"{certificate}: not a certificate: {error}") from error


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
