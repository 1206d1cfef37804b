"""Webhook: one signed POST for one message to one person (Standard Webhooks 1.0, CloudEvents 1.0 in JSON).

The body is a CloudEvent. A message that tells of one event for the first time is that event, with its own id, type and
data; every other one (several events at once, a repeat of what is still open, a test) is ``ampward.message.v1`` with
the message's id, and its events are in ``data.events``. In both, ``data.message`` has the words for the person, and
``data.message.repeat`` says that it may have been sent before. ``webhook-id`` is the message's id, the same at every
attempt: a receiver that keeps the ids it has seen drops every repeat.

Promises: signed with ``v1`` (HMAC-SHA256 over id, time of the attempt and body) with each secret of the secret file,
which is read at each send; within the bounds of services.notifier.reach. The same message is the same body.

What became of it: 2xx is Sent. 410 is Refused: the receiver is gone (Standard Webhooks: no more attempts). Everything
else is Failed, and tried again: 3xx (a captive portal or a moved receiver), 401, 403 and 404 too (a receiver that is
being deployed answers so), no answer in time, a broken line, a file that cannot be read.

Limits: 500 events in a body (about 0.5 MiB; ``data.left_out`` counts the rest), four secrets, 4 KiB of file.
"""

import asyncio
import base64
import binascii
import hmac
import json
import ssl
from pathlib import Path

from services.notifier.network import Resolve, resolve, why
from services.notifier.plain import lines, one_line
from services.notifier.ports import Channel, Failed, Outcome, Outgoing, Refused, Sent
from services.notifier.reach import Reach, Reply, Unreached, Where
from services.notifier.reach import faults as where_faults
from shared.domain.errors import ConfigError
from shared.domain.notify_plan import WebhookPlan
from shared.runtime.clocks import Clock
from shared.wire.instants import stamp

TIMEOUT_S = 10.0
EVENTS_MAX = 500
SUBJECT_CHARACTERS_MAX = 500
TEXT_CHARACTERS_MAX = 100_000
SECRETS_MAX = 4
SECRET_FILE_BYTES_MAX = 4096
_PREFIX = "whsec_"
_GONE = 410


def make(plan: WebhookPlan, *, site: str, clock: Clock, timeout_s: float = TIMEOUT_S) -> Channel:
    """The channel; ConfigError when the plan cannot work."""
    found = faults(plan)
    if found:
        raise ConfigError("; ".join(found))
    return WebhookChannel(plan, site=site, clock=clock, timeout_s=timeout_s)


def faults(plan: WebhookPlan) -> list[str]:
    """What is wrong with it, sentence by sentence; nothing is opened."""
    return where_faults(_where(plan))


def _where(plan: WebhookPlan) -> Where:
    return Where(plan.url, plan.url_file, plan.allow)


class WebhookChannel:
    """Implements services.notifier.ports.Channel."""

    name = "webhook"

    def __init__(
        self,
        plan: WebhookPlan,
        *,
        site: str,
        clock: Clock,
        timeout_s: float = TIMEOUT_S,
        resolver: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._plan = plan
        self._site = site
        self._clock = clock
        self._reach = Reach(_where(plan), timeout_s=timeout_s, resolver=resolver, tls=tls)

    async def send(self, message: Outgoing) -> Outcome:
        body = body_of(message, self._site)
        wall_ms = self._clock.wall_ms()
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "webhook-id": message.id,
            "webhook-timestamp": str(wall_ms // 1000),
        }
        if self._plan.secret_file:
            secrets = await asyncio.to_thread(read_secrets, Path(self._plan.secret_file))
            if isinstance(secrets, str):
                return Failed(secrets)
            headers["webhook-signature"] = signature(secrets, message.id, wall_ms // 1000, body)
        reply = await self._reach.request("POST", headers=headers, content=body, wall_ms=wall_ms)
        if isinstance(reply, Unreached):
            return Failed(f"the webhook {reply.why}", maybe_taken=reply.was_written)
        return _judged(reply)

    async def close(self) -> None:
        await self._reach.close()


def _judged(reply: Reply) -> Outcome:
    """What a status means, as the module's page says."""
    status, receiver = reply.status, f"the webhook {reply.shown}"
    if 200 <= status < 300:
        return Sent(f"HTTP {status}")
    if status == _GONE:
        return Refused(f"{receiver} says that it is gone for good (HTTP 410): take it out of the site file")
    if 300 <= status < 400:
        said = f"{receiver} points elsewhere (HTTP {status}), which is not followed: give its final address"
        return Failed(said, reply.retry_after_ms)
    if 400 <= status < 500:
        return Failed(f"{receiver} does not take the message (HTTP {status})", reply.retry_after_ms)
    return Failed(f"{receiver} is in trouble (HTTP {status})", reply.retry_after_ms)


def body_of(message: Outgoing, site: str) -> bytes:
    """The CloudEvent as the module's page says."""
    words = {
        "id": message.id,
        "person": message.person.id,
        "language": message.language,
        "severity": message.severity,
        "subject": one_line(message.subject, SUBJECT_CHARACTERS_MAX),
        "text": lines(message.text, TEXT_CHARACTERS_MAX),
        "thread": message.thread,
        "follows": list(message.follows),
        "repeat": message.repeat,
    }
    if len(message.event_ids) == 1 and [each.get("id") for each in message.data] == [*message.event_ids]:
        (event,) = message.data
        own = event.get("data")
        document = {**event, "data": {**(own if isinstance(own, dict) else {}), "message": words}}
    else:
        shown = [dict(each) for each in message.data[:EVENTS_MAX]]
        document = {
            "specversion": "1.0",
            "id": message.id,
            "source": f"/{site}",
            "type": "ampward.message.v1",
            "subject": message.thread,
            "time": stamp(message.at_ms),
            "datacontenttype": "application/json",
            "data": {
                "message": words,
                "events": shown,
                "left_out": len({*message.event_ids} - {each.get("id") for each in shown}),
            },
        }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")


def signature(secrets: tuple[bytes, ...], message_id: str, at_s: int, body: bytes) -> str:
    """One ``v1,`` word for each secret, parted by blanks."""
    signed = f"{message_id}.{at_s}.".encode() + body
    return " ".join(f"v1,{base64.b64encode(hmac.digest(secret, signed, 'sha256')).decode()}" for secret in secrets)


def read_secrets(path: Path) -> tuple[bytes, ...] | str:
    """The secrets of a file, one a line, or a sentence that says what is wrong without quoting any."""
    try:
        with path.open("rb") as file:
            raw = file.read(SECRET_FILE_BYTES_MAX + 1)
    except OSError as error:
        return f"secret_file {path} cannot be read: {why(error)}"
    words = raw.decode("ascii", "replace").split()
    if not 1 <= len(words) <= SECRETS_MAX or len(raw) > SECRET_FILE_BYTES_MAX:
        return f"secret_file {path} must hold 1 to {SECRETS_MAX} secrets, one a line"
    found = []
    for word in words:
        try:
            letters = word.removeprefix(_PREFIX)
            secret = base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
        except (binascii.Error, ValueError):
            secret = b""
        if not secret:
            made_by = f"as `echo {_PREFIX}$(openssl rand -base64 24)` makes it"
            return f"secret_file {path} must hold {_PREFIX} and base64, {made_by}"
        found.append(secret)
    return tuple(found)
