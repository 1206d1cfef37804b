"""What a person reads of a site that runs: sentences, never the structured lines that go to the text log."""

from pathlib import Path

import pytest

from services.site.teller import Teller, sentences


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b'{"event":"config_fault","fault":"site.yaml:3:1: rooms: is missing"}', ["site.yaml:3:1: rooms: is missing"]),
        (b'{"event":"config_changed","hash":"ab"}', ["the new site file is in force"]),
        (b'{"event":"guard_link_up","guard_pid":7}', []),
        (b'{"event":"config_fault"}', []),
        (b'{"event":["config_fault"]}', []),
        (b"[1]", []),
        (b"Traceback (most recent call last):", []),
        (b"\xff\x00", []),
    ],
)
def test_only_what_a_person_must_know_becomes_a_sentence(line: bytes, told: list[str]) -> None:
    """Whatever else a child writes to its standard error is for the text log."""
    assert list(sentences(line)) == told


def test_every_line_is_in_the_text_log_and_none_is_raw_on_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The engineer finds all of it in DIR/ampward.log."""
    teller = Teller(tmp_path, view=False)
    lines = (b'{"event":"site_started"}', b'{"event":"config_rejected","why":"a fault"}', b"Traceback")
    for line in lines:
        teller.text(line)
    teller.write('{"event":"stopping"}\n')
    teller.close()
    shown = capfd.readouterr()
    assert shown.out == "the site file is not taken, the old configuration stays: a fault\n"
    assert shown.err == ""
    assert (tmp_path / "ampward.log").read_bytes().splitlines() == [*lines, b'{"event":"stopping"}']
