"""What the supervision has seen of sites and services, and what follows from it. Pure: time comes with each question.

    live record   the site lives; how far Kafka has its log, and how old the rest is
    batch         a verdict ``different`` is told at once
    sign          a replica of a service lives, has ended, and what of it expires
    delivery      a message got out or not; one refused for good is told at once, as is a lane that gets none out
    registration  the site is watched from now on, or no longer; when its certificate ends

``facts`` gives each condition as True, False or None (not known yet: who has just begun to watch has not heard of a
site for a while for a reason of its own). ``moments`` are what happened once.
Promises: nothing is lost that was not heard of for less than its time; a time is counted from the watch's own beginning
at the earliest. At a start of the whole centre (``is_start``) what was not heard since is told when the grace is over.
Limits: KNOWN_MAX replicas of a service.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from services.fleet.supervise_plan import (
    FLEET,
    Ending,
    Fact,
    Watched,
    block_differs,
    certificate_expiring,
    delivery_failing,
    ending,
    link_lost,
    ruleset_drift,
    service_lost,
    site_lost,
)
from shared.domain.ids import is_id
from shared.domain.inputs import ReportKind
from shared.wire.batches import EventsBatch, Verdict
from shared.wire.deliveries import Delivery, Outcome
from shared.wire.live import Live
from shared.wire.registrations import Registration
from shared.wire.signs import Sign

DAY_MS: Final = 86_400_000
KNOWN_MAX: Final = 100
OLD_MS: Final = 600_000
"""A replica that was not heard of for so long holds nothing any more."""
UNTRIED_MS: Final = 7_200_000
"""A message that waits is tried at least once an hour: who was not tried for two is no longer to be told this way."""
REFUSED: Final = "refused"
"""How the notifier begins the reason of what it does not try again."""
KINDS: Final = {"certificate": ReportKind.CERTIFICATE_EXPIRING, "token": ReportKind.TOKEN_EXPIRING}


class Limits(NamedTuple):
    """After how long what counts as lost. A site sends at least each five seconds, a service each ten."""

    site_ms: int = 30_000
    link_ms: int = 45_000
    service_ms: int = 45_000
    ahead_ms: int = 30 * DAY_MS
    """How long before its end a certificate or token is told."""
    delivery_ms: int = 120_000
    """How long a message may wait for its next attempt before its channel is told as failing."""
    grace_ms: int = 120_000
    """At a start of the whole centre: what was never heard since then may still be starting too."""


@dataclass(slots=True)
class _Site:
    since_ms: int
    heard_ms: int | None = None
    certificate_ends_at_ms: int = 0
    log_id: str = ""
    at: tuple[int, int, int] = (0, 0, 0)
    """Number, time and count of its newest live record: what is not behind it was sent again by somebody."""
    acked: tuple[str, int] = ("", 0)
    """Log and number up to which Kafka has its inputs, by its own word."""
    moved_ms: int = 0
    """When that changed last."""
    backlog_ms: int = 0
    is_drifting: bool = False


@dataclass(slots=True)
class _Service:
    since_ms: int
    replicas: dict[str, tuple[int, Sign]] = field(default_factory=dict)
    """When it was heard last, and its last sign."""


class Watch:
    """``now_ms`` is a steady clock throughout; ``wall_ms`` is asked for ends of certificates only."""

    def __init__(self, limits: Limits, services: tuple[str, ...], now_ms: int, *, is_start: bool = False) -> None:
        self._limits = limits
        self._began_ms = now_ms
        self._grace_ends_ms = now_ms + limits.grace_ms if is_start else now_ms
        self._sites: dict[str, _Site] = {}
        self._services = {name: _Service(now_ms) for name in services}
        self._moments: list[Fact] = []
        self._channels: dict[str, dict[tuple[str, str], tuple[int, int]]] = {}
        """By channel: since when a person of a site is waited for, whose message has failed and not got out yet, and
        when that was tried last."""
        self._undelivered: list[Delivery] = []

    def register(self, registration: Registration, now_ms: int) -> None:
        """A site joined, changed or ended."""
        if registration.ended:
            self._sites.pop(registration.site, None)
            return
        site = self._sites.setdefault(registration.site, _Site(now_ms))
        site.certificate_ends_at_ms = registration.certificate_ends_at_ms

    def live(self, live: Live, now_ms: int) -> None:
        """A record of the live lane; one of a site that is not registered, or that was sent before, says nothing."""
        site = self._sites.get(live.site)
        if site is None:
            return
        at = (live.site_seq, live.sent_at_ms, live.number)
        is_same_log = live.log_id == site.log_id
        if at <= site.at if is_same_log else live.site_seq <= site.at[0] and live.sent_at_ms <= site.at[1]:
            return
        site.log_id, site.at = live.log_id, at
        site.heard_ms = max(now_ms, site.heard_ms or now_ms)
        site.backlog_ms = live.backlog_ms
        if (live.log_id, live.acked_seq) != site.acked:
            site.acked, site.moved_ms = (live.log_id, live.acked_seq), now_ms

    def batch(self, batch: EventsBatch, now_ms: int) -> None:
        """A batch of the blocks' lane."""
        site = self._sites.get(batch.site)
        if site is None:
            return
        site.heard_ms = max(now_ms, site.heard_ms or now_ms)
        if batch.verdict is Verdict.DIFFERENT:
            self._moments.append(block_differs(batch.site))

    def sign(self, sign: Sign, now_ms: int) -> None:
        """A replica of a service lives, or has ended in order. One that was never heard of before is watched too."""
        service = self._services.setdefault(sign.service, _Service(max(now_ms, self._began_ms)))
        if sign.ended:
            service.replicas.pop(sign.replica, None)
            service.since_ms = max(now_ms, self._began_ms)
            return
        service.replicas.pop(sign.replica, None)
        service.replicas[sign.replica] = (now_ms, sign)
        for replica in [name for name, (at_ms, _) in service.replicas.items() if now_ms - at_ms > OLD_MS]:
            del service.replicas[replica]
        while len(service.replicas) > KNOWN_MAX:
            del service.replicas[next(iter(service.replicas))]

    def delivery(self, delivery: Delivery, now_ms: int, *, is_new: bool) -> None:
        """What became of a message of the centre's to a person; by one channel a person's go one after the other.

        One that was refused for good is told once, while it ``is_new``; as an alarm unless it is of _fleet itself:
        that alarm would be refused again.
        """
        if not is_id(delivery.channel):
            return
        waiting, lane = self._channels.setdefault(delivery.channel, {}), (delivery.site, delivery.person)
        is_refused = delivery.reason.split(": ")[0] == REFUSED
        if delivery.outcome is not Outcome.FAILED or is_refused:
            waiting.pop(lane, None)
        else:
            since_ms, _ = waiting.get(lane, (now_ms, now_ms))
            waiting[lane] = (since_ms, now_ms)
        if delivery.outcome is Outcome.FAILED and is_refused and is_new:
            self._undelivered.append(delivery)
            self._moments += [delivery_failing(delivery.channel)] * (delivery.site != FLEET)

    def undelivered(self) -> list[Delivery]:
        """Messages that were refused for good since this was last asked."""
        told, self._undelivered = self._undelivered, []
        return told

    def happened(self, fact: Fact) -> None:
        """Something that is told once: a dead letter."""
        self._moments.append(fact)

    def drift(self, sites: frozenset[str]) -> None:
        """These sites do not go by what was pushed to them."""
        for name, site in self._sites.items():
            site.is_drifting = name in sites

    def moments(self) -> list[Fact]:
        """What happened since this was last asked."""
        told, self._moments = self._moments, []
        return told

    def watched(self) -> Watched:
        """Everything that has an alarm of its own."""
        endings = frozenset(what for what, _ in self._endings())
        return Watched(frozenset(self._sites), frozenset(self._services), endings, frozenset(self._channels))

    def facts(self, now_ms: int, wall_ms: int) -> dict[Fact, bool | None]:
        """Each condition, as it is now."""
        found: dict[Fact, bool | None] = {}
        for name, site in self._sites.items():
            found[site_lost(name)] = self._silent(site.heard_ms, site.since_ms, now_ms, self._limits.site_ms)
            found[link_lost(name)] = self._is_stuck(site, now_ms)
            found[ruleset_drift(name)] = site.is_drifting
            found[certificate_expiring(name)] = self._ends(site.certificate_ends_at_ms, wall_ms)
        for name, service in self._services.items():
            heard = max((at_ms for at_ms, _ in service.replicas.values()), default=None)
            found[service_lost(name)] = self._silent(heard, service.since_ms, now_ms, self._limits.service_ms)
        for channel, waiting in self._channels.items():
            for lane in [lane for lane, (_, tried_ms) in waiting.items() if now_ms - tried_ms > UNTRIED_MS]:
                del waiting[lane]
            is_failing = any(now_ms - since_ms > self._limits.delivery_ms for since_ms, _ in waiting.values())
            found[delivery_failing(channel)] = is_failing
        for what, ends_at_ms in self._endings():
            fact = ending(what)
            found[fact] = bool(found.get(fact)) or self._ends(ends_at_ms, wall_ms)
        return found

    def _silent(self, heard_ms: int | None, since_ms: int, now_ms: int, limit_ms: int) -> bool | None:
        """None for what was not heard of since the watch began, as long as that is not longer than the limit, and the
        centre is not just starting."""
        if heard_ms is None or heard_ms < self._began_ms:
            return True if now_ms - since_ms > limit_ms and now_ms >= self._grace_ends_ms else None
        return now_ms - heard_ms > limit_ms

    def _is_stuck(self, site: _Site, now_ms: int) -> bool | None:
        """Its log goes on, no block comes: neither a new one nor one of a backlog that is being drained."""
        if site.heard_ms is None or site.heard_ms < self._began_ms:
            return None
        return min(site.backlog_ms, now_ms - site.moved_ms) > self._limits.link_ms

    def _ends(self, ends_at_ms: int, wall_ms: int) -> bool:
        return 0 < ends_at_ms <= wall_ms + self._limits.ahead_ms

    def _endings(self) -> Iterator[tuple[Ending, int]]:
        """What the services hold, by name: of replicas that hold the same, the one that ends first decides."""
        for service in self._services.values():
            for _, sign in service.replicas.values():
                for each in sign.expires:
                    yield Ending(KINDS[each.kind], each.name), each.ends_at_ms
