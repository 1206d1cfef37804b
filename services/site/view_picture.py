"""The view as a picture: rooms, hydrogen, fan, strings, alarms, outputs, and what the demo does.

Calm: everything normal is grey. What is not normal has a colour, a shape and a word: ■ critical, ▲ alarm, ● warning.
Unknown and stale never look like good: they carry "?" and the reason.
"""

from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.site.told import Told
from services.site.view_lines import STATES, SUPPLEMENTS, cause_text, short, value_text
from services.site.view_source import Item, Picture, Room

CALM = "grey62"
LABEL = "grey50"
SHAPES = {"critical": ("■", "bold red"), "alarm": ("▲", "dark_orange"), "warning": ("●", "yellow")}
UNKNOWN = "magenta"
STALE_S = 5.0
ALARMS_MAX = 12
JARS_MAX = 8
CAUSES_MAX = 2


def draw(picture: Picture, rooms: tuple[Room, ...], run: dict[str, Any], told: Told) -> RenderableType:
    """The whole screen."""
    if not picture.taken_at:
        return Text("Waiting for the site process ...", style=CALM)
    parts: list[RenderableType] = [_head(picture, run), _trouble(picture)]
    parts += [_rooms(picture, rooms), _strings(picture, rooms), _outputs(picture), Text(), _alarms(picture)]
    for title, lines in (("Demo", told.story), ("Last events", told.events), ("Program", told.said)):
        if lines:
            parts += [Text(), Text(title, style=LABEL)]
            parts += [Text(f"  {line}", style=CALM, no_wrap=True, overflow="ellipsis") for line in lines]
    parts += [Text(), Text(SUPPLEMENTS, style=LABEL)]
    return Group(*parts)


def _head(picture: Picture, run: dict[str, Any]) -> Text:
    status = picture.status
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"Ampward  {status['name']}", style="bold")
    text.append(f"  {datetime.now().astimezone():%H:%M:%S}  http://{run['http']}", style=CALM)
    text.append(f"  MQTT {status['mqtt'] or run.get('mqtt') or 'none'}  ", style=CALM)
    text.append(*(("trip ready", CALM) if status["ready"] else ("■ TRIP NOT READY", "bold red")))
    text.append(*(("  armed", CALM) if status["armed"] else ("  ● not armed", "yellow")))
    return text


def _trouble(picture: Picture) -> Text:
    """What makes the rest of the picture doubtful; an empty line when nothing does."""
    text = Text(style="dark_orange")
    if picture.status["undurable"]:
        text.append("▲ the log is not on disk  ")
    if picture.age_s > STALE_S:
        text.append(f"▲ the site process has not answered for {picture.age_s:.0f} s")
    return text


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style=LABEL, show_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    return table


def _rooms(picture: Picture, rooms: tuple[Room, ...]) -> Table:
    table = _table("Room", "H2", "Alarms")
    for room in rooms:
        gas = Text("  ").join(_value(picture.points.get(point), name=short(point)) for point in room.gas)
        mine = [item for item in picture.alarms if item["id"].split("/")[1] == room.id and item["state"] != "A"]
        table.add_row(Text(room.name or room.id, style=CALM), gas, _count(mine))
    return table


def _count(alarms: list[Item]) -> Text:
    if not alarms:
        return Text("none", style=CALM)
    text = Text()
    for severity, (shape, style) in SHAPES.items():
        count = sum(item["severity"] == severity for item in alarms)
        if count:
            text.append(f"{shape} {count} {severity}  ", style=style)
    return text


def _strings(picture: Picture, rooms: tuple[Room, ...]) -> RenderableType:
    table = _table("String", "Current", "Voltage", "Jars not normal")
    for room in rooms:
        for string in room.strings:
            raised = (item["point"] for item in picture.alarms if item["state"] != "A")
            odd = sorted({subject.rpartition("/")[2] for subject in raised if string.has(subject)})
            shown = ", ".join(odd[:JARS_MAX]) + (f" +{len(odd) - JARS_MAX}" if len(odd) > JARS_MAX else "")
            table.add_row(
                Text(short(string.id), style=CALM),
                _value(picture.points.get(string.current)),
                _value(picture.points.get(string.voltage)),
                Text(shown or "none", style="yellow" if odd else CALM),
            )
    return table if table.row_count else Text()


def _outputs(picture: Picture) -> Table:
    table = _table("Output", "Demand", "Coil", "Effect", "Because of")
    for item in picture.outputs:
        on = item["demand"] == "on"
        wrong = item["read_back"] not in ("unknown", item["demand"])
        style = "dark_orange" if wrong or item["proof"] == "failed" else ("yellow" if on else CALM)
        causes = ", ".join(cause_text(cause) for cause in item["by"][:CAUSES_MAX])
        causes += f" +{len(item['by']) - CAUSES_MAX}" if len(item["by"]) > CAUSES_MAX else ""
        name, demand = f"{item['kind']} {short(item['id'])}", "▶ on" if on else "off"
        cells = (name, demand, item["read_back"], item["proof"], causes)
        table.add_row(*(Text(str(cell), style=style) for cell in cells))
    return table


def _alarms(picture: Picture) -> RenderableType:
    alarms = [item for item in picture.alarms if item["state"] != "A" or item["override"] != "none"]
    if not alarms:
        return Text("No alarms", style=CALM)
    table = _table("Alarm", "State", "About", "Value", "Since")
    for item in alarms[:ALARMS_MAX]:
        shape, style = SHAPES[item["severity"]]
        if item["state"] == "A" or item["override"] != "none":
            style = CALM
        state = STATES[item["state"]] + ("" if item["override"] == "none" else f", {item['override']}")
        since = datetime.fromisoformat(item["since"]).astimezone().strftime("%H:%M:%S") if item["since"] else ""
        cells = (f"{shape} {item['severity']} {item['rule']}", state, short(item["point"]), value_text(item), since)
        table.add_row(*(Text(cell, style=style) for cell in cells))
    more = len(alarms) - ALARMS_MAX
    return Group(table, Text(f"and {more} more", style="yellow")) if more > 0 else table


def _value(item: Item | None, name: str = "") -> Text:
    text = Text(f"{name} " if name else "", style=LABEL)
    if item is None:
        return text.append("-", style=CALM)
    if item["value"] is None:
        return text.append(f"? {item['no_data']}", style=UNKNOWN)
    style = CALM if item["quality"] == "good" else UNKNOWN
    return text.append(value_text(item).strip() + ("" if item["quality"] == "good" else " ?"), style=style)
