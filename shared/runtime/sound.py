"""What is sound of a document with faults: its model without the faulty places, so that the rest is checked as well.

Promises: every fault of form is told once; left out is the smallest part that holds a fault: an unknown key, a bad
value, the nearest entry around a required key that is missing or bad. ``Gaps`` knows what was left out, so that nothing
is said about a part, or a reference to it, only because it is not there.
Limits: ROUNDS_MAX rounds of leaving out; then there is no model.
"""

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shared.runtime.documents import Document, Fault, Place, known_keys, place_text, validation_faults

ROUNDS_MAX = 12

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass
class Gaps:
    """What was left out of a document."""

    broken: set[Place] = field(default_factory=set)
    """Places without a value that can be used; a key that was nearly written right is one too."""
    items: dict[Place, list[int]] = field(default_factory=dict)
    """Of each sequence that lost items: the numbers, in the file, of those that are left."""

    def written(self, place: Iterable[str | int]) -> Place:
        """``place`` of the model with the numbers that its items have in the file."""
        found: Place = ()
        for part in place:
            left = self.items.get(found)
            found = (*found, left[part] if left is not None and isinstance(part, int) and part < len(left) else part)
        return found

    def is_gone(self, place: Place) -> bool:
        """True when ``place``, or a part around it, was left out."""
        return any(place[: len(one)] == one for one in self.broken)

    def is_broken(self, place: Place) -> bool:
        """True when ``place``, a part around it or a part of it was left out."""
        return any(place[: len(one)] == one or one[: len(place)] == place for one in self.broken)


def sound_part(
    document: Document, model: type[_Model], stand_in: Callable[[dict[str, Any]], None] | None = None
) -> tuple[_Model | None, Gaps, list[Fault]]:
    """The model of what is sound in the document, what was left out, and each fault of form.

    ``stand_in`` puts in what must stand at the top where it is missing; without it such a document has no model.
    """
    gaps, faults = Gaps(), list[Fault]()
    data = deepcopy(document.data)
    for place in sorted(document.unread, key=len):
        _remove(data, place, gaps)
    unread = {place_text(place) for place in document.unread}
    for number in range(ROUNDS_MAX):
        try:
            return model.model_validate(data), gaps, faults
        except ValidationError as error:
            if number == 0:
                faults = [one for one in validation_faults(document, error, model) if one.key not in unread]
            if not _leave_out(data, document, model, error, gaps):
                if stand_in is None:
                    return None, gaps, faults
                stand_in(data)
    return None, gaps, faults


def _leave_out(data: Any, document: Document, model: type[BaseModel], error: ValidationError, gaps: Gaps) -> bool:
    """Remove what the errors are about; False when something must stand at the top and does not."""
    victims: dict[Place, bool] = {}
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        loc = detail["loc"]
        place = _place(document, loc[:-1] if detail["type"] == "missing" else loc, gaps)
        unknown = detail["type"] == "extra_forbidden"
        victims[place] = victims.get(place, True) and unknown
        if unknown and place:
            _meant(document, model, place, gaps)
        elif not place:
            gaps.broken.add((str(loc[0]),) if loc else ())
    for place, unknown in sorted(victims.items(), key=lambda item: len(item[0])):
        if place:
            _remove(data, place, gaps, tell=not unknown)
    return () not in victims


def _place(document: Document, loc: Iterable[str | int], gaps: Gaps) -> Place:
    """Where in the file the validator's ``loc`` stands, items counted as they are there."""
    place: Place = ()
    for part in loc:
        left = gaps.items.get(place)
        if isinstance(part, int) and left is not None and part < len(left):
            part = left[part]
        if (*place, part) in document.values:
            place = (*place, part)
    return place


def _meant(document: Document, model: type[BaseModel], place: Place, gaps: Gaps) -> None:
    """A key that was nearly written right is not missing as well."""
    for near in get_close_matches(str(place[-1]), sorted(known_keys(model, place[:-1])), 1):
        if (*place[:-1], near) not in document.values:
            gaps.broken.add((*place[:-1], near))


def _remove(data: Any, place: Place, gaps: Gaps, *, tell: bool = True) -> None:
    """Take ``place`` out of the data, if it is still there."""
    inner, here = data, Place()
    for part in place[:-1]:
        inner = _item(inner, here, part, gaps)
        here = (*here, part)
    last = place[-1]
    if isinstance(inner, dict) and last in inner:
        del inner[last]
    elif isinstance(inner, list) and isinstance(last, int):
        left = gaps.items.setdefault(here, list(range(len(inner))))
        if last not in left:
            return
        del inner[left.index(last)]
        left.remove(last)
    else:
        return
    if tell:
        gaps.broken.add(place)


def _item(inner: Any, here: Place, part: str | int, gaps: Gaps) -> Any:
    if isinstance(inner, dict):
        return inner.get(part)
    if not isinstance(inner, list) or not isinstance(part, int):
        return None
    left = gaps.items.get(here, list(range(len(inner))))
    return inner[left.index(part)] if part in left else None
