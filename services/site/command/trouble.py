"""What ends a command: a sentence and an exit code."""

from enum import IntEnum

from shared.domain.errors import AmpwardError


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    NO = 1
    """The answer is no: faults, different, refused, not sound."""
    USAGE = 2
    NOT_TRIED = 3
    """Cannot start, no site runs, nothing to read."""
    FAULT = 4
    """A mistake of this program."""


class Trouble(AmpwardError):
    """Ends a command with one line on standard error."""

    def __init__(self, sentence: str, code: Exit = Exit.NOT_TRIED) -> None:
        super().__init__(sentence)
        self.code = code
