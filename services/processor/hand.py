"""A process that folds for a worker: ``python -m services.processor.hand FD``. Calls come by a socket, one at a time.

Ends when the worker's end is closed, so it cannot outlive it; signals are for the worker, which ends in order.
"""

import contextlib
import signal
import socket
import sys

from services.processor.seats import Given, Seats
from shared.runtime.garbage import settle
from shared.runtime.logging import configure
from shared.wire.calls import LENGTH, Call, Learn, Restore, States, Take, decode_call, encode_answer


def answer(seats: Seats, call: Call) -> object:
    """What the seats say."""
    if isinstance(call, Take):
        return list(seats.take(Given(*each) for each in call.given))
    if isinstance(call, States):
        return seats.states(call.wanted, call.generation)
    if isinstance(call, Restore):
        return seats.restore(call.site, call.data)
    if isinstance(call, Learn):
        seats.learn(call.needs, call.site, call.value)
    else:
        seats.drop(call.site)
    return None


def _exactly(line: socket.socket, size: int) -> bytes:
    """So many bytes; fewer when the other end is closed."""
    data = bytearray(size)
    view, have = memoryview(data), 0
    while have < size:
        got = line.recv_into(view[have:])
        if not got:
            return b""
        have += got
    return bytes(data)


def main(descriptor: int) -> None:
    """Until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    configure("processor")
    seats = Seats()
    settle()
    with socket.socket(fileno=descriptor) as line, contextlib.suppress(ConnectionError):
        while length := _exactly(line, LENGTH.size):
            data = _exactly(line, LENGTH.unpack(length)[0])
            if not data:
                return
            line.sendall(encode_answer(answer(seats, decode_call(data))))


if __name__ == "__main__":
    main(int(sys.argv[1]))
