"""A real SMTP server (aiosmtpd) that misbehaves on demand and keeps what it really received, in order.

    with SmtpServer() as server:
        send_mail_to(server.port)
        server.manner = Manner(rcpt={"ben@example.org": "550 5.1.1 no such user"})   # from now on
        server.manner = Manner(drop_at="dot")       # takes the mail and breaks the line before its answer
        server.plan = lambda number: BUSY if number < 3 else POLITE      # by connection, counted from 0
        server.mails[0].message["Subject"]

A mail is in ``mails`` as soon as its final dot was read; ``answered`` says whether the client could hear so.
"""

import asyncio
import functools
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP as SMTP_POLICY
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.testkit.looping import LoopThread


@dataclass(frozen=True, slots=True)
class Manner:
    """How it answers; the default is polite. Steps are greeting, ehlo, auth, mail, rcpt, data, dot, quit."""

    greeting: str = ""
    """Instead of 220, such as ``421 4.3.2 busy``; the line is closed after it."""
    ehlo: str = ""
    mail: str = ""
    rcpt: Mapping[str, str] = field(default_factory=dict)
    """Answers by recipient, ``*`` for everyone else."""
    dot: str = ""
    """Instead of 250 after the final dot; the mail is not kept then."""
    hang_at: str = ""
    """At this step nothing is said for ever."""
    drop_at: str = ""
    """At this step the line is reset before the answer."""
    drip_s: float = 0.0
    """Every answer comes byte by byte with so much time between."""


POLITE = Manner()


@dataclass(slots=True)
class Mail:
    """One mail as it came over the wire."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    at: float
    """time.monotonic() when its final dot had been read."""
    user: str
    is_tls: bool
    answered: bool = False
    """The answer 250 was given to the line."""

    @property
    def message(self) -> EmailMessage:
        """As the standard library's mail reader understands it."""
        parsed = BytesParser(policy=SMTP_POLICY).parsebytes(self.content)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @property
    def id(self) -> str:
        """Message-ID without its brackets."""
        return str(self.message["Message-ID"]).strip("<> ")


class SmtpServer:
    """Listens on a free loopback port (or ``port``) in a thread of its own."""

    def __init__(
        self,
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        logins: Mapping[str, str] | None = None,
    ) -> None:
        self.manner = POLITE
        self.plan: Callable[[int], Manner] | None = None
        """Goes before ``manner``."""
        self.mails: list[Mail] = []
        self.connections = 0
        self.tries: list[str] = []
        """Passwords that were tried, in order."""
        self.helos: list[str] = []
        self.port = port
        self._tls = tls
        self._starttls = starttls
        self._logins = logins
        self._lines: set[_Line] = set()
        self._thread: LoopThread

    def __enter__(self) -> Self:
        self._thread = LoopThread("smtp-server")
        self._server = self._thread.call(self._listen)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.call(self._close)
        self._thread.end()

    @property
    def open_lines(self) -> int:
        """Connections that are open now."""
        return len(self._lines)

    def ids(self) -> list[str]:
        """Message-IDs in the order in which the mails came."""
        return [mail.id for mail in self.mails]

    async def _listen(self) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(self._made, "127.0.0.1", self.port, ssl=self._tls)

    async def _close(self) -> None:
        self._server.close()
        for line in list(self._lines):
            line.abort()
        while self._lines:
            await asyncio.sleep(0.005)

    def _made(self) -> "_Line":
        manner = self.plan(self.connections) if self.plan is not None else self.manner
        self.connections += 1
        check = None if self._logins is None else functools.partial(self._log_in, self._logins)
        line = _Line(self, manner, self._lines, tls_context=self._starttls, authenticator=check,
                     auth_require_tls=self._starttls is not None)  # fmt: skip
        # Set here because the constructor warns of logins without STARTTLS, which a line in TLS from the start needs.
        line._auth_required = check is not None
        return line

    def _log_in(
        self, logins: Mapping[str, str], _server: SMTP, session: Session, _envelope: Envelope, _how: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        user, password = data.login.decode(), data.password.decode()
        self.tries.append(password)
        session.user = user  # type: ignore[attr-defined]
        return AuthResult(success=logins.get(user) == password, handled=False)


class _Line(SMTP):
    """One connection; it is its own handler of aiosmtpd's hooks."""

    def __init__(self, server: SmtpServer, manner: Manner, lines: "set[_Line]", **settings: Any) -> None:
        self._owner = server
        self._manner = manner
        self._lines = lines
        self._step = "greeting"
        self._last: Mail | None = None
        super().__init__(self, hostname="test.example.org", ident="ready", timeout=3600, **settings)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._lines.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._lines.discard(self)
        super().connection_lost(error)

    def eof_received(self) -> bool:
        super().eof_received()
        return False

    def abort(self) -> None:
        """End it with RST."""
        transport = self._original_transport or self.transport
        if isinstance(transport, asyncio.Transport):
            transport.abort()

    async def push(self, status: str | bytes) -> None:
        text = status if isinstance(status, str) else status.decode()
        if self._step == "greeting" and self._manner.greeting:
            text = self._manner.greeting
        if self._manner.drop_at == self._step:
            self.abort()
            await asyncio.sleep(3600)
        if self._manner.hang_at == self._step:
            await asyncio.sleep(3600)
        if self._manner.drip_s:
            await self._drip(text)
        else:
            await super().push(text)
        if self._step == "dot" and self._last is not None and text.startswith("250"):
            self._last.answered = True
        if self._step == "greeting" and self._manner.greeting and self.transport is not None:
            self._writer.close()

    async def _drip(self, text: str) -> None:
        for byte in f"{text}\r\n".encode():
            self._writer.write(bytes((byte,)))
            await self._writer.drain()
            await asyncio.sleep(self._manner.drip_s)

    async def handle_EHLO(  # noqa: N802
        self, _server: SMTP, session: Session, _envelope: Envelope, name: str, answers: list[str]
    ) -> list[str]:
        self._step = "ehlo"
        session.host_name = name
        self._owner.helos.append(name)
        return [self._manner.ehlo] if self._manner.ehlo else answers

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802
        self._step = "auth"
        await super().smtp_AUTH(arg)

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self._step = "mail"
        if self._manner.mail:
            return self._manner.mail
        envelope.mail_from = address
        return "250 2.1.0 ok"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self._step = "rcpt"
        answer = self._manner.rcpt.get(address) or self._manner.rcpt.get("*")
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        self._step = "data"
        await super().smtp_DATA(arg)

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self._step = "dot"
        if self._manner.dot:
            return self._manner.dot
        self._last = Mail(
            sender=str(envelope.mail_from),
            recipients=tuple(envelope.rcpt_tos),
            content=bytes(envelope.original_content or b""),
            at=time.monotonic(),
            user=getattr(session, "user", "") if session.authenticated else "",
            is_tls=session.ssl is not None or self._tls_now(),
        )
        self._owner.mails.append(self._last)
        return f"250 2.0.0 queued as {len(self._owner.mails)}"

    async def handle_QUIT(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        self._step = "quit"
        return "221 2.0.0 bye"

    def _tls_now(self) -> bool:
        return self.transport is not None and self.transport.get_extra_info("sslcontext") is not None
