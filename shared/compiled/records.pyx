# cython: language_level=3
"""Where records behind their lengths (u32, big-endian) begin and end.

Promises: what shared.wire.sections finds; nothing is read behind the last byte. Refuses (ValueError): a record, or its
length, that ends behind the last byte; a place or a count below zero. Limits: a place is kept only once it is found.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE


def find(bytes body not None, Py_ssize_t at, Py_ssize_t count):
    """Where so many records from ``at`` on begin, and where they end; raises ValueError."""
    cdef const unsigned char *data = <const unsigned char *> PyBytes_AS_STRING(body)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(body)
    cdef Py_ssize_t length, _
    cdef list begins = []
    cdef list ends = []
    if at < 0 or count < 0:
        raise ValueError(f"{count} records from {at} on: allowed are none and more, from 0 on")
    if at > size:
        raise ValueError("a record ends behind the last byte")
    for _ in range(count):
        if size - at < 4:
            raise ValueError("a record ends behind the last byte")
        length = (<Py_ssize_t> data[at] << 24) | (data[at + 1] << 16) | (data[at + 2] << 8) | data[at + 3]
        at += 4
        if size - at < length:
            raise ValueError("a record ends behind the last byte")
        begins.append(at)
        at += length
        ends.append(at)
    return begins, ends
