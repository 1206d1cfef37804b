"""The servers that misbehave are real servers first: other programs can use them, and they keep what they got."""

import http.client
import smtplib
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.testkit.authority import Authority
from tests.testkit.http_sink import Answer, HttpSink
from tests.testkit.smtp_server import POLITE, Manner, SmtpServer

LETTER = "Subject: hello\r\nMessage-ID: <1@example.org>\r\n\r\n.\r\nend\r\n"


def _send(server: SmtpServer) -> None:
    with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as client:
        client.sendmail("a@example.org", ["b@example.org"], LETTER)


def test_swaks_logs_in_and_sends_a_mail() -> None:
    """A mail program of others finds an SMTP server, and its mail is kept as it was sent."""
    with SmtpServer(logins={"box": "secret"}) as server:
        command = ["swaks", "--server", f"127.0.0.1:{server.port}", "--from", "a@example.org", "--to", "b@example.org",
                   "--auth", "PLAIN", "--auth-user", "box", "--auth-password", "secret",
                   "--header", "Subject: hello", "--body", "first line"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        (mail,) = server.mails
    assert (mail.sender, mail.recipients, mail.user) == ("a@example.org", ("b@example.org",), "box")
    assert mail.message["Subject"] == "hello"
    assert "first line" in mail.message.get_content()
    assert mail.answered


def test_a_wrong_login_and_no_login_are_refused() -> None:
    """Nothing is kept of either."""
    with SmtpServer(logins={"box": "secret"}) as server:
        with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as client:
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("box", "wrong")
            with pytest.raises(smtplib.SMTPSenderRefused):
                client.sendmail("a@example.org", ["b@example.org"], LETTER)
        assert server.mails == []
        assert "wrong" in server.tries


@pytest.mark.parametrize("is_direct", [True, False], ids=["tls", "starttls"])
def test_tls_works_with_the_authoritys_certificate(tmp_path: Path, *, is_direct: bool) -> None:
    """From the start and by STARTTLS, for whoever trusts the authority and nobody else."""
    authority = Authority(tmp_path / "ca")
    context = authority.server()
    trusting, other = authority.client(), ssl.create_default_context()
    with SmtpServer(tls=context if is_direct else None, starttls=None if is_direct else context) as server:

        def connect(own: ssl.SSLContext) -> smtplib.SMTP:
            if is_direct:
                return smtplib.SMTP_SSL("127.0.0.1", server.port, timeout=5, context=own)
            client = smtplib.SMTP("127.0.0.1", server.port, timeout=60)
            try:
                client.starttls(context=own)
            except BaseException:
                client.close()
                raise
            return client

        with connect(trusting) as client:
            client.sendmail("a@example.org", ["b@example.org"], LETTER)
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(other)
        assert [mail.is_tls for mail in server.mails] == [True]


def test_a_mail_server_misbehaves_as_it_is_told() -> None:
    """By recipient, at the final dot, at any step; it keeps what it took, and knows whether the sender heard of it."""
    with SmtpServer() as server:
        server.manner = Manner(rcpt={"b@example.org": "550 no such user"})
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            _send(server)
        server.manner = Manner(dot="451 later")
        with pytest.raises(smtplib.SMTPDataError):
            _send(server)
        assert server.mails == []
        server.manner = Manner(drop_at="dot")
        with pytest.raises(smtplib.SMTPServerDisconnected):
            _send(server)
        server.manner = POLITE
        _send(server)
        assert [mail.answered for mail in server.mails] == [False, True]
        assert server.ids() == ["1@example.org"] * 2
        assert server.mails[0].message.get_content() == ".\r\nend\r\n"


def test_a_plan_treats_each_connection_in_its_own_way() -> None:
    """Counted from the first one."""
    with SmtpServer() as server:
        server.plan = lambda number: Manner(greeting="421 busy") if number < 2 else POLITE
        for _ in range(2):
            with pytest.raises(smtplib.SMTPConnectError):
                _send(server)
        _send(server)
        assert (server.connections, len(server.mails)) == (3, 1)


def test_an_http_sink_keeps_requests_and_answers_as_it_is_told() -> None:
    """Two requests on one line, a status with its headers, a line dropped after the request."""
    with HttpSink() as sink:
        line = http.client.HTTPConnection("127.0.0.1", sink.port, timeout=60)
        for body in (b"one", b"two"):
            line.request("POST", "/hook?x=1", body=body, headers={"X-Name": "value"})
            assert line.getresponse().read() == b""
        line.close()
        assert sink.connections == 1
        assert [(request.body, request.target, request.headers["x-name"]) for request in sink.requests] == [
            (b"one", "/hook?x=1", "value"), (b"two", "/hook?x=1", "value"),
        ]  # fmt: skip
        sink.manner = Answer(status=503, headers={"Retry-After": "7"}, body=b"busy")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(sink.url, timeout=60)
        with refused.value:
            assert (refused.value.code, refused.value.headers["Retry-After"], refused.value.read()) == (
                503,
                "7",
                b"busy",
            )
        sink.manner = Answer(drop_at="answer")
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            urllib.request.urlopen(sink.url, timeout=60)
        assert [request.answered for request in sink.requests] == [True, True, True, False]
