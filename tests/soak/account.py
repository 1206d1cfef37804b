"""The account of what people were told: what had to be told against what the servers really received.

The ledger only says which events a message was about. Every copy of a message after its first must be marked as a
repeat, and must have a reason: a line that the server broke before its answer, or a kill while the ledger had the
message as under way.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from standardwebhooks import Webhook

from services.notifier.messages import FROM_EVENTS, Message
from tests.testkit.http_sink import Request
from tests.testkit.smtp_server import Mail

Messages = dict[str, tuple[Message, str]]
"""Message and state by id, out of the ledger."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One message as it arrived, once."""

    id: str
    channel: str
    person: str
    at: float
    """time.monotonic()"""
    is_repeat: bool
    answered: bool


@dataclass(slots=True)
class Account:
    """What came of it."""

    missed: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    """Without a reason, or without the mark."""
    excused: int = 0
    """Copies that have a reason and the mark."""
    faults: list[str] = field(default_factory=list)

    @property
    def all(self) -> list[str]:
        """Everything that did not hold."""
        return self.missed + self.doubled + self.faults


def read_states(folder: Path) -> list[tuple[str, str]]:
    """Id and state of every message of a ledger; none while it is not begun."""
    if not (folder / "notify.db").exists():
        return []
    with closing(sqlite3.connect(folder / "notify.db", timeout=10)) as db:
        has = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'message'").fetchone()
        return db.execute("SELECT id, state FROM message").fetchall() if has else []


def read_messages(folder: Path) -> Messages:
    """Everything that a ledger has planned."""
    if not read_states(folder):
        return {}
    with closing(sqlite3.connect(folder / "notify.db", timeout=10)) as db:
        rows = db.execute("SELECT id, body, state FROM message").fetchall()
    decode = msgspec.json.Decoder(Message).decode
    return {ident: (decode(body), state) for ident, body, state in rows}


def copies_of(mails: Sequence[Mail], requests: Sequence[Request]) -> list[Copy]:
    """Everything that arrived, in order for each channel; a request that was answered with a refusal did not."""
    by_mail = [
        Copy(mail.id.partition(".")[0], "email", mail.recipients[0].partition("@")[0], mail.at,
             "Ampward-Repeat" in mail.message, mail.answered)
        for mail in mails
    ]  # fmt: skip
    by_hook = [
        Copy(request.headers["webhook-id"], "webhook", words["person"], request.at, words["repeat"],
             request.answered and 200 <= request.status < 300)
        for request in requests
        for words in (msgspec.json.decode(request.body)["data"]["message"],)
        if not request.answered or 200 <= request.status < 300
    ]  # fmt: skip
    return by_mail + by_hook


def judge_copies(copies: Sequence[Copy], messages: Messages, under_way: Counter[str], found: Account) -> None:
    """Each message at most once, but for copies that have the mark and a reason; ``under_way`` counts kills."""
    seen: defaultdict[str, list[Copy]] = defaultdict(list)
    for copy in copies:
        seen[copy.id].append(copy)
    for ident, group in seen.items():
        extra = len(group) - 1
        found.doubled += [f"{ident} came again without its mark" for copy in group[1:] if not copy.is_repeat]
        reasons = sum(not copy.answered for copy in group) + under_way[ident]
        if extra > reasons:
            found.doubled += [f"{ident} came {len(group)} times, {reasons} reasons"] * (extra - reasons)
        found.excused += min(extra, reasons)
        if ident not in messages:
            found.faults.append(f"{ident} arrived and is in no ledger")
    for ident, (_, state) in messages.items():
        if state == "sent" and ident not in seen:
            found.faults.append(f"message {ident} stands as sent and never arrived")


def judge_events(
    events: Collection[str],
    lanes: Sequence[str],
    refused: Collection[str],
    heard: tuple[Sequence[Copy], Messages],
    found: Account,
) -> None:
    """Each of these events (by id) in exactly one message that arrived, for each lane; refused ones got nothing."""
    copies, messages = heard
    arrived = {copy.id for copy in copies}
    told: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for ident, (message, _) in messages.items():
        if ident in arrived:
            for item in message.items:
                if item.kind in FROM_EVENTS:
                    told[item.event.id, message.lane.key].add(ident)
    for event in events:
        for lane in lanes:
            count = len(told[event, lane])
            if lane in refused:
                found.faults += [f"{lane} refuses and was told of {event}"] if count else []
            elif not count:
                found.missed.append(f"{lane}: {event}")
            elif count > 1:
                found.doubled.append(f"{lane}: {event} in {count} messages")


def judge_bodies(
    mails: Sequence[Mail], requests: Sequence[Request], messages: Messages, secret: str, found: Account
) -> None:
    """What arrived says what the ledger says it does; a webhook's signature is verified by another program."""
    for request in requests:
        body = Webhook(secret).verify(request.body, request.headers) if secret else msgspec.json.decode(request.body)
        data = body["data"]
        said = {event["id"] for event in data["events"]} if "events" in data else {body["id"]}
        ident = request.headers["webhook-id"]
        stands = {item.event.id for item in messages[ident][0].items} if ident in messages else said
        if not said <= stands or len(stands - said) != data.get("left_out", 0):
            found.faults.append(f"webhook {ident} does not say what it stands for")
    for mail in mails:
        text = str(mail.message.get_content())
        message = messages.get(mail.id.partition(".")[0])
        if message is not None and len(message[0].items) == 1 and message[0].items[0].event.subject not in text:
            found.faults.append(f"mail {mail.id} does not say what it stands for")
