"""Files that the centre pushes to a site: checked as `ampward check` does, taken in or refused with words.

    DIR/push.next.json -> is it one of the site file's own includes? -> the whole site checked with it in its place
        -> faults: refused, nothing was touched
        -> the file replaced in one step -> reload, as after a change by hand -> RuleSet in the log, by centre:ACTOR
                                               refused by guard: the old file comes back

Only a file that the site file includes can be pushed: what may come from the centre is the choice of who wrote that
file. Every outcome is a pushed_file Report in the site's log, with the SHA-256 of what the site goes by and who pushed
it; a file that was pushed and is changed on the box later is told the same way, so that the centre sees the drift.
Refuses: a name that is not included, a number not above the last one, any fault of the check.
Limits: one at a time; the first DETAIL_CHARACTERS_MAX of faults.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any, Final

from services.site.reload import DETAIL_CHARACTERS_MAX
from shared.domain.inputs import ReportKind
from shared.runtime import places, pushed
from shared.runtime.documents import load_document
from shared.runtime.logging import logger
from shared.runtime.pushed import Given, Said

KNOWN: Final = "pushed.json"
LOOK_S: Final = 10.0
LOCAL: Final = "local"
"""Who changed a pushed file when nobody pushed it."""

Check = Callable[[Path, Path], dict[str, Any]]
"""Checks the site with the second file's content in the place of the first; {ok, faults}."""
Reload = Callable[[str], bool]
Tell = Callable[[ReportKind, str, str, bool], None]
"""Kind, part of the box, detail, on."""


@dataclass(slots=True)
class Pushes:
    """Lives in the main thread, beside the reloads."""

    source: Path
    data: Path
    environment: dict[str, str]
    check: Check
    reload: Reload
    tell: Tell
    _known: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By name: number and sha256 of what the site goes by."""
    _is_read: bool = False
    _looked_at: float = 0.0

    def look(self) -> None:
        """Take in what waits; now and then see whether pushed files are still what they were."""
        self._read()
        waiting = pushed.given(self.data)
        if waiting is not None:
            why = self._take(waiting)
            with suppress(OSError):
                pushed.answer(self.data, Said(waiting.id, accepted=not why, text=why))
        elif monotonic() - self._looked_at >= LOOK_S:
            self._looked_at = monotonic()
            self._watch()

    def _take(self, waiting: Given) -> str:
        """Empty when the site goes by it now; else why not."""
        digest = sha256(waiting.body.encode()).hexdigest()
        known = self._known.get(waiting.name, {})
        last = int(known.get("number", 0))
        if waiting.number < last:
            return "a later one was pushed already"
        if waiting.number == last:
            return str(known.get("why", ""))
        why = self._try(waiting)
        self._known[waiting.name] = {
            "number": waiting.number,
            "sha256": digest if not why else known.get("sha256", ""),
            "why": why,
        }
        self._write()
        detail = f"{digest} by {waiting.actor}{': ' if why else ''}{why}"
        self._report(waiting.name, detail, is_on=not why)
        logger().info("file_pushed", name=waiting.name, sha256=digest, actor=waiting.actor, refused=why)
        return why

    def _try(self, waiting: Given) -> str:
        target = self._included(waiting.name)
        if target is None:
            return f"the site file includes no file {waiting.name}"
        body = waiting.body.encode()
        try:
            candidate = places.write_file(self.data, f"push.{waiting.name}", body)
            answer = self.check(target, candidate)
            if not answer.get("ok"):
                faults = "; ".join(map(str, answer.get("faults", ()))) or "the check did not end"
                return faults[:DETAIL_CHARACTERS_MAX]
            old, mode = target.read_bytes(), target.stat().st_mode & 0o777
            places.replace_file(target, body, mode)
            if not self.reload(f"centre:{waiting.actor}"):
                places.replace_file(target, old, mode)
                return "the site did not take it; its log says why (config_rejected)"
        except OSError as fault:
            return f"{target.name} cannot be written: {fault.strerror}"
        finally:
            places.remove_file(self.data, f"push.{waiting.name}")
        return ""

    def _included(self, name: str) -> Path | None:
        """The included file of this name, beside or below the site file."""
        document, _ = load_document(self.source, self.environment)
        listed = document.data.get("include", []) if document is not None else []
        for text in listed if isinstance(listed, list) else ():
            if isinstance(text, str) and Path(text).name == name:
                return self.source.parent / text
        return None

    def _watch(self) -> None:
        for name, known in self._known.items():
            target = self._included(name)
            if target is None or not known["sha256"]:
                continue
            with suppress(OSError):
                digest = sha256(target.read_bytes()).hexdigest()
                if digest != known["sha256"]:
                    known["sha256"] = digest
                    self._write()
                    self._report(name, f"{digest} by {LOCAL}", is_on=True)

    def _report(self, name: str, detail: str, *, is_on: bool) -> None:
        self.tell(ReportKind.PUSHED_FILE, f"files/{name}", detail, is_on)

    def _read(self) -> None:
        if not self._is_read:
            self._is_read = True
            with suppress(OSError, ValueError):
                self._known = dict(json.loads(places.find_file(self.data, KNOWN).read_bytes()))

    def _write(self) -> None:
        with suppress(OSError):
            places.write_file(self.data, KNOWN, json.dumps(self._known).encode())
