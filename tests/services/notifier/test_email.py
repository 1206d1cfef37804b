"""E-mail against a real SMTP server that behaves as the worst ones do."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.notifier import email
from services.notifier.email import EmailChannel
from services.notifier.ports import Failed, Outcome, Refused, Sent
from shared.domain.errors import ConfigError
from shared.domain.notify_plan import EmailPlan
from tests.services.notifier.channel_contract import PATIENCE_S, ChannelContract
from tests.services.notifier.samples import ANNA, BEN, outgoing
from tests.testkit.authority import Authority
from tests.testkit.ports import free_port
from tests.testkit.smtp_server import POLITE, Manner, SmtpServer

SECRET = "correct horse battery"


class SmtpPeer:
    """The other side of an e-mail channel."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server

    def taken(self) -> list[str]:
        return [mail_id.partition(".")[0] for mail_id in self._server.ids()]

    def refuse(self) -> None:
        self._server.manner = Manner(rcpt={"*": "550 5.1.1 no such user"})

    def fail(self) -> None:
        self._server.manner = Manner(rcpt={"*": "451 4.3.0 try again"})

    def hang(self) -> None:
        self._server.manner = Manner(hang_at="ehlo")

    def take(self) -> None:
        self._server.manner = POLITE


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as made:
        yield made


def _plan(server: SmtpServer, **more: str) -> EmailPlan:
    return replace(EmailPlan("127.0.0.1", server.port, "none", "Ampward <b@example.org>"), **more)


def _channel(plan: EmailPlan, timeout_s: float = 20.0) -> EmailChannel:
    return EmailChannel(plan, site="demo", zone=ZoneInfo("Europe/Berlin"), timeout_s=timeout_s)


async def _why(plan: EmailPlan) -> str:
    """What a send that fails says."""
    answer = await _channel(plan).send(outgoing(1))
    assert isinstance(answer, Failed)
    return answer.why


class TestEmailChannel(ChannelContract):
    @pytest.fixture
    def channel(self, server: SmtpServer) -> EmailChannel:
        return _channel(_plan(server), timeout_s=PATIENCE_S / 2)

    @pytest.fixture
    def peer(self, server: SmtpServer) -> SmtpPeer:
        return SmtpPeer(server)


async def test_the_envelope_names_one_person(server: SmtpServer) -> None:
    """Sender and recipient of the envelope are the bare addresses, and nobody else's is in the mail."""
    await _channel(_plan(server)).send(outgoing(1, person=ANNA))
    mail = server.mails[0]
    assert (mail.sender, mail.recipients) == ("b@example.org", ("anna@example.org",))
    assert b"ben@" not in mail.content


async def test_it_greets_with_its_own_address(server: SmtpServer) -> None:
    """A box without a name in the DNS says its address, as the standard has it."""
    await _channel(_plan(server)).send(outgoing(1))
    assert server.helos == ["[127.0.0.1]"]


REFUSALS = {
    "a recipient refused for good": (Manner(rcpt={"*": "550 5.1.1 no such user"}), Refused),
    "a mailbox that is full for now": (Manner(rcpt={"*": "452 4.2.2 mailbox full"}), Failed),
    "a recipient who asks for a login": (Manner(rcpt={"*": "530 5.7.0 authentication required"}), Failed),
    "a text refused for good": (Manner(dot="554 5.6.0 not wanted"), Refused),
    "a text that is put off": (Manner(dot="451 4.7.1 greylisted"), Failed),
    "a sender refused, which a mended site file cures": (Manner(mail="553 5.7.1 not yours"), Failed),
    "a mail too big for it": (Manner(mail="552 5.3.4 too big"), Refused),
    "a server that is busy": (Manner(greeting="421 4.3.2 busy"), Failed),
    "a server that turns everyone away": (Manner(greeting="554 5.3.2 no service here"), Failed),
    "a server that is no mail server": (Manner(greeting="HTTP/1.1 400 Bad Request"), Failed),
    "an answer that is no answer": (Manner(ehlo="hello there"), Failed),
    "a line dropped at the greeting": (Manner(drop_at="greeting"), Failed),
    "a line dropped at the sender": (Manner(drop_at="mail"), Failed),
    "a line dropped at the recipient": (Manner(drop_at="rcpt"), Failed),
}


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.replace(" ", "-"))
async def test_each_refusal_is_told_for_what_it_is(server: SmtpServer, case: str) -> None:
    """Refused only when this message to this person will never be taken; the sentence quotes the server."""
    server.manner, kind = REFUSALS[case]
    answer = await _channel(_plan(server)).send(outgoing(1))
    assert type(answer) is kind
    assert isinstance(answer, Failed | Refused)
    assert str(server.port) in answer.why
    said = server.manner.dot or server.manner.mail or "".join(server.manner.rcpt.values())
    assert said in answer.why
    assert server.mails == []
    assert not (isinstance(answer, Failed) and answer.maybe_taken)


@pytest.mark.parametrize("step", ["greeting", "ehlo", "mail", "rcpt", "data", "dot"])
async def test_a_server_that_falls_silent_is_left_in_time(server: SmtpServer, step: str) -> None:
    """Wherever it hangs, the send ends within its time, says where, and its line is gone."""
    server.manner = Manner(hang_at=step)
    seconds = 3 if step in {"data", "dot"} else 1  # It has to come so far.
    answer = await asyncio.wait_for(_channel(_plan(server), timeout_s=seconds).send(outgoing(1)), 60)
    assert isinstance(answer, Failed)
    assert f"{seconds} s" in answer.why
    assert answer.maybe_taken == (step in {"data", "dot"})
    await _gone(server)


async def _gone(server: SmtpServer) -> None:
    async with asyncio.timeout(60):
        while server.open_lines:
            await asyncio.sleep(0.01)


async def test_a_server_that_drips_its_answers_is_left_in_time(server: SmtpServer) -> None:
    """Each byte comes in time, all of them together do not: a tarpit."""
    server.manner = Manner(drip_s=0.05)
    answer = await asyncio.wait_for(_channel(_plan(server), timeout_s=1.0).send(outgoing(1)), 60)
    assert isinstance(answer, Failed)
    await _gone(server)


async def test_a_line_that_breaks_after_the_final_dot_may_have_taken_it(server: SmtpServer) -> None:
    """The server has it and could not say so: the next attempt is a repeat and has the same Message-ID."""
    server.manner = Manner(drop_at="dot")
    channel = _channel(_plan(server))
    answer = await channel.send(outgoing(1))
    assert isinstance(answer, Failed)
    assert answer.maybe_taken
    server.manner = POLITE
    assert isinstance(await channel.send(outgoing(1, repeat=True)), Sent)
    first, second = server.mails
    assert first.id == second.id
    assert ("Ampward-Repeat" not in first.message, second.message["Ampward-Repeat"]) == (True, "yes")


async def test_a_slow_goodbye_takes_nothing_back(server: SmtpServer) -> None:
    """What was taken stays taken when the server hangs or drops the line at QUIT."""
    for manner in (Manner(hang_at="quit"), Manner(drop_at="quit")):
        server.manner = manner
        assert isinstance(await _channel(_plan(server)).send(outgoing(1)), Sent)
    await _gone(server)


async def test_one_refused_person_costs_the_others_nothing(server: SmtpServer) -> None:
    """Among accepted people the refused one alone is told as refused."""
    server.manner = Manner(rcpt={"ben@example.org": "550 5.1.1 no such user"})
    channel = _channel(_plan(server))
    answers: list[Outcome] = [await channel.send(outgoing(n, person=p)) for n, p in enumerate((ANNA, BEN, ANNA), 1)]
    assert [type(answer) for answer in answers] == [Sent, Refused, Sent]
    assert [mail.recipients for mail in server.mails] == [("anna@example.org",), ("anna@example.org",)]


async def test_the_receipt_is_what_the_server_said(server: SmtpServer) -> None:
    """The queue's number helps whoever looks for the mail later."""
    assert await _channel(_plan(server)).send(outgoing(1)) == Sent("250 2.0.0 queued as 1")


async def test_nobody_listens() -> None:
    """A refused connection is a failure with the server's name."""
    plan = EmailPlan("127.0.0.1", free_port(), "none", "b@example.org")
    assert await _why(plan) == f"the mail server 127.0.0.1:{plan.port} cannot be reached: connection refused"


async def test_a_name_that_nobody_knows() -> None:
    """A host that cannot be resolved is a failure with its name."""
    said = await _why(EmailPlan("mail.invalid", 25, "none", "b@example.org"))
    assert said.startswith("the mail server mail.invalid:25 cannot be found: its name cannot be resolved")


async def test_a_person_without_an_address(server: SmtpServer) -> None:
    """There is nothing to try."""
    answer = await _channel(_plan(server)).send(outgoing(1, person=replace(BEN, email="")))
    assert answer == Refused("ben has no e-mail address")
    assert server.connections == 0


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.fixture
def password(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text(f"{SECRET}\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_verified_line_carries_login_and_mail(authority: Authority, password: str, tls: str) -> None:
    """TLS from the start and by STARTTLS, the certificate checked against a file, the password from a file."""
    with SmtpServer(**{tls: authority.server()}, logins={"box": SECRET}) as server:  # type: ignore[arg-type]
        plan = _plan(server, tls=tls, ca_file=str(authority.ca_file), user="box", password_file=password)
        assert isinstance(await _channel(plan).send(outgoing(1)), Sent)
        assert (server.mails[0].is_tls, server.mails[0].user) == (True, "box")


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_certificate_of_a_stranger_is_not_trusted(authority: Authority, password: str, tls: str) -> None:
    """Nothing of a mail and no password goes to a server that cannot prove who it is."""
    with SmtpServer(**{tls: authority.server()}, logins={"box": SECRET}) as server:  # type: ignore[arg-type]
        said = await _why(_plan(server, tls=tls, user="box", password_file=password))
        assert "its certificate is not trusted" in said
        assert (server.mails, server.tries) == ([], [])


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_certificate_for_another_name_is_not_trusted(authority: Authority, tls: str) -> None:
    """The name in the certificate is the host of the site file."""
    with SmtpServer(**{tls: authority.server("DNS:mail.example.org")}) as server:  # type: ignore[arg-type]
        said = await _why(_plan(server, tls=tls, ca_file=str(authority.ca_file)))
        assert "its certificate is not trusted" in said
        assert server.mails == []


async def test_starttls_that_is_not_offered_is_no_plain_line(server: SmtpServer, password: str) -> None:
    """Whoever strips STARTTLS from the answer gets neither mail nor password."""
    said = await _why(_plan(server, tls="starttls", user="box", password_file=password))
    assert "does not offer STARTTLS" in said
    assert server.mails == []


async def test_a_wrong_password_is_told_without_it(authority: Authority, password: str) -> None:
    """The refusal names user and code; a mended file counts at the next connection."""
    with SmtpServer(starttls=authority.server(), logins={"box": "another"}) as server:
        ca_file = str(authority.ca_file)
        channel = _channel(_plan(server, tls="starttls", ca_file=ca_file, user="box", password_file=password))
        answer = await channel.send(outgoing(1))
        assert isinstance(answer, Failed)
        assert answer.why == f"the mail server 127.0.0.1:{server.port} refuses the login of box (535)"
        assert SECRET in server.tries
        Path(password).write_text("another", encoding="utf-8")
        assert isinstance(await channel.send(outgoing(1)), Sent)


FILES = {
    "not there": (None, "cannot be read: no such file or directory"),
    "empty": (b"", "must hold one line of 1 to 1024 characters"),
    "two lines": (b"one\ntwo\n", "must hold one line of 1 to 1024 characters"),
    "too long": (b"x" * 1025, "must hold one line of 1 to 1024 characters"),
    "no text": (b"\xff\xfe\x00", "is no UTF-8 text"),
}


@pytest.mark.parametrize("case", FILES, ids=lambda case: case.replace(" ", "-"))
async def test_a_password_file_that_is_none(authority: Authority, tmp_path: Path, case: str) -> None:
    """The sentence names the file and what is allowed, never what stands in it."""
    raw, said = FILES[case]
    path = tmp_path / "secret"
    if raw is not None:
        path.write_bytes(raw)
    with SmtpServer(starttls=authority.server()) as server:
        plan = _plan(server, tls="starttls", ca_file=str(authority.ca_file), user="box", password_file=str(path))
        assert await _why(plan) == f"password_file {path} {said}"


async def test_a_ca_file_that_is_none(server: SmtpServer, tmp_path: Path) -> None:
    """Missing, and without a certificate."""
    path = tmp_path / "ca.pem"
    assert await _why(_plan(server, tls="tls", ca_file=str(path))) == (
        f"ca_file {path} cannot be read: no such file or directory"
    )
    path.write_text("no certificate\n", encoding="utf-8")
    said = await _why(_plan(server, tls="tls", ca_file=str(path)))
    assert said == f"ca_file {path} holds no certificate in PEM form"


def test_a_password_never_crosses_a_foreign_line_in_clear() -> None:
    """Without TLS a login is for this machine alone."""
    lines = [
        ("none", "192.0.2.7"),
        ("none", "2001:db8::7"),
        ("none", "127.0.0.1"),
        ("none", "::1"),
        ("tls", "192.0.2.7"),
    ]
    assert [email.may_log_in(tls, peer) for tls, peer in lines] == [False, False, True, True, True]


FAULTS = {
    "a sender that is no address": ({"sender": "ampward"}, "from: 'ampward' is no address, as in"),
    "two senders": ({"sender": "a@example.org, b@example.org"}, "is no address, as in"),
    "a sender with a line end": (
        {"sender": "a@example.org\r\nRCPT TO:<x@y>"},
        "one line without control characters",
    ),
    "a user without a password": ({"user": "box"}, "user: a login needs its password_file"),
    "a password without a user": ({"password_file": "/etc/p"}, "password_file: a login needs its user"),
    "an unknown kind of TLS": ({"tls": "ssl"}, "tls: 'ssl' is none of none, starttls, tls"),
}


@pytest.mark.parametrize("case", FAULTS, ids=lambda case: case.replace(" ", "-"))
def test_a_plan_that_cannot_work_is_refused(case: str) -> None:
    """The sentence says which key and what is allowed."""
    change, said = FAULTS[case]
    plan = replace(EmailPlan("mail.example.org", 25, "starttls", "b@example.org"), **change)
    with pytest.raises(ConfigError, match=re.escape(said)):
        email.make(plan, site="demo", zone="Europe/Berlin")
    assert len(email.faults(plan)) == 1
