"""Identities without any server: what is made, renewed and ended in the fleet's folder, and who is refused."""

import datetime
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from services.fleet import demo
from services.fleet.authority import Authority, ends_at
from services.fleet.identities import Book
from services.fleet.launcher import LauncherPlan, take_lock, vault_of
from services.fleet.supervise import read_who
from services.fleet.vault import RENEW_DAYS, open_vault
from services.uplink.identity import read_identity
from shared.domain.errors import ConfigError
from tests.fleet.clock import NOW
from tests.testkit.process import wait_for

PARTITIONS = 3
NOW_MS = 1_760_000_000_000


def _book(folder: Path, *, secure: bool = True) -> Book:
    return Book(folder, open_vault(folder / "security", NOW) if secure else None, PARTITIONS)


def test_an_identity_is_what_the_uplink_reads(tmp_path: Path) -> None:
    """Key, partition, users: read back by the one who uses it, and private."""
    book = _book(tmp_path)
    entry = book.enroll("depot")
    identity = read_identity(book.identity("depot"), "depot")
    assert (identity.partition, identity.kafka_user) == (entry.partition, "site-depot")
    assert identity.key.public.text() == entry.keys[-1]
    assert identity.access("127.0.0.1:1").security is not None
    assert stat.S_IMODE(book.identity("depot").stat().st_mode) == 0o700
    for name in ("signing.key", "client.key", "kafka.password", "identity.json"):
        assert stat.S_IMODE((book.identity("depot") / name).stat().st_mode) == 0o600
    assert "user site-depot" in (tmp_path / "security" / "mosquitto.acl").read_text()


def test_without_security_an_identity_is_the_signing_key(tmp_path: Path) -> None:
    """Blocks are signed in a lab too; beside it is only the key by which the centre signs what it pushes."""
    book = _book(tmp_path, secure=False)
    book.enroll("depot")
    names = sorted(path.name for path in book.identity("depot").iterdir())
    assert names == ["centre.pub", "identity.json", "signing.key"]
    assert read_identity(book.identity("depot"), "depot").access("127.0.0.1:1").security is None


def test_sites_are_spread_over_the_partitions(tmp_path: Path) -> None:
    """Each new site goes where the fewest living ones are, and stays there for ever."""
    book = _book(tmp_path, secure=False)
    assert [book.enroll(f"s{number}").partition for number in range(4)] == [0, 1, 2, 0]
    book.revoke("s1", NOW_MS)
    assert book.enroll("s4").partition == 1
    assert book.enroll("s1").partition == 1


def test_a_site_is_enrolled_once(tmp_path: Path) -> None:
    """What is refused says what to do instead."""
    book = _book(tmp_path, secure=False)
    book.enroll("depot")
    with pytest.raises(ConfigError, match="`ampward renew depot`"):
        book.enroll("depot")
    with pytest.raises(ConfigError, match="`ampward enroll other`"):
        book.renew("other")
    book.revoke("depot", NOW_MS)
    with pytest.raises(ConfigError, match="is ended"):
        book.renew("depot")
    for wrong in ("", "Depot", "a/b", "../x", "_fleet", "site", "a" * 41):
        with pytest.raises(ConfigError, match="is no id of a site"):
            book.enroll(wrong)


def test_a_renewal_adds_and_an_end_takes_all(tmp_path: Path) -> None:
    """Former keys and certificates stay good until the end; then each of them is revoked, and never comes back."""
    book = _book(tmp_path)
    first, second = book.enroll("depot"), book.renew("depot")
    assert second.keys[0] == first.keys[0]
    assert (len(second.keys), len(second.serials)) == (2, 2)
    ended = book.revoke("depot", NOW_MS)
    assert ended.registration().ended
    assert (ended.keys, ended.former) == ((), tuple((key, NOW_MS) for key in second.keys))
    assert not book.identity("depot").exists()
    crl = x509.load_pem_x509_crl((tmp_path / "security" / "crl.pem").read_bytes())
    assert {one.serial_number for one in crl} == set(second.serials)
    assert "site-depot" not in (tmp_path / "security" / "mosquitto.acl").read_text()
    assert book.revoke("depot", NOW_MS).revoked == ended.revoked
    again = book.enroll("depot")
    assert not set(again.keys) & set(second.keys)
    assert set(again.revoked) == set(second.serials)
    assert again.former == ended.former, "what they signed before can still be checked"


def test_what_was_before_a_renewal_can_be_ended_alone(tmp_path: Path) -> None:
    """The newest key and certificate stay, the former ones are revoked; of the fleet itself boxes know the former."""
    book = _book(tmp_path)
    first, second = book.enroll("depot"), book.renew("depot")
    made = book.revoke_former("depot", NOW_MS)
    assert (made.keys, made.former) == (second.keys[1:], ((first.keys[0], NOW_MS),))
    assert (made.serials, made.revoked) == (second.serials[1:], first.serials)
    assert not made.is_ended
    assert book.revoke_former("depot", NOW_MS + 1) == made
    assert book.entry("depot") == made
    assert read_identity(book.identity("depot"), "depot").key.public.text() == made.keys[0]
    with pytest.raises(ConfigError, match="cannot be ended"):
        book.revoke_former("_fleet", NOW_MS)


def test_the_vault_is_made_once_and_kept(tmp_path: Path) -> None:
    """A second look changes no password and no certificate; one that ends soon is made anew."""
    first = open_vault(tmp_path, NOW)
    password, certificate = first.passwords(), (tmp_path / "kafka.pem").read_bytes()
    again = open_vault(tmp_path, NOW)
    assert (again.passwords(), (tmp_path / "kafka.pem").read_bytes()) == (password, certificate)
    assert len(set(password.values())) == len(password)
    late = ends_at(tmp_path / "mqtt.pem") - datetime.timedelta(days=RENEW_DAYS - 1)
    open_vault(tmp_path, late)
    assert (tmp_path / "kafka.pem").read_bytes() != certificate
    assert ends_at(tmp_path / "mqtt.pem") > late + datetime.timedelta(days=RENEW_DAYS)


def _is_good_for(purpose: str, certificate: Path, ca_file: Path) -> bool:
    """What openssl says."""
    command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", str(ca_file), str(certificate)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_certificates_are_what_they_are_for(tmp_path: Path) -> None:
    """Signed by the authority, servers with their names, clients for clients only; openssl finds them good."""
    authority = Authority(tmp_path, NOW)
    server, client = authority.server("kafka", ["127.0.0.1", "kafka1"]), authority.client("site-depot")
    for name, pair, purpose in (("server", server, "sslserver"), ("client", client, "sslclient")):
        (tmp_path / f"{name}.pem").write_bytes(pair.certificate)
        assert _is_good_for(purpose, tmp_path / f"{name}.pem", authority.ca_file)
    assert not _is_good_for("sslserver", tmp_path / "client.pem", authority.ca_file)
    made = x509.load_pem_x509_certificate(server.certificate)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["kafka1"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert isinstance(made.public_key(), ec.EllipticCurvePublicKey)


def test_files_that_are_no_authority_are_refused(tmp_path: Path) -> None:
    """Nothing is made over what somebody put there."""
    (tmp_path / "ca.key").write_text("not a key")
    (tmp_path / "ca.pem").write_text("not a certificate")
    with pytest.raises(ConfigError, match="not a certificate authority"):
        Authority(tmp_path, NOW)
    assert (tmp_path / "ca.key").read_text() == "not a key"
    (tmp_path / "ca.key").unlink()
    with pytest.raises(ConfigError, match=r"ca\.key is not"):
        Authority(tmp_path, NOW)
    assert (tmp_path / "ca.pem").read_text() == "not a certificate"


def test_a_book_that_somebody_changed_is_refused_by_name(tmp_path: Path) -> None:
    """A file that is no entry, or another site's."""
    book = _book(tmp_path, secure=False)
    book.enroll("depot")
    file = tmp_path / "sites" / "depot.json"
    body = json.loads(file.read_text())
    for wrong in ("{", json.dumps({**body, "site": "other"}), json.dumps({**body, "v": 2}), "[]"):
        file.write_text(wrong)
        with pytest.raises(ConfigError, match=r"depot\.json: not an entry"):
            book.entries()


@pytest.mark.parametrize("secure", [False, True])
def test_the_key_of_the_fleet_itself_is_renewed(tmp_path: Path, secure: bool) -> None:
    """The book and every living site's folder name both keys, pushed files stay signed by the one that boxes know."""
    book = _book(tmp_path, secure=secure)
    book.enroll("depot")
    book.enroll("gone")
    book.revoke("gone", NOW_MS)
    known = (book.identity("depot") / "centre.pub").read_text().split()
    entry = book.renew("_fleet")
    assert (list(entry.keys[:-1]), entry.partition) == (known, book.have_fleet().partition)
    assert (book.identity("depot") / "centre.pub").read_text().split() == list(entry.keys)
    assert not (book.identity("gone") / "centre.pub").exists()
    who = read_who(book.identity("_fleet"))
    assert who.former is not None
    assert [who.former.public.text(), who.key.public.text()] == list(entry.keys)
    assert who.public(who.former.id) == who.former.public
    with pytest.raises(ConfigError, match="it can be renewed, not ended"):
        book.revoke("_fleet", NOW_MS)


def test_what_was_made_in_clear_is_not_secured_in_place(tmp_path: Path) -> None:
    """Its Kafka knows no administrator: a new folder is asked for, and nothing is made in this one."""
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / "cluster.id").write_text("x")
    with pytest.raises(ConfigError, match="was made without security"):
        vault_of(LauncherPlan(tmp_path, tmp_path, is_secure=True))
    assert not (tmp_path / "security").exists()
    assert vault_of(LauncherPlan(tmp_path, tmp_path)) is None


def test_the_commands_work_while_the_fleet_does_not_run(tmp_path: Path) -> None:
    """They say that the servers hear of it later; the folder for the box can be copied out."""

    def ampward(*words: object) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("ampward")), *map(str, words), "--dir", str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    made = ampward("enroll", "depot", "--out", tmp_path / "stick")
    assert (made.returncode, made.stderr) == (0, "")
    assert "depot is enrolled, partition 0; the fleet does not run, it is told at its next start" in made.stdout
    assert read_identity(tmp_path / "stick", "depot").partition == 0
    assert ampward("enroll", "depot").returncode == 1
    assert ampward("renew", "depot", "--out", tmp_path / "stick").returncode == 2
    assert ampward("renew", "depot").returncode == 0
    assert "_fleet has new keys; the fleet does not run" in ampward("renew", "_fleet").stdout
    assert ampward("renew", "_fleet", "--out", tmp_path / "other").returncode == 2
    assert "depot has its newest key alone" in ampward("revoke", "depot", "--former").stdout
    assert "depot is ended" in ampward("revoke", "depot").stdout
    assert ampward("enroll", "mast", "--hosted", "--out", tmp_path / "other").returncode == 2
    assert "nothing goes to its device" in ampward("enroll", "mast", "--hosted").stdout
    assert ampward("revoke", "nobody").returncode == 3
    nowhere = ampward("enroll", "other", "--out", tmp_path / "no" / "such")
    assert (nowhere.returncode, f"{tmp_path / 'no'} is no folder" in nowhere.stderr) == (2, True)
    assert "not enrolled" in ampward("renew", "other").stderr, "nothing was made for a place that there is not"


def test_a_folder_of_something_else_gets_no_book(tmp_path: Path) -> None:
    """A site's data folder, say, that was named by mistake: no keys are put into it."""
    (tmp_path / "log.db").write_bytes(b"a site's")
    command = [str(Path(sys.executable).with_name("ampward")), "enroll", "depot", "--dir", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, f"there is no fleet in {tmp_path}" in ran.stderr) == (3, True)
    assert [path.name for path in tmp_path.iterdir()] == ["log.db"]


def test_who_changes_the_book_waits_for_who_does(tmp_path: Path) -> None:
    """What one read before another's end would be written behind it: an ended site would be let in again."""
    book = _book(tmp_path)
    book.enroll("depot")
    with book.alone():
        revoking = _began("revoke", "depot", "--dir", tmp_path)
        wait_for(lambda: _waits_for_a_lock(revoking.pid), within_s=60, name="the command to wait")
        assert not book.entry("depot").is_ended
    assert revoking.communicate(timeout=60)[0].startswith("depot is ended")
    assert book.entry("depot").is_ended


def test_a_change_while_the_fleet_starts_is_told_when_it_is_ready(tmp_path: Path) -> None:
    """The launcher may have read the book already: who changes it waits, and says so; it may end instead."""
    _book(tmp_path, secure=False)
    (tmp_path / "sites").mkdir()
    launching = take_lock(tmp_path)
    enrolling = _began("enroll", "depot", "--dir", tmp_path)
    assert enrolling.stdout is not None
    assert enrolling.stdout.readline() == "the fleet is starting: it is told as soon as it is ready\n"
    os.close(launching)
    assert "the fleet has ended meanwhile" in enrolling.communicate(timeout=60)[0]
    assert enrolling.returncode == 0


def test_a_start_makes_nobody_anew_whom_someone_has_ended(tmp_path: Path) -> None:
    """Of the demo's sites too: only `ampward enroll` does."""
    book = _book(tmp_path, secure=False)
    assert list(demo.have(book, ("north", "south"))) == ["north: enrolled", "south: enrolled"]
    book.revoke("north", NOW_MS)
    assert list(demo.have(book, ("north", "south"))) == [
        "north: it was ended and is not run, `ampward enroll north` makes it anew"
    ]
    assert demo.living(book, ("north", "south")) == ("south",)


def _began(*words: object) -> "subprocess.Popen[str]":
    command = [str(Path(sys.executable).with_name("ampward")), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _waits_for_a_lock(pid: int) -> bool:
    waiting = [line for line in Path("/proc/locks").read_text().splitlines() if "->" in line]
    return any(line.split()[5] == str(pid) for line in waiting)
