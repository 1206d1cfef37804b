"""Tasks that are ended: cancelled until they are over.

A task that is cancelled in the midst of a statement leaves its transaction, and what that raises where the server does
not answer takes the cancellation's place. Who goes on after trouble with a database then goes on for ever, and nobody
who waits for him ends.
Promises: returns when all are over, a few seconds after END_S at the latest if ``let_go`` ends what they wait for.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

END_S: Final = 10.0
"""So long a task may take to end in order."""
AGAIN_S: Final = 1.0


async def ended(tasks: Iterable["asyncio.Task[Any]"], let_go: Callable[[], object]) -> None:
    """Cancels them and waits for their end; those that have not ended in order are cancelled again and again, and what
    they may wait for is let go of. What they raise is theirs."""
    within_s, waiting = END_S, set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=within_s)
        if waiting:
            let_go()
        within_s = AGAIN_S
