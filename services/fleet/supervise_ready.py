"""Whether a supervisor does its share, for its probes.

Ready: PostgreSQL says who holds the lease, and whoever holds it hears Kafka; one that waits for the lease is ready too.
Alive: its loop goes round. A server that is away is no reason to start this process again.
"""

from typing import Final

from services.fleet.supervise_term import Term
from shared.runtime.probes import Beat

UNSIGNED_S: Final = 15.0
"""The lease is asked for, or held on, every second or two."""


class Pulse:
    """Of one process."""

    def __init__(self, unsigned_s: float = UNSIGNED_S) -> None:
        self.work = Beat("supervisor")
        self.term: Term | None = None
        self._unsigned_s = unsigned_s
        self._lease: Beat | None = None

    def answered(self) -> None:
        """PostgreSQL has said who holds the lease."""
        self._lease = Beat("lease", self._unsigned_s)

    def ready(self) -> dict[str, str]:
        is_answering = self._lease is not None and not self._lease.why()
        return {
            "database": "" if is_answering else "PostgreSQL does not answer",
            "kafka": "no broker answers" if self.term is not None and self.term.is_deaf else "",
            "supervisor": self.work.why(),
        }
