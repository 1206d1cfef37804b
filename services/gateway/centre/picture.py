"""What is known of each site now: its registration, newest points, and how far its records have come.

Fed by the follower, read by the views. A site that was not heard of for SILENT_MS shows no good value: its points are
told with no_data ``site_silent``, conditions and read-backs are unknown. A registration that ended takes its site out
of everything. A live record that was sent before the newest one changes nothing: whoever may write to the topic may
send again what a site has signed long ago, and would show it as it was then, or as still there.
Limits: what the sites have: some 300 bytes a point. A box that was restored from a backup while its clock was set
back too is taken for an old record, until its log or its clock is past what was known.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from services.gateway.views import AlarmItem, OutputItem, PointItem, SiteItem
from shared.domain.ids import site_of
from shared.domain.inputs import What
from shared.domain.plan import Severity
from shared.wire.batches import EventsBatch, Verdict
from shared.wire.live import Live, LiveAlarm, LiveOutput, LivePoint
from shared.wire.registrations import Registration
from shared.wire.signing import PublicKey, read_public_key

SILENT_MS: Final = 60_000
SITE_SILENT: Final = "site_silent"
Pending = Mapping[tuple[What, str], str]
"""Of (act, subject): whether its command is pending or undelivered."""
_GRAVEST_FIRST: Final = {severity.label: -severity for severity in Severity}


@dataclass(slots=True)
class _Site:
    points: dict[str, LivePoint] = field(default_factory=dict)
    alarms: dict[str, LiveAlarm] = field(default_factory=dict)
    outputs: dict[str, LiveOutput] = field(default_factory=dict)
    heard_at_ms: int = 0
    """When the broker took its newest record, by the broker's clock."""
    offset_ms: int = 0
    """How much the site's clock is behind the broker's, the way included."""
    live_at: tuple[int, int, int] = (0, 0, 0)
    """(site_seq, sent_at_ms, number) of the newest live record; they rise within a log."""
    live_log: str = ""
    block_seq: int = 0
    block_log: str = ""
    block_at_ms: int = 0
    head_hash: str = ""
    core_version: int = 0
    decision: str = ""
    different: int = 0
    backlog_ms: int = 0
    verdict: str = ""


class Picture:
    """``wall_ms`` is this machine's clock, taken for the broker's."""

    def __init__(self, wall_ms: Callable[[], int]) -> None:
        self._wall_ms = wall_ms
        self._registered: dict[str, Registration] = {}
        self._sites: dict[str, _Site] = {}
        self._keys: dict[str, Mapping[str, PublicKey]] = {}

    def register(self, registration: Registration) -> None:
        if registration.ended:
            self._registered.pop(registration.site, None)
            self._sites.pop(registration.site, None)
            self._keys.pop(registration.site, None)
        else:
            self._registered[registration.site] = registration
            self._keys[registration.site] = {key.id: key for key in map(read_public_key, registration.keys)}

    def keys(self, site: str) -> Mapping[str, PublicKey]:
        """Whose signatures are taken for the site's, by their ids."""
        return self._keys.get(site, {})

    def registration(self, site: str) -> Registration | None:
        return self._registered.get(site)

    def sites(self) -> frozenset[str]:
        return frozenset(self._registered)

    def take_live(self, live: Live, at_ms: int) -> None:
        """A record of the live lane that the broker took at ``at_ms``."""
        site = self._sites.setdefault(live.site, _Site())
        if not _is_newer(site, live):
            return
        site.heard_at_ms = max(site.heard_at_ms, at_ms)
        site.offset_ms = at_ms - live.sent_at_ms
        site.backlog_ms = live.backlog_ms
        if live.anew:
            site.points, site.alarms, site.outputs = {}, {}, {}
        site.points.update((one.id, one) for one in live.points if site_of(one.id) == live.site)
        site.alarms.update((one.id, one) for one in live.alarms if site_of(one.id) == live.site)
        site.outputs.update((one.id, one) for one in live.outputs if site_of(one.id) == live.site)
        for gone in live.alarms_gone:
            site.alarms.pop(gone, None)

    def take_batch(self, batch: EventsBatch, decision: str, at_ms: int) -> None:
        """A batch of the blocks' lane; ``decision`` is that of its newest event, "" when it has none."""
        site = self._sites.setdefault(batch.site, _Site())
        site.block_seq, site.block_log, site.block_at_ms = batch.last_seq, batch.log_id, at_ms
        site.head_hash, site.core_version = batch.head_hash, batch.core_version
        site.decision = decision or site.decision
        site.different += batch.verdict is Verdict.DIFFERENT
        site.verdict = batch.verdict.value
        site.heard_at_ms = max(site.heard_at_ms, at_ms)

    def points(self) -> tuple[PointItem, ...]:
        """All sites' newest."""
        return tuple(
            item
            for name, site in sorted(self._known(), key=_name)
            for item in _items(site.points.values(), is_silent=self._is_silent(site))
        )

    def alarms(self, pending: Pending) -> tuple[AlarmItem, ...]:
        """All sites', gravest first, then the newest; ``pending`` are commands without an answer."""
        items = [
            _alarm(alarm, pending, is_silent=self._is_silent(site))
            for _, site in self._known()
            for alarm in site.alarms.values()
        ]
        items.sort(key=lambda item: (_GRAVEST_FIRST.get(item.severity, 0), -item.since_at_ms, item.id))
        return tuple(items)

    def outputs(self, pending: Pending) -> tuple[OutputItem, ...]:
        return tuple(
            _output(output, pending, is_silent=self._is_silent(site))
            for _, site in sorted(self._known(), key=_name)
            for output in site.outputs.values()
        )

    def site_items(self) -> tuple[SiteItem, ...]:
        """How each site stands."""
        known = dict(self._known())
        return tuple(_site(name, known.get(name, _Site()), self._wall_ms()) for name in sorted(self._registered))

    def _is_silent(self, site: _Site) -> bool:
        return self._wall_ms() - site.heard_at_ms > SILENT_MS

    def _known(self) -> Iterable[tuple[str, _Site]]:
        return ((name, site) for name, site in self._sites.items() if name in self._registered)


def _is_newer(site: _Site, live: Live) -> bool:
    """Whether this was sent after what is known; then it is what is known.

    Within a log the order is plain. A new log may begin at a lower number (power cut, backup) or at an earlier time (a
    clock without a battery): what is behind in both is old.
    """
    at = (live.site_seq, live.sent_at_ms, live.number)
    if live.log_id == site.live_log:
        is_old = at <= site.live_at
    else:
        is_old = all(ours <= known for ours, known in zip(at[:2], site.live_at[:2], strict=True))
    if is_old:
        return False
    site.live_log, site.live_at = live.log_id, at
    return True


def _name(known: tuple[str, _Site]) -> str:
    return known[0]


def _items(points: Iterable[LivePoint], *, is_silent: bool) -> Iterable[PointItem]:
    for point in points:
        if is_silent:
            yield PointItem(point.id, None, point.unit, "bad", SITE_SILENT, point.at_ms)
        else:
            yield PointItem(point.id, point.value or None, point.unit, point.quality, point.no_data, point.at_ms)


def _alarm(alarm: LiveAlarm, pending: Pending, *, is_silent: bool) -> AlarmItem:
    return AlarmItem(
        id=alarm.id,
        rule=alarm.rule,
        point=alarm.point,
        severity=alarm.severity,
        state=alarm.state,
        condition="unknown" if is_silent else alarm.condition,
        override=alarm.override,
        occurrence=alarm.occurrence,
        since_at_ms=alarm.since_at_ms,
        value=alarm.value,
        unit=alarm.unit,
        guidance=alarm.guidance,
        until_at_ms=alarm.until_at_ms,
        pending=_unanswered(pending, alarm.id),
    )


def _unanswered(pending: Pending, subject: str) -> str:
    """In words, as ``ack pending``."""
    return ", ".join(f"{act} {pending[act, subject]}" for act in What if (act, subject) in pending)


def _output(output: LiveOutput, pending: Pending, *, is_silent: bool) -> OutputItem:
    return OutputItem(
        id=output.id,
        kind=output.kind,
        demand=output.demand,
        by=output.by,
        read_back="unknown" if is_silent else output.read_back,
        proof=output.proof,
        armed=output.armed,
        supervision=output.supervision,
        pending=_unanswered(pending, output.id),
    )


def _site(name: str, site: _Site, now_ms: int) -> SiteItem:
    return SiteItem(
        id=name,
        heard_at_ms=site.heard_at_ms,
        is_silent=now_ms - site.heard_at_ms > SILENT_MS,
        clock_offset_ms=site.offset_ms,
        log_id=site.live_log or site.block_log,
        site_seq=max(site.live_at[0], site.block_seq),
        decided_seq=site.block_seq,
        decided_at_ms=site.block_at_ms,
        chain_head=site.head_hash,
        decision=site.decision,
        core_version=site.core_version,
        different=site.different,
        backlog_ms=site.backlog_ms,
        last_verdict=site.verdict,
    )
