"""Reports about the box on their way from the ledger into the log: numbered by the ledger, each once in the log.

    outcome + Report n --one commit--> ledger --> log: Report n + the place (ledger id, n) --one commit--> row n may go

Whatever step a crash takes away, the place in the log says which numbers it has: what is above comes again, what is at
or below does not.
"""

from dataclasses import dataclass
from typing import NamedTuple

from shared.domain.inputs import ReportKind


@dataclass(frozen=True, slots=True)
class BoxReport:
    """A Report of subject SITE/_site/``part``."""

    kind: ReportKind
    part: str
    detail: str
    on: bool = True
    pulse: bool = False


class Reported(NamedTuple):
    """How far a log has the Reports of one ledger; 0 for a ledger that it does not know."""

    taken: int
    """They are in the log or wait in memory for a disk."""
    kept: int
    """They are in the log for good."""
