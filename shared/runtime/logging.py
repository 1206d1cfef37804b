"""Structured logs: one JSON object a line on standard error, an event name and key-values, never a sentence.

Promises: a line says that a condition changed, not that a cycle passed (:class:`Changes`); secrets are redacted by
key name, inside addresses and in texts of the form password=...; what libraries, warnings and uncaught faults have to
say comes in the same form where no terminal reads it; a reader that has gone or does not read never blocks or ends the
program (lines are dropped and counted). Limits: a value is cut at 2,000 characters, a traceback too. Times are UTC and
for people only.
"""

import json
import logging
import os
import re
import stat
import sys
import threading
import traceback
from collections.abc import Hashable, MutableMapping
from functools import partial
from types import ModuleType
from typing import Any, Protocol

VALUE_CHARACTERS_MAX = 2000
_SECRET = re.compile(r"(?i)token|password|passwd|secret|authorization|api_?key|private_?key|\bpin\b")
_IN_ADDRESS = re.compile(r"(?P<before>://[^/\s:@]*:)[^@/\s]+@")
_IN_TEXT = re.compile(
    r"(?i)(?P<before>\b(?:password|passwd|token|secret|api_?key|private_?key)[\"']?\s?[=:]\s?[\"']?"
    r"|\bauthorization[\"']?\s?[=:]\s?[\"']?(?:bearer|basic)?\s?)[^\s\"',;&]+"
)
HIDDEN = "(redacted)"
_DEPTH_MAX = 6


class Sink(Protocol):
    """Takes whole lines."""

    def write(self, text: str) -> None: ...

    def flush(self) -> None: ...


class Outlet:
    """A descriptor as a stream of whole lines that never blocks on a pipe and never raises."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.dropped = 0
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            os.set_blocking(descriptor, False)

    def write(self, text: str) -> None:
        line = text.encode(errors="replace")
        try:
            if os.write(self._descriptor, line) != len(line):
                self.dropped += 1
        except OSError:
            # Nobody reads: the parent is dead or busy. What matters went to the event log, not here.
            self.dropped += 1

    def flush(self) -> None:
        """Nothing is held back."""


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide the values of keys that name a secret, and what stands as one inside texts, however deep."""
    for key, value in event.items():
        event[key] = HIDDEN if key != "event" and _SECRET.search(key) and value else _hidden(value, _DEPTH_MAX)
    return event


def _hidden(value: Any, depth: int) -> Any:
    """A value without the secrets that can be known in it; what lies deeper than anybody writes is left out."""
    match value:
        case str():
            text = _IN_ADDRESS.sub(rf"\g<before>{HIDDEN}@", value[: 2 * VALUE_CHARACTERS_MAX])
            return _IN_TEXT.sub(rf"\g<before>{HIDDEN}", text)[:VALUE_CHARACTERS_MAX]
        case bool() | int() | float() | None:
            return value
        case _ if not depth:
            return HIDDEN
        case dict():
            return {
                str(key): HIDDEN if _SECRET.search(str(key)) and one else _hidden(one, depth - 1)
                for key, one in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [_hidden(one, depth - 1) for one in value]
    return _hidden(str(value), depth)


def _structlog() -> ModuleType:
    """Loaded when it is needed: guard is started before that, and it costs 50 ms.

    Its developer console would draw rich into every process: 100 ms and 10 MiB that nothing here uses.
    """
    if "structlog" in sys.modules:
        return sys.modules["structlog"]
    rich = sys.modules.get("rich")
    if rich is None:
        sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog
    finally:
        if rich is None:
            del sys.modules["rich"]
    return structlog


def configure(service: str, sink: Sink | None = None) -> None:
    """Once, at the start of a process. ``service`` stands in every line; they go to standard error, or to ``sink``."""
    structlog = _structlog()
    structlog.configure(
        processors=[
            partial(_name, service, os.getpid()),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(serializer=_dump),
        ],
        logger_factory=structlog.WriteLoggerFactory(sink or Outlet(sys.stderr.fileno())),
        cache_logger_on_first_use=True,
    )
    if not sys.stderr.isatty():
        _take_over()


class _FromLibraries(logging.Handler):
    """What libraries say by Python's own logging."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            words = record.getMessage()
        except (TypeError, ValueError):
            words = str(record.msg)
        speaker = logger(library=record.name)
        speaker.log(record.levelno, "library_says", words=words, **_fault(record.exc_info))


def _take_over() -> None:
    """Everything that would be written to standard error in a form of its own is a line of ours."""
    root = logging.getLogger()
    if not any(isinstance(handler, _FromLibraries) for handler in root.handlers):
        root.addHandler(_FromLibraries(logging.WARNING))
    logging.captureWarnings(capture=True)
    sys.excepthook = lambda kind, fault, at: logger().critical("uncaught", **_fault((kind, fault, at)))
    threading.excepthook = lambda told: logger().critical(
        "uncaught",
        thread=told.thread.name if told.thread else "",
        **_fault((told.exc_type, told.exc_value, told.exc_traceback)),
    )
    sys.unraisablehook = lambda told: logger().error(
        "unraisable", where=repr(told.object), **_fault((told.exc_type, told.exc_value, told.exc_traceback))
    )


def _fault(info: Any) -> dict[str, str]:
    """An exception as key-values: the end of a traceback says more than its beginning."""
    if not info or info[0] is None:
        return {}
    text = "".join(traceback.format_exception(*info))
    return {"fault": f"{info[0].__name__}: {info[1]}", "traceback": text[-VALUE_CHARACTERS_MAX:]}


def _name(
    service: str, pid: int, _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Who speaks, in whatever thread."""
    event["service"], event["pid"] = service, pid
    return event


def _dump(event: Any, **_options: Any) -> str:
    order = ("at", "level", "service", "pid", "event")
    first = {key: event[key] for key in order if key in event}
    return json.dumps(first | {key: value for key, value in event.items() if key not in first}, default=str)


def logger(**bound: Any) -> Any:
    """A logger: ``logger().info("site_started", port=8080)``."""
    return _structlog().get_logger(**bound)


class Changes:
    """Says whether a condition differs from what it was: logs are written at changes only. Holds at most 10,000."""

    def __init__(self) -> None:
        self._last: dict[Hashable, object] = {}

    def changed(self, condition: Hashable, state: object) -> bool:
        """True when ``state`` is new for ``condition``. The first state counts as a change unless it is falsy."""
        if len(self._last) >= 10_000:
            self._last.clear()
        before = self._last.get(condition)
        self._last[condition] = state
        return before != state and not (before is None and not state)
