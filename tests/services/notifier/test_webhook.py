"""The webhook against a real HTTP server that behaves as the worst ones do; signatures checked by another program."""

import asyncio
import base64
import json
import logging
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from services.notifier import webhook
from services.notifier.ports import Failed, Refused, Sent
from services.notifier.reach import DRAIN_BYTES_MAX, RETRY_AFTER_MS_MAX
from services.notifier.webhook import EVENTS_MAX, WebhookChannel, body_of
from shared.domain.errors import ConfigError
from shared.domain.notify_plan import WebhookPlan
from shared.runtime.clocks import ManualClock, SystemClock
from tests.services.notifier.channel_contract import PATIENCE_S, ChannelContract
from tests.services.notifier.samples import AT_MS, outgoing
from tests.testkit.authority import Authority
from tests.testkit.http_sink import POLITE, Answer, HttpSink
from tests.testkit.ports import free_port

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(32, 64))).decode()
LOOPBACK = ("127.0.0.0/8",)


class SinkPeer:
    """The other side of a webhook channel."""

    def __init__(self, sink: HttpSink) -> None:
        self._sink = sink

    def taken(self) -> list[str]:
        return [request.headers["webhook-id"] for request in self._sink.requests if 200 <= request.status < 300]

    def refuse(self) -> None:
        self._sink.manner = Answer(status=410)

    def fail(self) -> None:
        self._sink.manner = Answer(status=503)

    def hang(self) -> None:
        self._sink.manner = Answer(hang_at="answer")

    def take(self) -> None:
        self._sink.manner = POLITE


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with HttpSink() as made:
        yield made


def _channel(
    url: str,
    *,
    timeout_s: float = 20.0,
    allow: tuple[str, ...] = LOOPBACK,
    secret: str = "",
    tls: ssl.SSLContext | None = None,
    names: dict[str, tuple[str, ...]] | None = None,
) -> WebhookChannel:
    async def resolver(host: str, _port: int) -> tuple[str, ...]:
        if names is None or host in {"127.0.0.1", "::1"}:
            return (host,)
        return names[host]

    plan = WebhookPlan(url, secret, allow)
    return WebhookChannel(plan, site="demo", clock=SystemClock(), timeout_s=timeout_s, resolver=resolver, tls=tls)


class TestWebhookChannel(ChannelContract):
    @pytest.fixture
    async def channel(self, sink: HttpSink) -> WebhookChannel:
        return _channel(sink.url, timeout_s=PATIENCE_S / 2)

    @pytest.fixture
    def peer(self, sink: HttpSink) -> SinkPeer:
        return SinkPeer(sink)


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n", encoding="utf-8")
    return path


async def test_another_program_verifies_the_signature(sink: HttpSink, secret_file: Path) -> None:
    """The reference implementation of Standard Webhooks takes it, and does not when one byte is changed."""
    assert await _channel(sink.url, secret=str(secret_file)).send(outgoing(1)) == Sent("HTTP 204")
    request = sink.requests[0]
    assert Webhook(SECRET).verify(request.body, request.headers)["specversion"] == "1.0"
    for body, headers in (
        (request.body.replace(b"Leave", b"Leavf"), request.headers),
        (request.body, {**request.headers, "webhook-id": "0" * 32}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(request.body, request.headers)


async def test_a_secret_is_changed_without_a_gap(sink: HttpSink, secret_file: Path) -> None:
    """Two lines sign with both; the file is read at each send."""
    channel = _channel(sink.url, secret=str(secret_file))
    for text in (SECRET, f"{SECRET}\n{OTHER}", OTHER.removeprefix("whsec_").rstrip("=")):
        secret_file.write_text(text, encoding="utf-8")
        assert isinstance(await channel.send(outgoing(1)), Sent)
    first, both, last = sink.requests
    Webhook(SECRET).verify(first.body, first.headers)
    for secret in (SECRET, OTHER):
        Webhook(secret).verify(both.body, both.headers)
    Webhook(OTHER).verify(last.body, last.headers)


async def test_without_a_secret_it_is_not_signed(sink: HttpSink) -> None:
    """No signature rather than one that means nothing."""
    await _channel(sink.url).send(outgoing(1))
    assert "webhook-signature" not in sink.requests[0].headers


async def test_every_attempt_has_the_same_id_and_body(sink: HttpSink) -> None:
    """A receiver knows a repeat by its id; the timestamp is the attempt's."""
    channel = _channel(sink.url)
    for _ in range(2):
        await channel.send(outgoing(1))
    one, two = sink.requests
    assert (one.headers["webhook-id"], one.body) == (two.headers["webhook-id"], two.body)
    assert one.method == "POST"
    assert one.target == "/hook"


def test_a_message_of_one_event_is_that_event() -> None:
    """Programs that know the event stream read it like there; the words for people stand beside."""
    document = json.loads(body_of(outgoing(1), "demo"))
    assert (document["id"], document["type"]) == (outgoing(1).event_ids[0], "ampward.alarm.raised.v1")
    assert document["data"]["message"]["text"] == "Leave."
    assert document["data"]["message"]["repeat"] is False


def test_every_other_message_is_an_event_of_its_own() -> None:
    """Several events, a repeat of what was told, a test: the id is the message's own."""
    one = outgoing(1)
    for message in (
        replace(one, event_ids=("a", "b"), data=({"id": "a"}, {"id": "b"})),
        replace(one, event_ids=()),
        replace(one, event_ids=(), data=()),
    ):
        document = json.loads(body_of(message, "demo"))
        assert (document["id"], document["type"], document["source"]) == (one.id, "ampward.message.v1", "/demo")
        assert document["time"] == "2026-01-01T00:00:00.000Z"
        assert len(document["data"]["events"]) == len(message.data)


def test_a_body_stays_bounded() -> None:
    """Of a thousand events the first 500 are in it, and how many are not."""
    many = tuple({"id": str(n)} for n in range(1000))
    document = json.loads(body_of(replace(outgoing(1), event_ids=tuple(map(str, range(1000))), data=many), "demo"))
    assert len(document["data"]["events"]) == EVENTS_MAX
    assert document["data"]["left_out"] == 500


ANSWERS = {
    200: Sent, 201: Sent, 204: Sent, 299: Sent, 301: Failed, 302: Failed, 307: Failed, 400: Failed, 401: Failed,
    403: Failed, 404: Failed, 408: Failed, 410: Refused, 413: Failed, 425: Failed, 429: Failed, 500: Failed,
    502: Failed, 503: Failed, 504: Failed, 599: Failed,
}  # fmt: skip


@pytest.mark.parametrize("status", ANSWERS)
async def test_each_status_is_told_for_what_it_is(sink: HttpSink, status: int) -> None:
    """2xx took it, 410 is for good, everything else is tried again; the sentence has the status."""
    sink.manner = Answer(status=status, headers={"Location": "http://127.0.0.1:1/elsewhere"})
    answer = await _channel(sink.url).send(outgoing(1))
    assert type(answer) is ANSWERS[status]
    assert f"HTTP {status}" in str(answer)
    assert len(sink.requests) == 1


async def test_a_receiver_that_is_gone_is_told_as_gone(sink: HttpSink) -> None:
    """410 is for good and says what to do."""
    sink.manner = Answer(status=410)
    answer = await _channel(sink.url).send(outgoing(1))
    assert isinstance(answer, Refused)
    assert "is gone for good (HTTP 410)" in answer.why


PATIENCE = {
    "2": 2_000,
    " 30 ": 30_000,
    "0": 0,
    "99999999999999999999": RETRY_AFTER_MS_MAX,
    "-5": 0,
    "soon": 0,
    "²": 0,
    "": 0,
    "Thu, 01 Jan 2026 00:00:10 GMT": 10_000,
    "Thu, 01 Jan 2026 00:00:10": 10_000,
    "Wed, 31 Dec 2025 23:59:00 GMT": 0,
    "Fri, 31 Dec 9999 23:59:59 GMT": RETRY_AFTER_MS_MAX,
    "Thu, 99 Jan 2026 00:00:10 GMT": 0,
}


@pytest.mark.parametrize("text", PATIENCE, ids=repr)
async def test_patience_that_is_asked_for_is_given_within_bounds(sink: HttpSink, text: str) -> None:
    """Seconds or a time; never longer than an unacked alarm may stay untold."""
    sink.manner = Answer(status=503, headers={"Retry-After": text.encode().decode("latin-1")})
    plan = WebhookPlan(sink.url, allow=LOOPBACK)
    channel = WebhookChannel(plan, site="demo", clock=ManualClock(wall=AT_MS), timeout_s=PATIENCE_S)
    answer = await channel.send(outgoing(1))
    assert isinstance(answer, Failed)
    assert answer.retry_after_ms == PATIENCE[text]


SILENCES = {
    "before the request is read": (Answer(hang_at="head"), True),
    "after the request was read": (Answer(hang_at="answer"), True),
    "an answer that drips": (Answer(drip_s=0.05), True),
    "a head without an end": (Answer(endless="head", drip_s=0.0005), True),
    "a line dropped after the request": (Answer(drop_at="answer"), True),
    "an answer that is no HTTP": (Answer(raw=b"220 mail.example.org ESMTP\r\n"), True),
    "half an answer": (Answer(raw=b"HTTP/1.1 200 O"), True),
    "an answer of nothing": (Answer(raw=b"\r\n\r\n"), True),
}


@pytest.mark.parametrize("case", SILENCES, ids=lambda case: case.replace(" ", "-"))
async def test_a_receiver_that_never_answers_is_left_in_time(sink: HttpSink, case: str) -> None:
    """The send ends, the line is gone, and what was handed over may have been taken."""
    sink.manner, may = SILENCES[case]
    answer = await asyncio.wait_for(_channel(sink.url, timeout_s=1.0).send(outgoing(1)), 60)
    assert isinstance(answer, Failed)
    assert answer.maybe_taken == may
    await _gone(sink)


async def _gone(sink: HttpSink) -> None:
    async with asyncio.timeout(60):
        while sink.open_lines:
            await asyncio.sleep(0.01)


async def test_a_head_that_never_ends_is_not_kept(sink: HttpSink) -> None:
    """A flood of header lines is cut off long before it fills memory."""
    sink.manner = Answer(endless="head")
    answer = await asyncio.wait_for(_channel(sink.url, timeout_s=PATIENCE_S).send(outgoing(1)), 60)
    assert isinstance(answer, Failed)
    assert sink.bytes_out < 16 << 20
    await _gone(sink)


@pytest.mark.parametrize("manner", [Answer(status=200, endless="body"), Answer(status=200, body=b"x" * (8 << 20))])
async def test_a_huge_answer_is_not_read(sink: HttpSink, manner: Answer) -> None:
    """The status counts; of the body a little is read and the line is let go."""
    sink.manner = manner
    answer = await asyncio.wait_for(_channel(sink.url, timeout_s=PATIENCE_S).send(outgoing(1)), 60)
    assert isinstance(answer, Sent)
    await _gone(sink)
    assert sink.bytes_out < (8 << 20)
    assert DRAIN_BYTES_MAX < 65536


async def test_a_dripping_body_takes_nothing_back(sink: HttpSink) -> None:
    """After its status a server may take its time with the body: the message was taken."""
    sink.manner = Answer(status=200, raw=b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\nx")
    assert await _channel(sink.url, timeout_s=PATIENCE_S).send(outgoing(1)) == Sent("HTTP 200")


async def test_nobody_listens() -> None:
    """A refused connection names the receiver; nothing of it was taken."""
    port = free_port()
    answer = await _channel(f"http://127.0.0.1:{port}/secret-path?key=1").send(outgoing(1))
    assert answer == Failed(f"the webhook 127.0.0.1:{port} cannot be reached: connection refused")


async def test_the_next_address_of_a_name_is_tried(sink: HttpSink) -> None:
    """Of the addresses that one look-up gave, the first that takes the connection gets the message."""
    channel = _channel(f"http://hook.test:{sink.port}/", names={"hook.test": ("127.0.0.2", "127.0.0.1")})
    assert isinstance(await channel.send(outgoing(1)), Sent)
    assert sink.requests[0].headers["host"] == f"hook.test:{sink.port}"


FORBIDDEN = {
    "an address of this machine": ("http://127.0.0.1:{port}/", (), {}),
    "a name that leads to this machine": ("http://hook.test:{port}/", (), {"hook.test": ("127.0.0.1",)}),
    "the same as an IPv6 address": ("http://hook.test:{port}/", (), {"hook.test": ("::ffff:127.0.0.1",)}),
    "a network that does not hold it": ("http://127.0.0.1:{port}/", ("10.0.0.0/8",), {}),
    "a host that is another": ("http://hook.test:{port}/", ("other.test",), {"hook.test": ("127.0.0.1",)}),
    "a cloud's address for its secrets": ("http://hook.test:{port}/", (), {"hook.test": ("169.254.169.254",)}),
}


@pytest.mark.parametrize("case", FORBIDDEN, ids=lambda case: case.replace(" ", "-"))
async def test_an_address_that_is_not_public_is_not_reached(sink: HttpSink, case: str) -> None:
    """Unless the site file allows it: not even a connection is made."""
    url, allow, names = FORBIDDEN[case]
    answer = await _channel(url.format(port=sink.port), allow=allow, names=names).send(outgoing(1))
    assert isinstance(answer, Failed)
    assert "is no public address: name its network or host under allow" in answer.why
    assert sink.connections == 0


async def test_an_allowed_host_may_be_anywhere(sink: HttpSink) -> None:
    """Its name in the list, in whatever letters."""
    channel = _channel(f"http://hook.test:{sink.port}/", allow=("Hook.TEST",), names={"hook.test": ("127.0.0.1",)})
    assert isinstance(await channel.send(outgoing(1)), Sent)


async def test_a_resolver_that_changes_its_mind_leads_nowhere_else(sink: HttpSink) -> None:
    """One look-up a request: the address that was judged is the one that is reached."""
    asked: list[str] = []

    async def resolver(host: str, _port: int) -> tuple[str, ...]:
        asked.append(host)
        return ("127.0.0.1",) if len(asked) > 1 else ("192.0.2.1",)

    plan = WebhookPlan(f"http://hook.test:{sink.port}/")
    channel = WebhookChannel(plan, site="demo", clock=SystemClock(), timeout_s=0.5, resolver=resolver)
    assert isinstance(await channel.send(outgoing(1)), Failed)
    assert (len(asked), sink.connections) == (1, 0)


async def test_a_redirect_is_not_followed(sink: HttpSink) -> None:
    """Not even to an address that is allowed."""
    with HttpSink() as elsewhere:
        sink.manner = Answer(status=308, headers={"Location": elsewhere.url})
        answer = await _channel(sink.url).send(outgoing(1))
        assert isinstance(answer, Failed)
        assert "points elsewhere (HTTP 308), which is not followed" in answer.why
        assert elsewhere.connections == 0


async def test_a_proxy_of_the_environment_is_not_used(sink: HttpSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would reach addresses that were never judged."""
    with HttpSink() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert isinstance(await _channel(sink.url).send(outgoing(1)), Sent)
        assert (proxy.connections, len(sink.requests)) == (0, 1)


async def test_a_cookie_is_not_kept(sink: HttpSink) -> None:
    """What a receiver sets does not come back to it."""
    sink.manner = Answer(headers={"Set-Cookie": "a=1; Path=/"})
    channel = _channel(sink.url)
    for _ in range(2):
        await channel.send(outgoing(1))
    assert "cookie" not in sink.requests[1].headers


async def test_a_certificate_is_checked_against_the_name(tmp_path: Path) -> None:
    """TLS goes to the judged address with the URL's own name; another name's certificate is not trusted."""
    authority = Authority(tmp_path / "ca")
    with HttpSink(tls=authority.server("DNS:hook.test")) as sink:
        names = {"hook.test": ("127.0.0.1",), "evil.test": ("127.0.0.1",)}
        good = _channel(f"https://hook.test:{sink.port}/", tls=authority.client(), names=names)
        assert isinstance(await good.send(outgoing(1)), Sent)
        for url, tls in (
            (f"https://evil.test:{sink.port}/", authority.client()),
            (f"https://hook.test:{sink.port}/", None),
        ):
            answer = await _channel(url, tls=tls, names=names).send(outgoing(1))
            assert isinstance(answer, Failed)
            assert "its certificate is not trusted" in answer.why
        assert len(sink.requests) == 1


async def test_no_sentence_and_no_log_quotes_the_path(sink: HttpSink, caplog: pytest.LogCaptureFixture) -> None:
    """The path of a webhook is often its password."""
    caplog.set_level(logging.INFO)
    for manner in (POLITE, Answer(status=500), Answer(status=404), Answer(drop_at="answer"), Answer(status=302)):
        sink.manner = manner
        answer = await _channel(f"http://127.0.0.1:{sink.port}/T0PSECRET?key=T0PSECRET").send(outgoing(1))
        assert "T0PSECRET" not in str(answer)
    assert sink.requests[0].target == "/T0PSECRET?key=T0PSECRET"
    assert "T0PSECRET" not in caplog.text


FILES = {
    "not there": (None, "cannot be read: no such file or directory"),
    "empty": (b"", "must hold 1 to 4 secrets, one a line"),
    "five lines": (f"{SECRET}\n".encode() * 5, "must hold 1 to 4 secrets, one a line"),
    "too long": (b"A" * 4097, "must hold 1 to 4 secrets, one a line"),
    "no base64": (b"whsec_!!!!", "must hold whsec_ and base64"),
    "no secret": (b"whsec_", "must hold whsec_ and base64"),
    "no text": (b"\xff\xfe", "must hold whsec_ and base64"),
}


@pytest.mark.parametrize("case", FILES, ids=lambda case: case.replace(" ", "-"))
async def test_a_secret_file_that_is_none(sink: HttpSink, tmp_path: Path, case: str) -> None:
    """The sentence names the file and what is allowed; nothing is sent unsigned."""
    raw, said = FILES[case]
    path = tmp_path / "secret"
    if raw is not None:
        path.write_bytes(raw)
    answer = await _channel(sink.url, secret=str(path)).send(outgoing(1))
    assert isinstance(answer, Failed)
    assert answer.why.startswith(f"secret_file {path} {said}")
    assert sink.connections == 0


FAULTS = {
    "no scheme": ("hooks.example.org/x", (), "url: it names no host behind http:// or https://"),
    "another scheme": ("ftp://hooks.example.org/x", (), "url: it names no host behind http:// or https://"),
    "no host": ("https:///x", (), "url: it names no host behind http:// or https://"),
    "a host that is none": ("https://hooks,example/x", (), "url: its host or port cannot be read"),
    "half an address": ("https://[::1/x", (), "url: its host or port cannot be read"),
    "a port that is none": ("https://hooks.example.org:99999/x", (), "url: its host or port cannot be read"),
    "port zero": ("https://hooks.example.org:0/x", (), "url: its host or port cannot be read"),
    "a port of letters": ("https://hooks.example.org:http/x", (), "url: its host or port cannot be read"),
    "a line end": ("https://hooks.example.org/x\r\nX: 1", (), "url: it is not one word"),
    "a blank": ("https://hooks.example.org/x y", (), "url: it is not one word"),
    "far too long": ("https://hooks.example.org/" + "x" * 2000, (), "url: it is not one word"),
    "a password": ("https://box:T0PSECRET@hooks.example.org/x", (), "url: a user or password stands in it"),
    "a network too long": ("https://hooks.example.org/", ("10.0.0.0/33",), "allow: '10.0.0.0/33' is neither"),
    "a sentence": ("https://hooks.example.org/", ("all of them",), "allow: 'all of them' is neither"),
    "nothing": ("https://hooks.example.org/", ("",), "allow: '' is neither"),
}


@pytest.mark.parametrize("case", FAULTS, ids=lambda case: case.replace(" ", "-"))
def test_a_plan_that_cannot_work_is_refused(case: str) -> None:
    """One sentence, with the key and what is allowed, and no secret."""
    url, allow, said = FAULTS[case]
    plan = WebhookPlan(url, allow=allow)
    (found,) = webhook.faults(plan)
    assert found.startswith(said)
    assert "T0PSECRET" not in found
    with pytest.raises(ConfigError):
        webhook.make(plan, site="demo", clock=SystemClock())


async def test_a_plan_that_works_makes_a_channel(sink: HttpSink) -> None:
    """As the site makes it: with the system's own resolver."""
    channel = webhook.make(WebhookPlan(sink.url, allow=("127.0.0.1",)), site="demo", clock=SystemClock())
    assert isinstance(await channel.send(outgoing(1)), Sent)
    await channel.close()
