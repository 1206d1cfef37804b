"""Forms of a record over the versions of this program: a program of form N reads N-1 and older, N and N+1.

Each record carries its form as ``v``. From one form to the next fields are only added, with a default that means what
their absence meant; so a reader of N skips what N+1 added. What must change otherwise is upcast: a pure function from
the object of one form to that of the next, kept for ever, so that every record ever written is read as the newest form.

Refuses (WireError): anything that is not such an object, forms further ahead than the next.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import msgspec

from shared.domain.errors import WireError

FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not the form."""

T = TypeVar("T")
Upcast = Callable[[dict[str, Any]], dict[str, Any]]


class _Version(msgspec.Struct):
    v: int


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    """One kind of record: its name for people, its newest form, and the way there from the older ones."""

    name: str
    type: type[T]
    """A Struct with a field ``v``, or several that a tag tells apart."""
    upcasts: tuple[Upcast, ...] = ()
    """The first one leads from form 1 to form 2, and so on; the newest form is one more than there are."""
    _decoder: msgspec.json.Decoder[T] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_decoder", msgspec.json.Decoder(self.type))

    @property
    def version(self) -> int:
        """The form that this program writes."""
        return len(self.upcasts) + 1

    def read(self, data: bytes) -> T:
        """The record; raises WireError with what is wrong."""
        try:
            if self.upcasts and (version := self.check(_version(data))) < self.version:
                return self._older(msgspec.json.decode(data), version)
            found = self._decoder.decode(data)
            self.check(getattr(found, "v", 0))
            return found
        except FAULTS as fault:
            raise WireError(f"{self.name}: {fault}") from fault

    def check(self, version: int) -> int:
        """The version, when it is one that this program reads; raises WireError."""
        if not 1 <= version <= self.version + 1:
            raise WireError(f"{self.name}: form {version}, this program reads 1 to {self.version + 1}")
        return version

    def _older(self, found: dict[str, Any], version: int) -> T:
        for upcast in self.upcasts[version - 1 :]:
            found = upcast(found)
        return msgspec.convert(found, self.type)


_version_of = msgspec.json.Decoder(_Version)


def _version(data: bytes) -> int:
    return _version_of.decode(data).v
