"""Hash ids by the thousand: those of shared.domain.ids, for columns of inputs.

Apart from them, so that guard, which only knows single ones, begins without the compiled part.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from shared.compiled.names import digests
from shared.domain.ids import BEGUN, HASH_DIGITS

if TYPE_CHECKING:
    from shared.domain.layout import Ints


def event_ids_begun(log_id: str, site_seqs: "Ints", room: str) -> list[str]:
    """:func:`shared.domain.ids.event_id_begun` of each of these inputs."""
    return digests([f"{log_id}\x1f".encode()], site_seqs * 0, site_seqs, f"\x1f{room}".encode(), BEGUN)


def occurrence_ids(alarms: Iterable[str], which: "Ints", log_id: str, site_seqs: "Ints") -> list[str]:
    """:func:`shared.domain.ids.occurrence_id` of each: its alarm's place, and the input that began it."""
    return digests([f"{alarm}\x1f{log_id}\x1f".encode() for alarm in alarms], which, site_seqs, b"", HASH_DIGITS)
