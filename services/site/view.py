"""``python -m services.site.view DIR|URL``: the live view of a site, on a terminal or as lines.

Grey while normal; colour only for what is not, and then with a shape and a word beside it. On a terminal the picture is
drawn anew twice a second, and asked for at once when the stream tells of an event; without one each change is one line
without escape codes. A URL needs a token in AMPWARD_TOKEN. ``--told``: sentences of the parent
come on standard input, one JSON object {say|story: text} a line; its end ends the view.
"""

import http.client
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import sleep

from services.site.command.output import plain
from services.site.told import Told
from services.site.view_lines import NOT_TOLD_YET, event_line, is_news, standing_lines
from services.site.view_source import Address, Folder, Picture, Source
from shared.runtime.lifecycle import Signals, end_with_parent
from shared.runtime.places import find_gateway

DRAW_S = 0.5
ASK_EVERY_S = 1.0
RETRY_S = 0.5
TROUBLE = (OSError, ValueError, KeyError, http.client.HTTPException)


def main() -> int:
    end_with_parent()
    signals = Signals()
    signals.install()
    source = Source(_site(sys.argv[1]))
    told = Told()
    lines = not sys.stdout.isatty()
    if "--told" in sys.argv[2:]:
        listen = threading.Thread(target=_listen, args=(told, lines, signals.ended.set), daemon=True)
        listen.start()
    if lines:
        _as_lines(source, signals)
    else:
        _as_picture(source, told, signals)
    return 0


def _site(place: str) -> Folder | Address:
    address = place.removeprefix("http://")
    if address == place:
        fleet = find_gateway(Path(place))
        return Folder(Path(place)) if fleet is None else Address(fleet[0], fleet[1].read_text().strip())
    return Address(address.rstrip("/"), os.environ.get("AMPWARD_TOKEN", ""))


def _listen(told: Told, lines: bool, ended: Callable[[], None]) -> None:
    """What the parent says."""
    for raw in sys.stdin:
        message = json.loads(raw)
        for kind, sentence in message.items():
            if lines:
                write(sentence if kind == "say" else f"-- {sentence}")
            else:
                (told.said if kind == "say" else told.story).append(sentence)
    ended()


def write(text: str) -> None:
    """One line, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _as_lines(source: Source, signals: Signals) -> None:
    first = _first_picture(source, signals)
    if first is not None:
        for line in standing_lines(first):
            write(plain(line))
    follow = threading.Thread(target=_follow, args=(source, lambda line: write(plain(line))), daemon=True)
    follow.start()
    signals.ended.wait()


def _first_picture(source: Source, signals: Signals) -> Picture | None:
    """As soon as the site answers and guard has told of its outputs, which it does each second."""
    while not signals.ended.is_set():
        try:
            picture = source.picture()
        except TROUBLE:
            signals.ended.wait(RETRY_S)
            continue
        if picture.status["checks"]["armed"]["detail"] != NOT_TOLD_YET:
            return picture
        signals.ended.wait(RETRY_S)
    return None


def _follow(source: Source, tell: Callable[[str], None]) -> None:
    """Every event as a line, for ever; a break is bridged by the last cursor."""
    behind = "now"
    while True:
        try:
            for cursor, event in source.events(behind):
                behind = cursor
                if is_news(event):
                    tell(event_line(event))
        except TROUBLE:
            sleep(RETRY_S)


def _as_picture(source: Source, told: Told, signals: Signals) -> None:
    from rich.console import Console
    from rich.live import Live

    from services.site.view_picture import draw

    news = threading.Event()

    def tell(line: str) -> None:
        told.events.append(line)
        news.set()

    threading.Thread(target=_follow, args=(source, tell), daemon=True).start()
    rooms = source.rooms()
    run = source.run
    picture = Picture()
    asked = 0.0
    with Live(console=Console(), screen=True, auto_refresh=False) as live:
        while not signals.ended.is_set():
            asked -= DRAW_S
            if asked <= 0 or news.is_set():
                news.clear()
                asked = ASK_EVERY_S
                try:
                    picture = source.picture()
                    rooms, run = source.rooms(), source.run
                except TROUBLE:
                    # The picture's age says so on the screen.
                    asked = RETRY_S
            live.update(draw(picture, rooms, run, told), refresh=True)
            signals.ended.wait(DRAW_S)


if __name__ == "__main__":
    sys.exit(main())
