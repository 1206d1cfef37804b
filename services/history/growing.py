"""The history catching up with the log: read, flush, turn days round. Used by the process and by rebuild."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic

from services.history.follower import Follower
from services.history.keeper import Keeper

EVENTS_AT_ONCE = 5_000
FRAMES_AT_ONCE = 5_000
QUIET_S = 10.0
"""Minutes alone wait so long to be written; events at most EVENT_S."""
EVENT_S = 1.0
Progress = Callable[[int, int], None]


class Growing:
    """Holds history.db and the log. ``step`` as often as one likes; ``close`` writes nothing."""

    def __init__(self, directory: Path, file: Path) -> None:
        self.follower = Follower(directory)
        try:
            self.keeper = Keeper(file)
        except BaseException:
            self.follower.close()
            raise
        self.begin_again()
        self._flushed_at = monotonic()
        self._owed = False

    def begin_again(self, *, skip_before: int = 0) -> None:
        """Where the file ends; frames of minutes before ``skip_before`` are in it already."""
        self.tally = self.keeper.tally(self.follower.reader.ruleset)
        self.tally.skip_before = skip_before
        self.follower.begin(self.tally)

    def close(self) -> None:
        self.follower.close()
        self.keeper.close()

    def step(self, *, is_over: Callable[[], bool] = bool, progress: Progress = lambda _done, _all: None) -> None:
        """Read what the log has, flushing now and then; at its end flush what has waited long enough."""
        tally = self.tally
        frames, begun = tally.frames, tally.place
        for reached in self.follower.read(tally):
            progress(reached, reached)
            if len(tally.events) >= EVENTS_AT_ONCE or tally.frames - frames >= FRAMES_AT_ONCE:
                self.flush()
                frames = tally.frames
            if is_over():
                return
        self._owed = self._owed or tally.place != begun
        waited = monotonic() - self._flushed_at
        if self._owed and (waited >= QUIET_S or (tally.events and waited >= EVENT_S)):
            self.flush()

    def flush(self) -> None:
        """Write everything that was read."""
        self.keeper.flush(self.tally)
        if self.keeper.turn_days(self.tally.last_minute):
            self.keeper.forget_places(self.follower.reader.folded_to())
        self._owed = False
        self._flushed_at = monotonic()
