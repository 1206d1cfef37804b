"""Alarm figures of a site in one window of time <-> bytes: one JSON object. Record of ampward.kpis.v1.

    {"v":1,"site":"depot","begin_ms":...,"window_ms":600000,"announced":3,...,"offset":...}

A window's record is sent again each time its figures have grown: the one with the highest ``offset`` counts. Windows go
by the broker's clock. ``announced`` counts what asked for attention, by severity: alarms raised, escalated or announced
again while nothing hid them.
Promises: what was encoded decodes to the same. Refuses (WireError): anything else.
"""

from typing import Annotated, Final

import msgspec

from shared.wire.inputs import Count
from shared.wire.versions import Form

VERSION: Final = 1


class Kpi(msgspec.Struct, kw_only=True):
    """The JSON object."""

    v: int = VERSION
    site: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    begin_ms: Count
    window_ms: Annotated[int, msgspec.Meta(ge=1)]
    announced: Count = 0
    """Of them the others are parts."""
    warnings: Count = 0
    alarms: Count = 0
    criticals: Count = 0
    acked: Count = 0
    closed: Count = 0
    """Occurrences that ended."""
    hidden: Count = 0
    """Raised, escalated or announced again while something hid them."""
    events: Count = 0
    """Of every kind."""
    blocks: Count = 0
    different: Count = 0
    not_comparable: Count = 0
    log_id: str = ""
    last_seq: Count = 0
    """How far the site's events are counted: a batch up to here is a repeat."""
    offset: Count = 0
    """The next one to be counted in the site's partition of ampward.events.v1."""


FORM: Final = Form("figures", Kpi)


def encode_kpi(kpi: Kpi) -> bytes:
    """The record's bytes; raises WireError for what ``decode_kpi`` would refuse."""
    data = msgspec.json.encode(kpi)
    decode_kpi(data)
    return data


def decode_kpi(data: bytes) -> Kpi:
    """The figures; raises WireError."""
    return FORM.read(data)
