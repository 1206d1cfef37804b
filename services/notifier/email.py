"""E-mail: one mail to one person over SMTP (RFC 5321, 3207, 4954), one connection a mail.

Promises: a send ends within its time, whatever the server does, and its line is gone then. The peer is verified when
TLS is asked for; STARTTLS that is not offered is a failure, never a plain connection. The password is read from its
file at each connection, crosses only a verified TLS line or this machine's own loopback, and is in no answer; nor is
what a server says to a login.

What became of it: a recipient or a text refused for good (5xx to RCPT, DATA or the final dot; 552 to MAIL) is Refused.
Everything else that goes wrong is Failed: 4xx, but also a greeting, a login, a sender or a TLS handshake refused, since
these are troubles of the line or of the site file and pass when they are mended. When the line breaks or time runs out
after DATA was begun, the server may have taken the mail: ``maybe_taken``.

Limits: a message as services.notifier.letter has it; the server's words are cut at 160 characters. The library bounds
an answer at 32 KiB. One mail a connection and no queue of its own: whoever sends bounds the sends at a time.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import aiosmtplib

from services.notifier.letter import compose, mailbox
from services.notifier.network import ADDRESSES_MAX, Resolve, resolve, why
from services.notifier.plain import one_line
from services.notifier.ports import Channel, Failed, Outcome, Outgoing, Refused, Sent
from shared.domain.errors import ConfigError
from shared.domain.notify_plan import EmailPlan

TIMEOUT_S = 30.0
QUIT_S = 1.0
"""A mail that is taken is taken: a server that is slow to say goodbye is left."""
PASSWORD_BYTES_MAX = 1024
WORDS_MAX = 160
_LOGIN = frozenset((530, 534, 535, 538))
"""Answers that ask for a login, whatever they answer to (RFC 4954)."""
_FOR_GOOD = frozenset(("recipient", "text"))
_TOO_BIG = 552


def make(plan: EmailPlan, *, site: str, zone: str, timeout_s: float = TIMEOUT_S) -> Channel:
    """The channel; ConfigError when the plan cannot work. ``zone`` is the site's, as in Europe/Berlin."""
    found = faults(plan)
    if found:
        raise ConfigError("; ".join(found))
    return EmailChannel(plan, site=site, zone=ZoneInfo(zone), timeout_s=timeout_s)


def faults(plan: EmailPlan) -> list[str]:
    """What is wrong with it, sentence by sentence; nothing is opened."""
    found = []
    try:
        mailbox(plan.sender)
    except ValueError as fault:
        found.append(f"from: {fault}")
    if plan.tls not in {"none", "starttls", "tls"}:
        found.append(f"tls: {plan.tls!r} is none of none, starttls, tls")
    if plan.user and not plan.password_file:
        found.append("user: a login needs its password_file")
    if plan.password_file and not plan.user:
        found.append("password_file: a login needs its user")
    return found


@dataclass(slots=True)
class _Progress:
    """How far one send has come, so that a line that ends tells at what."""

    at: str = "connecting"
    what: str = "line"
    """``sender``, ``recipient`` or ``text``: what the server is judging now."""
    is_handed_over: bool = False
    taken: tuple[Sent, ...] = ()
    """The server's word for it; nothing that goes wrong afterwards takes it back."""


class _Trouble(Exception):
    """Trouble with a sentence of its own, before the server was asked about the message."""


class EmailChannel:
    """Implements services.notifier.ports.Channel."""

    name = "email"

    def __init__(
        self,
        plan: EmailPlan,
        *,
        site: str,
        zone: ZoneInfo,
        timeout_s: float = TIMEOUT_S,
        resolver: Resolve = resolve,
    ) -> None:
        self._plan = plan
        self._site = site
        self._zone = zone
        self._timeout_s = timeout_s
        self._resolve = resolver
        self._server = f"the mail server {one_line(plan.host, WORDS_MAX)}:{plan.port}"

    async def send(self, message: Outgoing) -> Outcome:
        if not message.person.email:
            return Refused(f"{message.person.id} has no e-mail address")
        try:
            _, to = mailbox(message.person.email)
        except ValueError as fault:
            return Refused(str(fault))
        sender = mailbox(self._plan.sender)
        letter = compose(message, site=self._site, zone=self._zone, sender=sender, to=to)
        progress = _Progress()
        failed = await self._tried(letter, sender[1], to, progress)
        return progress.taken[0] if progress.taken else failed

    async def close(self) -> None:
        """Nothing is kept open between sends."""

    async def _tried(self, letter: bytes, sender: str, to: str, progress: _Progress) -> Outcome:
        """What became of it; ``progress`` knows better when trouble came after it was taken."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._deliver(letter, sender, to, progress)
        except aiosmtplib.SMTPResponseException as answer:
            return self._judged(answer.code, answer.message, progress)
        except _Trouble as trouble:
            return Failed(str(trouble))
        except TimeoutError:
            said = f"{self._server} gave no answer within {self._timeout_s:g} s ({progress.at})"
            return Failed(said, maybe_taken=progress.is_handed_over)
        except aiosmtplib.SMTPServerDisconnected:
            return Failed(f"{self._server} broke the line ({progress.at})", maybe_taken=progress.is_handed_over)
        except (aiosmtplib.SMTPException, OSError, ValueError) as trouble:
            said = f"{self._server} cannot be used ({progress.at}): {why(trouble)}"
            return Failed(said, maybe_taken=progress.is_handed_over)
        return progress.taken[0]

    async def _deliver(self, letter: bytes, sender: str, to: str, progress: _Progress) -> None:
        tls = await asyncio.to_thread(self._tls)
        sock = await self._connect()
        async with self._session(sock, tls, progress) as client:
            await self._log_in(client, sock, progress)
            progress.at, progress.what = "at the sender", "sender"
            await client.mail(sender)
            progress.at, progress.what = "at the recipient", "recipient"
            await client.rcpt(to)
            progress.at, progress.what, progress.is_handed_over = "at the text", "text", True
            answer = await client.data(letter)
            progress.taken = (Sent(one_line(f"{answer.code} {answer.message}", WORDS_MAX)),)
            async with asyncio.timeout(QUIT_S):
                await client.quit()

    async def _connect(self) -> socket.socket:
        """A socket that is connected to one of the server's addresses."""
        last: OSError | None = None
        loop = asyncio.get_running_loop()
        try:
            addresses = await self._resolve(self._plan.host, self._plan.port)
        except OSError as unknown:
            raise _Trouble(f"{self._server} cannot be found: {why(unknown)}") from unknown
        for address in addresses[:ADDRESSES_MAX]:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.settimeout(0)
            share_s = self._timeout_s / min(len(addresses), ADDRESSES_MAX)
            try:
                async with asyncio.timeout(share_s):
                    await loop.sock_connect(sock, (address, self._plan.port))
                return sock
            except OSError as error:
                sock.close()
                last = error
            except BaseException:
                sock.close()
                raise
        raise _Trouble(f"{self._server} cannot be reached: {why(last or OSError())}") from last

    @asynccontextmanager
    async def _session(
        self, sock: socket.socket, tls: ssl.SSLContext | None, progress: _Progress
    ) -> AsyncIterator[aiosmtplib.SMTP]:
        """A greeted server, with TLS when asked for; the line is gone at the end, whatever happened."""
        is_direct = self._plan.tls == "tls"
        client = aiosmtplib.SMTP(
            hostname=self._plan.host,
            local_hostname=_literal(sock),
            sock=sock,
            use_tls=is_direct,
            start_tls=False,
            tls_context=tls,
            timeout=None,
        )
        transport = None
        try:
            progress.at = "at the TLS handshake" if is_direct else "at the greeting"
            await client.connect()
            progress.at = "at the greeting"
            transport = client.transport
            if self._plan.tls == "starttls":
                await client.ehlo()
                if not client.supports_extension("starttls"):
                    raise _Trouble(f"{self._server} does not offer STARTTLS, which the site file asks for")
                progress.at = "at the TLS handshake"
                await client.starttls()
            yield client
        finally:
            for each in {transport, client.transport} - {None}:
                if isinstance(each, asyncio.WriteTransport):
                    each.abort()
            client.close()
            if transport is None:
                sock.close()

    async def _log_in(self, client: aiosmtplib.SMTP, sock: socket.socket, progress: _Progress) -> None:
        if not self._plan.user:
            return
        if not may_log_in(self._plan.tls, sock.getpeername()[0]):
            raise _Trouble("the password is not sent over a line without TLS: set tls to starttls or tls")
        password = await asyncio.to_thread(self._password)
        progress.at = "at the greeting"
        await client.ehlo()
        if not client.supported_auth_methods:
            raise _Trouble(f"{self._server} offers no login that is known here (PLAIN, LOGIN or CRAM-MD5)")
        progress.at = "at the login"
        try:
            await client.login(self._plan.user, password)
        except aiosmtplib.SMTPResponseException as refused:
            # The server's own words are left out: it may say again what it was told.
            raise _Trouble(f"{self._server} refuses the login of {self._plan.user} ({refused.code})") from None

    def _password(self) -> str:
        path = Path(self._plan.password_file)
        try:
            with path.open("rb") as file:
                raw = file.read(PASSWORD_BYTES_MAX + 1)
        except OSError as error:
            raise _Trouble(f"password_file {path} cannot be read: {why(error)}") from None
        try:
            password = raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise _Trouble(f"password_file {path} is no UTF-8 text") from None
        if not password or len(raw) > PASSWORD_BYTES_MAX or not password.isprintable():
            raise _Trouble(f"password_file {path} must hold one line of 1 to {PASSWORD_BYTES_MAX} characters")
        return password

    def _tls(self) -> ssl.SSLContext | None:
        """A context that verifies the peer; its files are read each time, so that a renewed one counts at once."""
        if self._plan.tls == "none":
            return None
        try:
            return ssl.create_default_context(cafile=self._plan.ca_file or None)
        except ssl.SSLError:
            raise _Trouble(f"ca_file {self._plan.ca_file} holds no certificate in PEM form") from None
        except OSError as error:
            raise _Trouble(f"ca_file {self._plan.ca_file} cannot be read: {why(error)}") from None

    def _judged(self, code: int, words: str, progress: _Progress) -> Outcome:
        """What a server's refusal means."""
        if not 400 <= code < 600:
            return Failed(f"{self._server} does not speak SMTP ({progress.at})", maybe_taken=progress.is_handed_over)
        said = f"{self._server} refuses the {progress.what}: {one_line(f'{code} {words}', WORDS_MAX)}"
        is_about_it = progress.what in _FOR_GOOD or (progress.what == "sender" and code == _TOO_BIG)
        if code >= 500 and is_about_it and code not in _LOGIN:
            return Refused(said)
        return Failed(said)


def may_log_in(tls: str, peer: str) -> bool:
    """Whether a password may cross this line: a verified one, or one that does not leave this machine."""
    return tls != "none" or ipaddress.ip_address(peer.partition("%")[0]).is_loopback


def _literal(sock: socket.socket) -> str:
    """This end's address as EHLO takes it from a machine without a name of its own (RFC 5321, 4.1.3)."""
    address = str(sock.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
