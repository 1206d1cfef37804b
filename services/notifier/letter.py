"""One message as a mail: header lines and body, built line by line.

Promises: the same Outgoing is the same bytes; every header is one header, whatever a person, a room or a device is
called; all of it is ASCII in lines of at most 78 characters, but for a single word that cannot be broken (a long
Message-ID), so that no server has to support more than RFC 5321 asks. Message-ID is made of the message's and the
site's id; References starts with an id of the thread itself, so that a mail reader keeps the mails of one occurrence
together even when the first of them was never sent.

Limits: a subject of 200 characters, a text of 100,000, the 10 last mails of a thread in References (an id has at most
350 characters, ten of them 3.5 KiB of header).
"""

import hashlib
import quopri
import re
from email.header import Header
from email.utils import format_datetime
from zoneinfo import ZoneInfo

from services.notifier.plain import lines, one_line
from services.notifier.ports import Outgoing
from shared.runtime.outside import Mailbox, Wrong, read_mailbox
from shared.wire.instants import instant

SUBJECT_CHARACTERS_MAX = 200
TEXT_CHARACTERS_MAX = 100_000
NAME_CHARACTERS_MAX = 100
FOLLOWS_MAX = 10
_LINE_MAX = 76
FOLD = "\r\n "
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def mailbox(text: str) -> Mailbox:
    """Name and address as the site file's check reads them; ValueError says what is wrong."""
    found = read_mailbox(text)
    if isinstance(found, Wrong):
        raise ValueError(str(found))
    return found


def compose(message: Outgoing, *, site: str, zone: ZoneInfo, sender: Mailbox, to: str) -> bytes:
    """The mail's bytes, lines ended by CR LF; ``to`` is the person's address as :func:`mailbox` gave it."""
    domain = sender[1].rpartition("@")[2]

    def reference(kind: str, each: str) -> str:
        return f"<{kind}{_token(each)}.{_token(site)}@{domain}>"

    earlier = [reference("", each) for each in message.follows]
    headers = [
        f"Date: {format_datetime(instant(message.at_ms).astimezone(zone))}",
        _mailbox_header("From", *sender),
        _mailbox_header("To", message.person.name, to),
        _text_header("Subject", one_line(message.subject, SUBJECT_CHARACTERS_MAX)),
        f"Message-ID: {reference('', message.id)}",
        *(f"In-Reply-To: {each}" for each in earlier[-1:]),
        FOLD.join((f"References: {reference('thread.', message.thread)}", *earlier[-FOLLOWS_MAX:])),
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
        *(("Importance: high", "X-Priority: 1 (Highest)") if message.severity == "critical" else ()),
        *(("Ampward-Repeat: yes",) if message.repeat else ()),
        f"Content-Language: {_token(message.language)}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
    ]
    body = f"{lines(message.text, TEXT_CHARACTERS_MAX).rstrip()}\n".encode()
    encoded = quopri.encodestring(body).replace(b"\n", b"\r\n")
    return "\r\n".join((*headers, "", "")).encode("ascii") + encoded


def _token(each: str) -> str:
    """An id as it stands; anything else as a hash of it."""
    if _ID.fullmatch(each):
        return each
    return hashlib.sha256(each.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _is_plain(text: str) -> bool:
    """ASCII, and nothing that a reader would take for an encoded word."""
    return text.isascii() and "=?" not in text


def _text_header(name: str, text: str) -> str:
    """As encoded words, folded, when it is not plain ASCII."""
    charset = "us-ascii" if _is_plain(text) else "utf-8"
    return f"{name}: {Header(text, charset, maxlinelen=_LINE_MAX, header_name=name).encode(linesep=FOLD[:2])}"


def _mailbox_header(header: str, name: str, address: str) -> str:
    shown = one_line(name, NAME_CHARACTERS_MAX)
    if not shown:
        return f"{header}: {address}"
    if _is_plain(shown):
        escaped = shown.replace("\\", r"\\").replace('"', r"\"")
        written = f'{header}: "{escaped}"'
    else:
        written = _text_header(header, shown)
    return f"{written}{' ' if len(written) + len(address) < _LINE_MAX else FOLD}<{address}>"
