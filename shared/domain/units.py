"""Units and the integers that carry them.

Every decision is made on integers. Each unit has a fixed number of decimals; the integer is the value times ten to that
power: 1.0 %vol is 10000 (ppm), 2.23 V is 2230 (mV), 35 °C is 35000, 3.1 mOhm is 3100 (uOhm), 12.5 A is 12500 (mA).
Rounding, wherever a division is needed, is half up: floor((2 n + d) / 2 d).
"""

from enum import IntEnum, StrEnum

CEILING = 1 << 53
"""No reading may be larger than this in absolute value: the decoder calls it out of range."""


class Unit(StrEnum):
    """Physical unit of a point, as people read it."""

    H2_VOL = "%vol"
    VOLT = "V"
    AMPERE = "A"
    CELSIUS = "°C"
    MILLIOHM = "mOhm"
    MILLIAMPERE = "mA"
    PERCENT = "%"
    STATE = "state"
    """An enumeration or a contact: 0, 1, 2 ... without a unit."""


DECIMALS: dict[Unit, int] = {
    Unit.H2_VOL: 4,
    Unit.VOLT: 3,
    Unit.AMPERE: 3,
    Unit.CELSIUS: 3,
    Unit.MILLIOHM: 3,
    Unit.MILLIAMPERE: 3,
    Unit.PERCENT: 3,
    Unit.STATE: 0,
}


class Quality(StrEnum):
    """How far a value may be believed."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


class NoData(IntEnum):
    """Why a value is absent. 0 means that it is not: columns of reasons hold these numbers."""

    PRESENT = 0
    NEVER = 1
    """Not one good sample yet: the state is unknown, never normal."""
    TIMEOUT = 2
    DISCONNECTED = 3
    EXCEPTION = 4
    """The device answered with a Modbus exception or an SNMP error."""
    MALFORMED = 5
    """The reply was late, foreign, short or not what was asked for."""
    QUARANTINED = 6
    IDENTITY = 7
    """Another device answers at this address."""
    OFF = 8
    NOT_PRESENT = 9
    OUT_OF_RANGE = 10
    LOOP_FAULT = 11
    """4-20 mA outside the NAMUR NE 43 bands."""
    STALE = 12
    FAULT = 13
    """The device itself says that this value is not to be believed."""
    WARM_UP = 14
    HEARTBEAT = 15
    """The device answers, but its heartbeat no longer changes."""

    @property
    def label(self) -> str:
        """The reason as it stands in events and answers: the field ``no_data``."""
        return "" if self is NoData.PRESENT else self.name.lower()


def round_div(numerator: int, denominator: int) -> int:
    """Quotient rounded half up, for integers of any sign; ``denominator`` > 0."""
    return (2 * numerator + denominator) // (2 * denominator)


def format_value(value: int, unit: Unit) -> str:
    """Decimal string of a scaled integer, exact, no trailing noise: ``format_value(10500, H2_VOL)`` is ``"1.05"``."""
    return format_scaled(value, DECIMALS[unit])


def format_scaled(value: int, decimals: int) -> str:
    """:func:`format_value` for a unit with so many decimals."""
    if decimals == 0:
        return str(value)
    sign = "-" if value < 0 else ""
    whole, part = divmod(abs(value), 10**decimals)
    text = f"{part:0{decimals}d}".rstrip("0")
    return f"{sign}{whole}.{text}" if text else f"{sign}{whole}"
