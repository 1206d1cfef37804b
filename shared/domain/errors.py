"""The tree of errors that Ampward raises. Expected trouble is a value; these end an operation.

AmpwardError
├── ConfigError        a site file, profile or setting is wrong (carries every fault found)
├── WireError          bytes that are not what they say they are
│   └── BadSignature   signed by another key than the one that should have signed, or changed since
├── LogError
│   ├── LogFull        no space, or quota
│   ├── LogBroken      the disk answered with an error, or is read-only
│   ├── LogDamaged     what is stored is not what was written (names the record)
│   ├── LogNewer       written by a newer program (names its version)
│   └── CursorUnknown  a reader's position is of a log_id that this log never had
└── Busy               a port, data folder or output is held by another process (names its pid when known)
"""


class AmpwardError(Exception):
    """Root of all errors that Ampward raises itself."""


class ConfigError(AmpwardError):
    """A site file, profile or setting is wrong."""


class WireError(AmpwardError):
    """Bytes that are not what they say they are."""


class BadSignature(WireError):
    """Signed by another key than the one that should have signed, or changed since."""


class LogError(AmpwardError):
    """The log cannot do what was asked."""


class LogFull(LogError):
    """No space left."""


class LogBroken(LogError):
    """The disk answered with an error, or is read-only."""


class LogDamaged(LogError):
    """What is stored is not what was written. ``record`` is 0 when it is no record, but the file."""

    def __init__(self, record: int, what: str) -> None:
        super().__init__(f"record {record}: {what}" if record else what)
        self.record = record


class LogNewer(LogError):
    """Written by a newer program."""


class CursorUnknown(LogError):
    """A reader's position is of a log_id that this log never had: begin again."""


class Busy(AmpwardError):
    """A port, data folder or output is held by another process."""
