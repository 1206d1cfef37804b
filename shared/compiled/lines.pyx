# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Records written by the thousand from columns: none of their pieces is an object of its own.

    columns -> the pieces of each row, one after another -> each row behind its length (u32, big-endian) -> one bytes

Promises: what str.join, str() and shared.domain.units.format_scaled write (tests/compiled/test_lines.py).
Refuses with ValueError: columns of different lengths, a place outside the texts, texts that are not ASCII, decimals
that are not -1 to 18.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    ctypedef struct PyObject
    PyObject* PyBytes_FromStringAndSize(const char* data, Py_ssize_t size) except NULL
    int _PyBytes_Resize(PyObject** data, Py_ssize_t size) except -1
    void Py_XDECREF(PyObject* data)

cdef enum:
    DIGITS_MAX = 20
    NUMBER_MAX = 24  # The digits of a number, its sign and its point.
    LENGTH_BYTES = 4
    DECIMALS_MAX = 18

cdef struct Text:
    const char* at
    Py_ssize_t size


cdef struct Source:
    Text* texts
    const int64_t* numbers
    const int64_t* decimals
    # Where the row before has it, and in how many bytes: many rows that follow one another have the same number.
    char* last
    Py_ssize_t last_size


cdef class Column:
    """What stands in one place of all records."""

    cdef Text* texts
    cdef const int64_t[::1] numbers
    """With texts which of them."""
    cdef const int64_t[::1] decimals
    cdef bint is_scaled
    cdef object _kept

    def __dealloc__(self):
        PyMem_Free(self.texts)

    def __len__(self):
        return self.numbers.shape[0]

    cdef Source source(self):
        cdef Source found
        found.texts = self.texts
        found.numbers = &self.numbers[0] if self.numbers.shape[0] else NULL
        found.decimals = &self.decimals[0] if self.is_scaled and self.numbers.shape[0] else NULL
        return found


cdef class Texts(Column):
    """Texts that are told by their place in a list: bytes, or str that is ASCII."""

    def __init__(self, texts, const int64_t[::1] which not None):
        cdef Py_ssize_t n, count
        kept = list(texts)
        count = len(kept)
        if self.texts != NULL:
            raise ValueError("a column is made once")
        self.texts = <Text*>PyMem_Malloc(max(1, count) * sizeof(Text))
        if self.texts == NULL:
            raise MemoryError
        for n in range(count):
            text = kept[n]
            if type(text) is bytes:
                self.texts[n].at, self.texts[n].size = PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)
            elif type(text) is str and text.isascii():
                self.texts[n].at = PyUnicode_AsUTF8AndSize(text, &self.texts[n].size)
            else:
                raise ValueError(f"text {n} is neither bytes nor ASCII: {text!r:.40}")
        for n in range(which.shape[0]):
            if not 0 <= which[n] < count:
                raise ValueError(f"row {n} has text {which[n]} of {count}")
        self._kept, self.numbers = kept, which


cdef class Numbers(Column):
    """Whole numbers in decimal digits."""

    def __init__(self, const int64_t[::1] numbers not None):
        self.numbers = numbers


cdef class Scaled(Column):
    """Numbers with a decimal point so many digits from their end, without zeros behind it; nothing with -1 decimals."""

    def __init__(self, const int64_t[::1] numbers not None, const int64_t[::1] decimals not None):
        cdef Py_ssize_t n
        if decimals.shape[0] != numbers.shape[0]:
            raise ValueError(f"{numbers.shape[0]} numbers and {decimals.shape[0]} decimals")
        for n in range(decimals.shape[0]):
            if not -1 <= decimals[n] <= DECIMALS_MAX:
                raise ValueError(f"row {n} has {decimals[n]} decimals, -1 to {DECIMALS_MAX} are allowed")
        self.numbers, self.decimals, self.is_scaled = numbers, decimals, True


cdef inline char* _digits(char* at, uint64_t number, int least) noexcept nogil:
    """The digits, at least so many; where they end."""
    cdef char digits[DIGITS_MAX]
    cdef int n = DIGITS_MAX
    while number or n > DIGITS_MAX - least:
        n -= 1
        digits[n] = <char>(48 + number % 10)
        number //= 10
    memcpy(at, &digits[n], DIGITS_MAX - n)
    return at + DIGITS_MAX - n


cdef inline char* _number(char* at, int64_t number) noexcept nogil:
    if number < 0:
        at[0] = b"-"
        return _digits(at + 1, -<uint64_t>number, 1)
    return _digits(at, number, 1)


cdef inline char* _scaled(char* at, int64_t number, int decimals) noexcept nogil:
    cdef uint64_t whole = -<uint64_t>number if number < 0 else <uint64_t>number
    cdef uint64_t part = 0, power = 1
    cdef int n
    if decimals < 0:
        return at
    for n in range(decimals):
        power *= 10
    part = whole % power
    if number < 0:
        at[0] = b"-"
        at += 1
    at = _digits(at, whole // power, 1)
    if part:
        at[0] = b"."
        while part % 10 == 0:
            part //= 10
            decimals -= 1
        at = _digits(at + 1, part, decimals)
    return at


def records(columns):
    """The records in order, each behind its length."""
    cdef list given = list(columns)
    cdef Py_ssize_t count = len(given), rows = 0, row, n, size, bound = 0
    cdef Column column
    cdef Source* source
    cdef Text* text
    cdef char* at
    cdef char* begin
    cdef PyObject* made = NULL
    cdef Source* sources = <Source*>PyMem_Malloc(max(1, count) * sizeof(Source))
    if sources == NULL:
        raise MemoryError
    try:
        for n in range(count):
            if not isinstance(given[n], Column):
                raise TypeError(f"column {n} is a {type(given[n]).__name__}")
            column = <Column>given[n]
            rows = len(column) if n == 0 else rows
            if len(column) != rows:
                raise ValueError(f"column {n} has {len(column)} rows, the first has {rows}")
            sources[n] = column.source()
        for n in range(count if rows else 0):
            if sources[n].texts == NULL:
                bound += rows * NUMBER_MAX
            else:
                for row in range(rows):
                    bound += sources[n].texts[sources[n].numbers[row]].size
        made = PyBytes_FromStringAndSize(NULL, bound + rows * LENGTH_BYTES)
        at = PyBytes_AS_STRING(<object>made)
        for row in range(rows):
            begin = at
            at += LENGTH_BYTES
            for n in range(count):
                source = &sources[n]
                if source.texts != NULL:
                    text = &source.texts[source.numbers[row]]
                    memcpy(at, text.at, text.size)
                    at += text.size
                elif source.decimals != NULL:
                    at = _scaled(at, source.numbers[row], <int>source.decimals[row])
                elif row and source.numbers[row] == source.numbers[row - 1]:
                    memcpy(at, source.last, source.last_size)
                    at += source.last_size
                else:
                    source.last = at
                    at = _number(at, source.numbers[row])
                    source.last_size = at - source.last
            size = at - begin - LENGTH_BYTES
            for n in range(LENGTH_BYTES):
                begin[n] = <char>(size >> 8 * (LENGTH_BYTES - 1 - n) & 255)
        _PyBytes_Resize(&made, at - PyBytes_AS_STRING(<object>made))
        return <object>made
    finally:
        Py_XDECREF(made)
        PyMem_Free(sources)
