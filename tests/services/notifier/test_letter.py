"""A mail as another program reads it: the standard library's mail parser."""

import re
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP, strict
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.notifier.letter import NAME_CHARACTERS_MAX, TEXT_CHARACTERS_MAX, compose, mailbox
from services.notifier.ports import Outgoing
from shared.runtime.outside import Mailbox
from tests.services.notifier.samples import AT_MS, BEN, outgoing

SENDER = Mailbox("Ampward", "box@example.org")
NAMES = [
    "Date", "From", "To", "Subject", "Message-ID", "References", "Auto-Submitted", "X-Auto-Response-Suppress",
    "Importance", "X-Priority", "Content-Language", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
]  # fmt: skip
"""Every header of a first message, in order."""


def _bytes(message: Outgoing, site: str = "demo") -> bytes:
    return compose(message, site=site, zone=ZoneInfo("Europe/Berlin"), sender=SENDER, to="ben@example.org")


def _read(message: Outgoing, site: str = "demo") -> EmailMessage:
    parsed = BytesParser(policy=SMTP + strict).parsebytes(_bytes(message, site))
    assert isinstance(parsed, EmailMessage)
    return parsed


def _text(mail: EmailMessage) -> str:
    return str(mail.get_content()).replace("\r\n", "\n")


def test_the_headers_of_a_first_message() -> None:
    """One of each, and none that nobody asked for."""
    mail = _read(outgoing(1))
    assert mail.keys() == NAMES
    assert mail["From"] == "Ampward <box@example.org>"
    assert mail["To"] == "Ben <ben@example.org>"
    assert mail["Subject"] == "CRITICAL h2_alarm r1"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert _text(mail) == "Leave.\n"


def test_the_id_is_made_of_message_and_site() -> None:
    """The same message has the same id at every attempt, another site's has another."""
    one = f"{outgoing(1).id}.demo@example.org"
    assert [str(_read(outgoing(1))["Message-ID"]) for _ in range(2)] == [f"<{one}>"] * 2
    assert str(_read(outgoing(1), "depot")["Message-ID"]) == f"<{outgoing(1).id}.depot@example.org>"


def test_the_same_message_is_the_same_bytes() -> None:
    """Nothing of the moment of an attempt is in it."""
    assert _bytes(outgoing(1)) == _bytes(outgoing(1))


def test_a_thread_holds_together() -> None:
    """In-Reply-To is the mail before, References the thread and what was sent of it, oldest first."""
    first, second, third = (outgoing(n) for n in (1, 2, 3))
    third = replace(third, follows=(first.id, second.id))
    mail = _read(third)
    assert mail["In-Reply-To"] == _read(second)["Message-ID"]
    root, *earlier = str(mail["References"]).split()
    assert earlier == [str(_read(each)["Message-ID"]) for each in (first, second)]
    assert str(_read(first)["References"]) == root
    assert "In-Reply-To" not in _read(first)


def test_a_long_thread_names_its_last_mails() -> None:
    """A header does not grow without end."""
    mail = _read(outgoing(99, follows=tuple(f"{n:032x}" for n in range(50))))
    references = str(mail["References"]).split()
    assert len(references) == 11
    assert references[-1] == str(mail["In-Reply-To"])


def test_the_date_is_the_sites() -> None:
    """When it was planned, with the zone's offset of that moment, winter and summer."""
    winter = _read(outgoing(1))["Date"].datetime
    summer = _read(replace(outgoing(1), at_ms=AT_MS + 180 * 86_400_000))["Date"].datetime
    assert int(winter.timestamp()) * 1000 == AT_MS
    assert [each.utcoffset() for each in (winter, summer)] == [timedelta(hours=1), timedelta(hours=2)]


def test_a_repeat_and_a_grave_alarm_say_so() -> None:
    """Programs see it in a header; a warning claims no importance."""
    assert _read(outgoing(1, repeat=True))["Ampward-Repeat"] == "yes"
    assert _read(outgoing(1))["Importance"] == "high"
    assert "Importance" not in _read(replace(outgoing(1), severity="warning"))


WILD = {
    "line ends": ("r1\r\nBcc: x@example.org", "r1 Bcc: x@example.org"),
    "a bare return and a bare line feed": ("a\rb\nc", "a b c"),
    "exotic line ends": ("a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g", "a b c d e f g"),
    "zero and escape": ("a\x00b\x1b[2Jc", "a b [2Jc"),
    "a turned direction": ("safe\u202egpj.exe", "safegpj.exe"),
    "half a character": ("a\ud800b", "a b"),
    "an encoded word": ("=?utf-8?q?a=0D=0ABcc:_x?=", "=?utf-8?q?a=0D=0ABcc:_x?="),
    "other scripts": ("Batterieraum Süd 電池 🔥", "Batterieraum Süd 電池 🔥"),
    "quotes": ('say "stop" \\ <x@y>, z', 'say "stop" \\ <x@y>, z'),
}


@pytest.mark.parametrize("case", WILD, ids=lambda case: case.replace(" ", "-"))
def test_no_name_breaks_out_of_its_header(case: str) -> None:
    """In a subject and in a person's name: read back as one line, with the same headers as ever."""
    raw, shown = WILD[case]
    mail = _read(outgoing(1, subject=raw, person=replace(BEN, name=raw)))
    assert mail.keys() == NAMES
    assert mail["Subject"] == shown
    (to,) = mail["To"].addresses
    assert (to.display_name, to.addr_spec) == (shown, "ben@example.org")


@given(some.text(max_size=300), some.text(max_size=300), some.text(max_size=2000))
def test_no_text_at_all_breaks_a_mail(subject: str, name: str, text: str) -> None:
    """ASCII in short lines, no bare line end, the same headers; the text comes back but for control characters."""
    message = outgoing(1, subject=subject, person=replace(BEN, name=name), text=text)
    raw = _bytes(message)
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\x00", raw)
    mail = _read(message)
    assert list(mail.keys()) == NAMES
    (to,) = mail["To"].addresses
    assert to.addr_spec == "ben@example.org"
    kept = "".join(each for each in text if each.isalnum() or each in ".=-")
    assert "".join(each for each in _text(mail) if each.isalnum() or each in ".=-") == kept


def test_very_long_words_are_cut() -> None:
    """A name of a megabyte costs a line, not a mail; a text ends in an ellipsis."""
    message = outgoing(1, subject="ß" * 1_000_000, person=replace(BEN, name="x" * 1_000_000), text="y" * 1_000_000)
    mail = _read(message)
    assert len(mail["Subject"]) == 200
    # The standard library's reader leaves a blank between two encoded words of a name.
    assert len(mail["To"].addresses[0].display_name.replace(" ", "")) == NAME_CHARACTERS_MAX
    assert len(_text(mail)) == TEXT_CHARACTERS_MAX + 1
    assert _text(mail).endswith("y…\n")
    assert max(map(len, _bytes(message).split(b"\r\n"))) <= 200


def test_lines_of_dots_come_through() -> None:
    """A dot alone ends a mail for SMTP; in the text it is a dot."""
    assert _text(_read(outgoing(1, text=".\n..\n.x\n"))) == ".\n..\n.x\n"


def test_foreign_ids_are_told_by_their_hash() -> None:
    """An id that is no plain word (a group's) cannot bend a header either."""
    mail = _read(replace(outgoing(1), thread="r1/h2 alarm>\r\nBcc: x", follows=("a b",)))
    assert "Bcc" not in mail
    assert re.fullmatch(r"<[0-9a-f]{32}\.demo@example\.org>", str(mail["In-Reply-To"]))


ADDRESSES = {
    "anna@example.org": ("", "anna@example.org"),
    "a.b+c@mail.example.org": ("", "a.b+c@mail.example.org"),
    "Anna Berg <anna@example.org>": ("Anna Berg", "anna@example.org"),
    "anna@bücher.example": ("", "anna@xn--bcher-kva.example"),
    "root@localhost": ("", "root@localhost"),
    "": "is no address, as in",
    "anna": "is no address, as in",
    "a@example.org, b@example.org": "is no address, as in",
    "@example.org": "before the @",
    "a b@example.org": "before the @",
    "änna@example.org": "before the @",
    "a@b@example.org": "before the @",
    f"{'a' * 65}@example.org": "before the @",
    ".a@example.org": "before the @",
    "anna@": "after the @",
    "anna@-x.org": "after the @",
    "anna@exa mple.org": "after the @",
    "anna@example..org": "after the @",
    f"anna@{'a.' * 200}org": "after the @",
    "anna@example.org>": "after the @",
    "anna@example.org\r\nDATA": "without control characters",
    "anna@example.org\x00": "without control characters",
}


@pytest.mark.parametrize("text", ADDRESSES, ids=lambda text: repr(text)[:30])
def test_an_address_is_one_mailbox_or_a_sentence(text: str) -> None:
    """What stands in a command to a server is letters, digits and a domain, or nothing is said to it."""
    wanted = ADDRESSES[text]
    if isinstance(wanted, tuple):
        assert mailbox(text) == wanted
        return
    with pytest.raises(ValueError, match=re.escape(wanted)):
        mailbox(text)
