"""The site's own door as the uplink uses it: what it shows of itself, and persons' commands from the fleet.

HTTP on loopback, where DIR/run.json says, with the machine token. A command goes in under its own id, so that one that
is handed in twice is one input; who acted is told by the fleet and stands behind ``centre:``.
Raises DoorShut when the site does not answer: it is being started, or started again.
"""

import http.client
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple

from services.uplink.newest import Told
from shared.domain.errors import AmpwardError
from shared.runtime import places
from shared.wire.inputs import TEXT_MAX
from shared.wire.live import LiveAlarm, LiveAnswer, LiveOutput, LivePoint, LiveRefusal
from shared.wire.orders import CommandOrder

TIMEOUT_S = 10.0
DECIDED_S = 5.0
LOOK_S = 0.02
BODY_MAX = 16 << 20
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ALARM_WORDS = (
    "id", "rule", "point", "severity", "state", "condition", "override", "occurrence", "value", "unit", "guidance"
)  # fmt: skip
_OUTPUT_WORDS = ("id", "kind", "demand", "read_back", "proof", "supervision")
SEVERITIES = (None, "warning", "alarm", "critical")


class DoorShut(AmpwardError):
    """The site's own process does not answer now."""


class Answer(NamedTuple):
    status: int
    body: dict[str, Any]


class SiteDoor:
    """One folder. Blocking: call it in a thread."""

    def __init__(self, directory: Path, wall_ms: Callable[[], int]) -> None:
        self._directory = directory
        self._wall_ms = wall_ms

    def told(self) -> Told:
        """All points, alarms and outputs of the site, as they are now."""
        alarms, points, outputs = (self._items(what) for what in ("alarms", "points", "outputs"))
        return Told(tuple(map(_point, points)), tuple(map(_alarm, alarms)), tuple(map(_output, outputs)))

    def _items(self, what: str) -> list[dict[str, Any]]:
        answer = self._ask("GET", f"/api/v1/{what}")
        if answer.status != http.client.OK:
            raise DoorShut(f"the site answers {answer.status}")
        items: list[dict[str, Any]] = answer.body["items"]
        return items

    def command(self, order: CommandOrder) -> LiveAnswer:
        """What the site has decided upon it, now or when it came first. Raises DoorShut while that is not known."""
        given = self._give(order)
        if given.status == http.client.TOO_MANY_REQUESTS or given.status >= http.client.INTERNAL_SERVER_ERROR:
            raise DoorShut(f"the site answers {given.status}")
        if given.status != http.client.ACCEPTED:
            reason = str(given.body.get("type", "")).rpartition(":")[2] or str(given.status)
            return _refused(order.id, {**given.body, "reason": reason, "text": given.body.get("detail", "")})
        end = monotonic() + DECIDED_S
        while monotonic() < end:
            decided = self.decided(order.id)
            if decided is not None:
                return decided
            sleep(LOOK_S)
        raise DoorShut(f"the site has not decided within {DECIDED_S} s")

    def decided(self, command_id: str) -> LiveAnswer | None:
        """What the site has decided upon a command; None when it has not, or does not know it. Raises DoorShut."""
        found = self._ask("GET", f"/api/v1/commands/{command_id}").body
        if found.get("state") == "accepted":
            return LiveAnswer(command_id, accepted=True, refusals=_refusals(found))
        return _refused(command_id, found) if found.get("state") == "rejected" else None

    def _give(self, order: CommandOrder) -> Answer:
        seen = SEVERITIES[order.severity_seen]
        body: dict[str, Any] = {
            "id": order.id,
            "what": order.what.value,
            "subject": order.subject,
            "occurrence": order.occurrence,
            "reason": order.reason,
            "second_person": order.second_person,
            "measure": order.measure,
            "old_serial": order.old_serial,
            "new_serial": order.new_serial,
            **({"severity_seen": seen} if seen else {}),
            **({"for": f"{order.for_ms}ms"} if order.for_ms else {}),
            **({"baseline_mohm": f"{Decimal(order.value).scaleb(-3):f}"} if order.value else {}),
            **({"on": self._day(order.age_ms)} if order.age_ms else {}),
        }
        return self._ask("POST", "/api/v1/commands", body, actor=f"centre:{order.actor}")

    def _day(self, age_ms: int) -> str:
        return (EPOCH + timedelta(milliseconds=self._wall_ms() - age_ms)).date().isoformat()

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None, *, actor: str = "") -> Answer:
        try:
            record = json.loads(places.find_file(self._directory, places.RUN).read_bytes())
            token = places.find_file(self._directory, places.TOKEN).read_text().strip()
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            if actor:
                headers["Ampward-Actor"] = actor.encode().decode("latin-1")
            connection = http.client.HTTPConnection(record["http"], timeout=TIMEOUT_S)
            try:
                connection.request(method, path, None if body is None else json.dumps(body), headers)
                response = connection.getresponse()
                return Answer(response.status, json.loads(response.read(BODY_MAX)))
            finally:
                connection.close()
        except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException) as fault:
            raise DoorShut(f"{type(fault).__name__}: {fault}") from fault


def _ms(at: str | None) -> int:
    """An instant of the door in milliseconds; 0 for never."""
    return 0 if at is None else (datetime.fromisoformat(at) - EPOCH) // timedelta(milliseconds=1)


def _point(item: dict[str, Any]) -> LivePoint:
    return LivePoint(item["id"], item["value"] or "", item["unit"], item["quality"], item["no_data"], _ms(item["at"]))


def _alarm(item: dict[str, Any]) -> LiveAlarm:
    words = {name: item[name] or "" for name in _ALARM_WORDS}
    return LiveAlarm(**words, since_at_ms=_ms(item["since"]), until_at_ms=_ms(item["until"]))


def _output(item: dict[str, Any]) -> LiveOutput:
    return LiveOutput(**{name: item[name] for name in _OUTPUT_WORDS}, by=tuple(item["by"]), armed=item["armed"])


def _refused(name: str, told: dict[str, Any]) -> LiveAnswer:
    words = {key: str(told.get(key) or "")[:TEXT_MAX] for key in ("reason", "text", "occurrence", "severity")}
    return LiveAnswer(name, accepted=False, **words, refusals=_refusals(told))


def _refusals(told: dict[str, Any]) -> tuple[LiveRefusal, ...]:
    keys = ("room", "reason", "text")
    found = ([str(each.get(key, ""))[:TEXT_MAX] for key in keys] for each in told.get("refusals", ()))
    return tuple(LiveRefusal(*words) for words in found)
