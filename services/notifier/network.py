"""Reaching a host: one resolution, addresses judged before a line is opened, faults as sentences.

Promises: :func:`resolve` never holds up the loop nor the program's end, however long the resolver takes; a cancelled
one leaves a thread behind that ends with the resolver's own patience (about 30 s), so that n sends at a time, tried
again after 10 s, leave at most 4 n threads. :func:`why` never quotes a secret: it names the kind of trouble and, where
the system gave one, its own short text. Which addresses may be reached is judged by shared.runtime.outside.
"""

import asyncio
import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from services.notifier.plain import one_line

Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]

ADDRESSES_MAX = 4
"""More addresses of one name are not tried."""
_WORDS_MAX = 160


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """The addresses of ``host`` in the order in which the system prefers them; OSError when there is none."""
    with suppress(ValueError):
        return (str(ipaddress.ip_address(host)),)
    loop = asyncio.get_running_loop()
    found: asyncio.Future[tuple[str, ...]] = loop.create_future()

    def hand_over(addresses: tuple[str, ...], error: OSError | None) -> None:
        if found.done():
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(addresses)

    def look_up() -> None:
        addresses: tuple[str, ...] = ()
        error: OSError | None = None
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = tuple(dict.fromkeys(str(info[4][0]) for info in infos))
        except OSError as trouble:
            error = trouble
        except UnicodeError:
            error = socket.gaierror(socket.EAI_NONAME, "no such name")
        with suppress(RuntimeError):  # The loop has gone: nobody waits any more.
            loop.call_soon_threadsafe(hand_over, addresses, error)

    threading.Thread(target=look_up, name="resolve", daemon=True).start()
    return await found


def why(error: BaseException) -> str:
    """What kind of trouble it is, in a few plain words."""
    for each in _chain(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({one_line(each.verify_message, _WORDS_MAX)})"
        if isinstance(each, ssl.SSLError):
            return f"TLS does not come about ({one_line(getattr(each, 'reason', '') or 'broken off', _WORDS_MAX)})"
        if isinstance(each, socket.gaierror):
            return f"its name cannot be resolved ({one_line(each.strerror or '', _WORDS_MAX)})"
    for each in _chain(error):
        if isinstance(each, OSError) and (each.errno or each.strerror):
            return one_line(os.strerror(each.errno) if each.errno else str(each.strerror), _WORDS_MAX).lower()
    return "the line broke"


def _chain(error: BaseException) -> Iterable[BaseException]:
    each: BaseException | None = error
    while each is not None:
        yield each
        if isinstance(each, BaseExceptionGroup):
            yield from each.exceptions
        each = each.__cause__ or each.__context__
