"""Structured log lines: their form, what is hidden, and that they never hold a program up."""

import json
import subprocess
import sys

from shared.runtime.logging import Changes, redact


def lines_of(program: str) -> list[dict[str, object]]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_line_is_one_json_object_with_an_event_name() -> None:
    """Time, level, service and event come first, then the keys."""
    program = (
        "from shared.runtime.logging import *; configure('site'); logger(device='gas1').info('device_lost', after_s=6)"
    )
    (line,) = lines_of(program)
    assert list(line)[:5] == ["at", "level", "service", "pid", "event"]
    assert (line["service"], line["event"], line["device"], line["after_s"]) == ("site", "device_lost", "gas1", 6)


def test_secrets_are_hidden_by_key_and_inside_addresses() -> None:
    """A token, a password, a PIN and the password of a URL never reach a log."""
    event = {
        "event": "connected",
        "token": "abc",
        "mqtt_password": "p",
        "pin": "1234",
        "url": "mqtt://u:secret@host:1883",
        "spinning": "yes",
    }
    told = redact(None, "info", dict(event))
    assert "abc" not in str(told)
    assert "secret" not in str(told)
    assert "1234" not in str(told)
    assert told["url"] == "mqtt://u:(redacted)@host:1883"
    assert told["spinning"] == "yes"


def test_secrets_are_hidden_deep_inside_values_and_in_texts() -> None:
    """What a library puts into its words, or a caller into a list of settings, is no way out."""
    event = {
        "event": "refused",
        "settings": {"hosts": ["amqp://:geheim1@h"], "sasl": {"password": "geheim2", "user": "anna"}},
        "words": "connect failed: password=geheim3 token: 'geheim4'; Authorization: Bearer geheim5 host=db",
        "url": "postgresql://:geheim6@db/x",
        "thing": Exception("secret=geheim7"),
        "kept": (1, 2.5, None, True),
    }
    told = redact(None, "info", dict(event))
    assert "geheim" not in str(told)
    assert told["settings"]["sasl"]["user"] == "anna"
    assert str(told["words"]).endswith("host=db")
    assert told["kept"] == [1, 2.5, None, True]


def test_what_libraries_warnings_and_uncaught_faults_say_is_json_too() -> None:
    """Whoever reads the lines by a program finds no line of another form among them."""
    program = """
import logging, threading, warnings
from shared.runtime.logging import *
configure("x")
logging.getLogger("lib").warning("broken %s", "password=geheim")
logging.getLogger("lib").info("not told")
logging.getLogger("lib").error("wrong %d", "words")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("lib").exception("fault")
warnings.warn("old")
thread = threading.Thread(target=lambda: [][1], name="worker")
thread.start()
thread.join()
class Bad:
    def __del__(self): raise ValueError("in del")
Bad()
import atexit, sys
sys.excepthook(KeyError, KeyError("gone"), None)
"""
    lines = lines_of(program)
    assert [line["event"] for line in lines] == [*["library_says"] * 4, "uncaught", "unraisable", "uncaught"]
    assert lines[0]["words"] == "broken password=(redacted)"
    assert lines[2]["fault"] == "ZeroDivisionError: division by zero"
    assert "1 / 0" in str(lines[2]["traceback"]) or "<string>" in str(lines[2]["traceback"])
    assert "old" in str(lines[3]["words"])
    assert (lines[4]["thread"], lines[4]["fault"]) == ("worker", "IndexError: list index out of range")
    assert {line["service"] for line in lines} == {"x"}


def test_a_reader_that_does_not_read_holds_nobody_up() -> None:
    """A full pipe drops lines; the program goes on and ends by itself."""
    program = (
        "from shared.runtime.logging import *; configure('x')\n"
        "for n in range(2000): logger().info('filling', text='x' * 500)"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE)
    assert process.wait(timeout=60) == 0
    assert process.stderr is not None
    assert 0 < len(process.stderr.read().splitlines()) < 2000
    process.stderr.close()


def test_a_condition_is_told_once_a_change() -> None:
    """Not at each cycle, and a first state that is no trouble is no change."""
    changes = Changes()
    states = [False, True, True, False, False, True]
    assert [changes.changed("bus b1", state) for state in states] == [False, True, False, True, False, True]
