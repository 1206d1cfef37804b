"""Blocking work of an event loop in a thread, so that who is cancelled does not leave it running.

A reader of the log belongs to one thread at a time: closing it under a thread that reads ends the process.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


async def finished(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What ``work`` gives, done in a thread. A cancelled caller ends only when the work has.

    The thread is no task of the loop: one that ends cancels all of its tasks, and such a one is done before its thread.
    """
    called = partial(copy_context().run, partial(work, *args, **kwargs))
    working = asyncio.get_running_loop().run_in_executor(None, called)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        while not working.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([working])
        raise
