"""The signature of a pushed file covers everything that the site goes by."""

import msgspec
import pytest

from shared.domain.errors import BadSignature
from shared.wire.orders import FileOrder, decode_order, encode_order
from shared.wire.pushes import check_file, sign_file
from shared.wire.signing import SigningKey

KEY = SigningKey(bytes(range(32)))
KEYS = {KEY.id: KEY.public}
ORDER = FileOrder(
    id="push-1-a", site="a", sent_at_ms=1, ttl_ms=2, name="rules.yaml", number=3, actor="anna", body="rules: {}\n"
)


def test_a_signed_file_is_the_centres_over_the_wire() -> None:
    """Signed, sent, read and checked."""
    found = decode_order(encode_order(sign_file(ORDER, KEY)))
    assert isinstance(found, FileOrder)
    check_file(found, KEYS)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("id", "push-2-a"), ("site", "b"), ("sent_at_ms", 9), ("ttl_ms", 9), ("name", "people.yaml"), ("number", 9),
        ("actor", "eve"), ("body", "rules: {h2_alarm: {limit: 9}}\n"),
    ],
)  # fmt: skip
def test_no_part_of_it_can_be_changed(name: str, other: object) -> None:
    """Not even who pushed it."""
    changed = msgspec.structs.replace(sign_file(ORDER, KEY), **{name: other})
    with pytest.raises(BadSignature):
        check_file(changed, KEYS)


def test_anothers_key_and_no_signature_are_refused() -> None:
    """A site's own key is not the centre's."""
    for order in (ORDER, sign_file(ORDER, SigningKey(bytes(32)))):
        with pytest.raises(BadSignature, match="not the centre's key"):
            check_file(order, KEYS)
