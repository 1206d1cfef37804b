# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Names that are digests, made by the thousand: SHA-256 of a text, a number and another text, in hexadecimal digits.

OpenSSL makes them, as it does for hashlib; here one context makes them all. They are names and no seals.

Promises: what hashlib gives for the same bytes (tests/compiled/test_names.py).
Refuses with ValueError: columns of different lengths, a place outside the texts, more than 64 digits, more than 1,000
bytes of texts; with RuntimeError: an OpenSSL that does not digest.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

cdef extern from "openssl/evp.h":
    ctypedef struct EVP_MD
    ctypedef struct EVP_MD_CTX
    ctypedef struct ENGINE
    const EVP_MD* EVP_sha256()
    EVP_MD_CTX* EVP_MD_CTX_new()
    void EVP_MD_CTX_free(EVP_MD_CTX* context)
    int EVP_DigestInit_ex(EVP_MD_CTX* context, const EVP_MD* kind, ENGINE* engine)
    int EVP_DigestUpdate(EVP_MD_CTX* context, const void* data, size_t size)
    int EVP_DigestFinal_ex(EVP_MD_CTX* context, unsigned char* digest, unsigned int* size)

cdef enum:
    DIGEST_BYTES = 32
    NUMBER_BYTES = 24
    GIVEN_BYTES_MAX = 1024

cdef const char* HEXADECIMAL = b"0123456789abcdef"


cdef Py_ssize_t _written(char* at, int64_t number) noexcept:
    """The number in decimal digits; how many bytes."""
    cdef char digits[NUMBER_BYTES]
    cdef uint64_t left = -<uint64_t>number if number < 0 else <uint64_t>number
    cdef Py_ssize_t n = NUMBER_BYTES
    while left or n == NUMBER_BYTES:
        n -= 1
        digits[n] = <char>(48 + left % 10)
        left //= 10
    if number < 0:
        n -= 1
        digits[n] = b"-"
    memcpy(at, &digits[n], NUMBER_BYTES - n)
    return NUMBER_BYTES - n


def digests(
    list texts not None,
    const int64_t[::1] which not None,
    const int64_t[::1] numbers not None,
    bytes tail not None,
    Py_ssize_t digits,
):
    """Of each row the first digits of SHA-256(texts[which], the number in decimal digits, tail)."""
    cdef Py_ssize_t rows = numbers.shape[0], count = len(texts), row, n, size, behind = PyBytes_GET_SIZE(tail)
    cdef EVP_MD_CTX* context
    cdef unsigned char digest[DIGEST_BYTES]
    cdef char name[2 * DIGEST_BYTES]
    cdef char given[GIVEN_BYTES_MAX]
    cdef bytes text
    cdef bint is_made
    cdef list made = []
    if which.shape[0] != rows:
        raise ValueError(f"{which.shape[0]} places and {rows} numbers")
    if not 0 <= digits <= 2 * DIGEST_BYTES:
        raise ValueError(f"{digits} digits, 0 to {2 * DIGEST_BYTES} are allowed")
    context = EVP_MD_CTX_new()
    try:
        is_made = context != NULL and EVP_DigestInit_ex(context, EVP_sha256(), NULL)
        for row in range(rows):
            if not 0 <= which[row] < count:
                raise ValueError(f"row {row} has text {which[row]} of {count}")
            text = texts[which[row]]
            if text is None:
                raise TypeError(f"text {which[row]} is None")
            size = PyBytes_GET_SIZE(text)
            if size + behind + NUMBER_BYTES > GIVEN_BYTES_MAX:
                raise ValueError(f"row {row} has {size + behind} bytes, {GIVEN_BYTES_MAX - NUMBER_BYTES} are allowed")
            memcpy(given, PyBytes_AS_STRING(text), size)
            size += _written(given + size, numbers[row])
            memcpy(given + size, PyBytes_AS_STRING(tail), behind)
            is_made = (
                is_made
                and EVP_DigestInit_ex(context, NULL, NULL)
                and EVP_DigestUpdate(context, given, size + behind)
                and EVP_DigestFinal_ex(context, digest, NULL)
            )
            if not is_made:
                raise RuntimeError("OpenSSL makes no SHA-256")
            for n in range(digits):
                name[n] = HEXADECIMAL[digest[n >> 1] >> (0 if n & 1 else 4) & 15]
            made.append(PyUnicode_DecodeASCII(name, digits, NULL))
        return made
    finally:
        EVP_MD_CTX_free(context)
