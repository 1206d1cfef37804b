"""Where the terminal view gets what it shows: the site's own HTTP interface with a token, nothing else.

A site is found by its data folder, with the machine token there, or by its address, with a token of the environment.
The view asks for the whole picture once a second and follows the event stream; guard is never asked. A site that does
not answer leaves the last picture, which then says how old it is. Only the standard library's client: it lives for
years.
"""

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from shared.runtime import places

ANSWER_WAIT_S = 3.0
STREAM_WAIT_S = 40.0
"""The stream's comment comes each 15 s."""

Item = dict[str, Any]
GAS_UNIT = "%vol"


@dataclass(frozen=True, slots=True)
class Room:
    """The fixed part of a room, from the plan."""

    id: str
    name: str
    gas: tuple[str, ...]
    """Ids of its hydrogen points: concentrations first, contacts where there are only contacts."""
    strings: tuple["String", ...] = ()


@dataclass(frozen=True, slots=True)
class String:
    """One string of a battery and its own points, "" where it has none."""

    id: str
    current: str
    voltage: str
    number: int
    """Of the battery's strings, from 1: its jars are called 2S1."""

    def has(self, subject: str) -> bool:
        """Whether this is one of its jars."""
        battery, _, jar = subject.rpartition("/")
        return battery == self.id.rpartition("/")[0] and jar.endswith(f"S{self.number}") and jar[:1].isdigit()


@dataclass(frozen=True, slots=True)
class Picture:
    """One moment of the site as the interface tells it."""

    status: Item = field(default_factory=dict)
    alarms: tuple[Item, ...] = ()
    points: dict[str, Item] = field(default_factory=dict)
    outputs: tuple[Item, ...] = ()
    taken_at: float = 0.0
    """time.monotonic(); 0 before the first answer"""

    @property
    def age_s(self) -> float:
        return monotonic() - self.taken_at


@dataclass(frozen=True, slots=True)
class Folder:
    """A site on this machine, by its data folder."""

    data: Path

    @property
    def run(self) -> Item:
        """DIR/run.json."""
        made = json.loads(places.find_file(self.data, places.RUN).read_bytes())
        return made if isinstance(made, dict) else {}

    @property
    def token(self) -> str:
        return places.find_file(self.data, places.TOKEN).read_text().strip()

    def rooms(self, _points: dict[str, Item]) -> tuple[Room, ...]:
        """The rooms of the plan, without the pseudo-room of the box."""
        plan = json.loads(places.find_file(self.data, places.SITE_PLAN).read_bytes())
        return tuple(_room(room) for room in plan["decision"]["rooms"] if not room["id"].startswith("_"))


@dataclass(frozen=True, slots=True)
class Address:
    """A site at HOST:PORT, with a token that was given."""

    address: str
    token: str

    @property
    def run(self) -> Item:
        return {"http": self.address}

    def rooms(self, points: dict[str, Item]) -> tuple[Room, ...]:
        """As far as the points tell: each room with its hydrogen."""
        found: dict[str, list[str]] = {}
        for point in sorted(points):
            room = point.split("/")[1]
            if not room.startswith("_"):
                found.setdefault(room, []).extend([point] if points[point]["unit"] == GAS_UNIT else [])
        return tuple(Room(room, "", tuple(gas)) for room, gas in found.items())


class Source:
    """Reads one site."""

    def __init__(self, site: Folder | Address) -> None:
        self._site = site
        self._points: dict[str, Item] = {}

    @property
    def run(self) -> Item:
        """How the site was found."""
        return self._site.run

    def rooms(self) -> tuple[Room, ...]:
        """The rooms, without the pseudo-room of the box; of a site by address as its last picture tells."""
        return self._site.rooms(self._points)

    def picture(self) -> Picture:
        """Ask for everything. Raises OSError, ValueError or http.client.HTTPException when the site does not answer."""
        line = self._connect(ANSWER_WAIT_S)
        try:
            status = self._get(line, "/api/v1/status")
            alarms = self._get(line, "/api/v1/alarms")["items"]
            outputs = self._get(line, "/api/v1/outputs")["items"]
            points = {item["id"]: item for item in self._get(line, "/api/v1/points")["items"]}
        finally:
            line.close()
        self._points = points
        return Picture(status, tuple(alarms), points, tuple(outputs), monotonic())

    def events(self, since: str) -> Iterator[tuple[str, Item]]:
        """Cursor and CloudEvent of each event behind ``since`` ("now": from here on) until the stream breaks."""
        line = self._connect(STREAM_WAIT_S)
        try:
            line.request("GET", f"/api/v1/events?since={since}", headers=self._headers())
            answer = line.getresponse()
            if answer.status != http.client.OK:
                raise OSError(f"the event stream answered {answer.status}")
            cursor = ""
            for raw in answer:
                key, _, value = raw.decode().rstrip("\n").partition(": ")
                if key == "id":
                    cursor = value
                elif key == "data" and value.startswith('{"specversion"'):
                    yield cursor, json.loads(value)
        finally:
            line.close()

    def _connect(self, wait_s: float) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(str(self.run["http"]), timeout=wait_s)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._site.token}"}

    def _get(self, line: http.client.HTTPConnection, path: str) -> Any:
        line.request("GET", path, headers=self._headers())
        answer = line.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise OSError(f"{path} answered {answer.status}")
        return json.loads(body)


def _room(room: Item) -> Room:
    points = [point["id"] for point in room["points"]]
    gas = []
    for detector in room["detectors"]:
        indexes = [detector["h2"]] if detector["h2"] >= 0 else [detector["contact_1"], detector["contact_2"]]
        gas += [points[index] for index in indexes if index >= 0]
    return Room(room["id"], room["name"], tuple(gas), _strings(room, points))


def _strings(room: Item, points: list[str]) -> tuple[String, ...]:
    """From the rules over strings: which point is whose current, whose voltage."""
    found: dict[str, dict[str, str]] = {}
    for row in (*room["limits"], *room["median_factors"]):
        alarm = room["alarms"][row["alarm"]]
        kind, _, rest = alarm["rule"].removeprefix("string_").partition("_")
        if alarm["rule"].startswith("string_") and rest and kind in ("current", "voltage"):
            found.setdefault(alarm["subject"], {})[kind] = points[row["point"]]
    numbers: dict[str, int] = {}
    strings = []
    for name in sorted(found):
        battery = name.rpartition("/")[0]
        numbers[battery] = numbers.get(battery, 0) + 1
        strings.append(String(name, found[name].get("current", ""), found[name].get("voltage", ""), numbers[battery]))
    return tuple(strings)
