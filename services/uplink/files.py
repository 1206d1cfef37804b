"""Pushed files on their way from the fleet to the site's own process: signature first, then the site's check.

Whose key the centre's is says the site's identity (centre.pub, a key a line); without that file nothing can be pushed.
Limits: WAIT_S for the site to check and answer; an order that was not answered by then comes again. No thread waits
for the answer: whoever is cancelled leaves nothing running, so that lost links do not use up the threads of the lanes.
"""

import asyncio
from pathlib import Path
from time import monotonic
from typing import Final

from services.uplink.threads import finished
from shared.domain.errors import BadSignature, WireError
from shared.runtime import pushed
from shared.runtime.pushed import Given
from shared.wire.live import LiveAnswer
from shared.wire.orders import FileOrder
from shared.wire.pushes import check_file
from shared.wire.signing import PublicKey, read_public_key

CENTRE: Final = "centre.pub"
WAIT_S: Final = 130.0
"""Above what the check of a site file may take."""
LOOK_S: Final = 0.2
BAD_SIGNATURE: Final = "bad-signature"
REFUSED: Final = "file-refused"


class Files:
    """One data folder and one identity's folder. One event loop."""

    def __init__(self, directory: Path, identity: Path, wait_s: float = WAIT_S) -> None:
        self._directory = directory
        self._identity = identity
        self._wait_s = wait_s

    async def take(self, order: FileOrder) -> LiveAnswer | None:
        """What became of it; None when the site's process does not answer, or its disk takes nothing."""
        try:
            await finished(self._give, order)
        except (BadSignature, WireError) as fault:
            return LiveAnswer(order.id, accepted=False, reason=BAD_SIGNATURE, text=str(fault))
        except OSError:
            return None
        end = monotonic() + self._wait_s
        while monotonic() < end:
            said = await finished(pushed.answered, self._directory, order.id)
            if said is not None:
                return LiveAnswer(order.id, said.accepted, "" if said.accepted else REFUSED, said.text)
            await asyncio.sleep(LOOK_S)
        return None

    def _give(self, order: FileOrder) -> None:
        """Raises BadSignature, WireError, OSError."""
        check_file(order, self._keys())
        pushed.hand_in(self._directory, Given(order.id, order.name, order.number, order.actor, order.body))

    def _keys(self) -> dict[str, PublicKey]:
        try:
            lines = (self._identity / CENTRE).read_text(encoding="ascii").split()
        except (OSError, ValueError):
            return {}
        return {key.id: key for key in map(read_public_key, lines)}
