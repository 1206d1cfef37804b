"""A pushed file on its way from the uplink's process to the site's, and the site's answer: two small files in DIR.

    uplink: hand_in -> DIR/push.next.json -> site: given ... answer -> DIR/push.done.json -> uplink: answered

One at a time: the uplink hands in the next when this one is answered, or given up.
Promises: each file is written in one step; one that cannot be read is none.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from shared.runtime import places

NEXT: Final = "push.next.json"
DONE: Final = "push.done.json"


@dataclass(frozen=True, slots=True)
class Given:
    """A file that the centre wants the site to go by. Its signature was checked."""

    id: str
    name: str
    number: int
    """Rises from push to push."""
    actor: str
    body: str


@dataclass(frozen=True, slots=True)
class Said:
    """What became of it."""

    id: str
    accepted: bool
    text: str = ""


def hand_in(data: Path, given: Given) -> None:
    """Raises OSError."""
    places.write_file(data, NEXT, json.dumps(asdict(given)).encode())


def given(data: Path) -> Given | None:
    """What waits, if anything does."""
    try:
        return Given(**json.loads(places.find_file(data, NEXT).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def answer(data: Path, said: Said) -> None:
    """Raises OSError."""
    places.write_file(data, DONE, json.dumps(asdict(said)).encode())
    places.remove_file(data, NEXT)


def answered(data: Path, ident: str) -> Said | None:
    """The answer to this one, when it is there."""
    try:
        said = Said(**json.loads(places.find_file(data, DONE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return said if said.id == ident else None
