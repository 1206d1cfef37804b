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
