"""Files that the centre pushes to a site: checked as `ampward check` does, taken in or refused with words.

    DIR/push.next.json -> is it one of the site file's own includes? -> the whole site checked with it in its place
        -> faults: refused, nothing was touched
        -> the file replaced in one step -> reload, as after a change by hand -> RuleSet in the log, by centre:ACTOR
                                               refused by guard: the old file comes back

Only a file that the site file includes can be pushed: what may come from the centre is the choice of who wrote that
file. Every outcome is a pushed_file Report in the site's log, with the SHA-256 of what the site goes by and who pushed
it; a file that was pushed and is changed on the box later is told the same way, so that the centre sees the drift.
What is known of pushed files is a position that is committed with the Report: killed at any moment, the site takes in
again what has no Report, and nothing else. A check that was killed, a guard that is away say nothing of the file: it is
tried again for PATIENCE_S.
Refuses: a name that is not included, a number not above the last one, any fault of the check.
Limits: one at a time; the first DETAIL_CHARACTERS_MAX of faults.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any, Final

from services.site.reload import DETAIL_CHARACTERS_MAX
from shared.domain.inputs import Report, ReportKind
from shared.runtime import places, pushed
from shared.runtime.documents import load_document
from shared.runtime.logging import logger
from shared.runtime.pushed import Given, Said
from shared.wire.inputs import report

POSITION: Final = "pushes"
LOOK_S: Final = 10.0
AGAIN_S: Final = 2.0
PATIENCE_S: Final = 60.0
"""From the first try of a push on; below what the uplink waits for the answer."""
LOCAL: Final = "local"
"""Who changed a pushed file when nobody pushed it."""

Check = Callable[[Path, Path], dict[str, Any]]
"""Checks the site with the second file's content in the place of the first; {ok, faults}, {} when that did not end."""
Reload = Callable[[str], bool | None]
"""None when nothing was decided, and it can be tried again."""
Record = Callable[[Sequence[Report], bytes], object]
"""Into the log, in one transaction with the position; returns when they are there."""


@dataclass(slots=True)
class Pushes:
    """Lives in the main thread, beside the reloads."""

    source: Path
    data: Path
    environment: dict[str, str]
    check: Check
    reload: Reload
    home: str
    """What the Reports are about begins so."""
    stored: bytes | None
    """The position of the log."""
    record: Record
    _known: dict[str, dict[str, Any]] = field(init=False)
    """By name: number and sha256 of what the site goes by."""
    _looked_at: float = 0.0
    _trying: str = ""
    """The push that was tried and not decided."""
    _patient_until: float = 0.0
    _again_at: float = 0.0

    def __post_init__(self) -> None:
        self._known = json.loads(self.stored) if self.stored else {}

    def look(self) -> None:
        """Take in what waits; now and then see whether pushed files are still what they were."""
        waiting = pushed.given(self.data)
        if waiting is not None:
            why = self._take(waiting)
            if why is not None:
                with suppress(OSError):
                    pushed.answer(self.data, Said(waiting.id, accepted=not why, text=why))
        elif monotonic() - self._looked_at >= LOOK_S:
            self._looked_at = monotonic()
            self._watch()

    def _take(self, waiting: Given) -> str | None:
        """Empty when the site goes by it now; else why not; None when it is to be tried again."""
        digest = sha256(waiting.body.encode()).hexdigest()
        known = self._known.get(waiting.name, {})
        last = int(known.get("number", 0))
        if waiting.number < last:
            return "a later one was pushed already"
        if waiting.number == last:
            return str(known.get("why", ""))
        why = self._try_patiently(waiting)
        if why is None:
            return None
        self._known[waiting.name] = {
            "number": waiting.number,
            "sha256": digest if not why else known.get("sha256", ""),
            "why": why,
        }
        detail = f"{digest} by {waiting.actor}{': ' if why else ''}{why}"
        self._report(waiting.name, detail, is_on=not why)
        logger().info("file_pushed", name=waiting.name, sha256=digest, actor=waiting.actor, refused=why)
        return why

    def _try_patiently(self, waiting: Given) -> str | None:
        now = monotonic()
        if waiting.id != self._trying:
            self._trying, self._patient_until = waiting.id, now + PATIENCE_S
        elif now < self._again_at:
            return None
        why = self._try(waiting)
        self._again_at = monotonic() + AGAIN_S
        if why is None and now >= self._patient_until:
            return "neither the check nor guard said what they make of it; its log says why (config_rejected)"
        return why

    def _try(self, waiting: Given) -> str | None:
        target = self._included(waiting.name)
        if target is None:
            return f"the site file includes no file {waiting.name}"
        body = waiting.body.encode()
        try:
            candidate = places.write_file(self.data, f"push.{waiting.name}", body)
            answer = self.check(target, candidate)
            if not answer:
                return None
            if not answer.get("ok"):
                return "; ".join(map(str, answer.get("faults", ())))[:DETAIL_CHARACTERS_MAX] or "it has faults"
            old, mode = target.read_bytes(), target.stat().st_mode & 0o777
            places.replace_file(target, body, mode)
            is_taken = self.reload(f"centre:{waiting.actor}")
            if not is_taken:
                places.replace_file(target, old, mode)
                return None if is_taken is None else "the site did not take it; its log says why (config_rejected)"
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
                    self._report(name, f"{digest} by {LOCAL}", is_on=True)

    def _report(self, name: str, detail: str, *, is_on: bool) -> None:
        made = report(ReportKind.PUSHED_FILE, f"{self.home}/files/{name}", on=is_on, detail=detail)
        self.record([made], json.dumps(self._known).encode())
