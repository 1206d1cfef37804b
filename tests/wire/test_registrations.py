"""Registrations of sites: what comes back, and what is refused with which words."""

import pytest

from shared.domain.errors import WireError
from shared.wire.registrations import Registration, decode_registration, encode_registration

SITE = Registration("demo", 3, ("ab" * 32, "cd" * 32))


def test_a_registration_comes_back_as_it_was() -> None:
    """Keys keep their order; what a newer program added is skipped."""
    data = encode_registration(SITE)
    assert decode_registration(data) == SITE
    assert decode_registration(data[:-1] + b',"colour":"red"}') == SITE
    assert decode_registration(encode_registration(SITE._replace(keys=(), ended=True))).ended
    ended = SITE._replace(former=(("ef" * 32, 1_760_000_000_000),))
    assert decode_registration(encode_registration(ended)) == ended
    assert decode_registration(b'{"v":1,"site":"demo","partition":3,"keys":["%s"]}' % (b"ab" * 32)).former == ()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "registration"),
        (b"[]", "registration"),
        (b'{"v":9,"site":"demo","partition":3,"keys":[]}', "form 9"),
        (b'{"v":1,"site":"De mo","partition":3,"keys":[]}', "site"),
        (b'{"v":1,"site":"demo","partition":-1,"keys":[]}', "partition"),
        (b'{"v":1,"site":"demo","partition":1,"keys":["xy"]}', "keys"),
        (b'{"v":1,"site":"demo","partition":1,"keys":[]}', "demo has no key"),
    ],
)
def test_what_is_no_registration_is_refused(data: bytes, says: str) -> None:
    """Each with the field."""
    with pytest.raises(WireError, match=says):
        decode_registration(data)
