"""The blocks of a site's log from a place on, signed, one after the other, through whatever becomes of the log.

    begin(place) -> next() -> Cut, Cut, Cut, None (the end of what there is), Cut, ...
                        `---> Turn: go on elsewhere or under another epoch; begin(turn.place) when that is kept

One thread at a time. Raises LogError when the log cannot be read now; then ``begin`` again, later.
Limits: some rows of the log (at most 8 MiB packed) and one block in memory.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from services.uplink import way
from services.uplink.cutting import block_of, gather
from services.uplink.links import Link, walk
from services.uplink.place import Place
from services.uplink.way import Way
from shared.domain.errors import LogBroken, LogDamaged, WireError
from shared.log.sqlite_read import SqliteReader
from shared.log.store import DATABASE, open_reader
from shared.wire.blocks import encode_block
from shared.wire.inputs import RuleSet, decode_input
from shared.wire.plans import decode_decision
from shared.wire.rows import InputRow
from shared.wire.signing import SigningKey

EVERYTHING = 1 << 62
LOOK_S = 1.0
CALM = ("frame", "tick")
"""Kinds of input that may wait for others when no event follows from them."""
CALM_FRAMES = 256
"""So many of them wait no longer."""
DECISION = ""
"""The name under which a snapshot keeps the decision version."""


class Cut(NamedTuple):
    """A block and where the chain stands behind it."""

    data: bytes
    log_id: str
    first_seq: int
    last_seq: int
    hash: bytes
    tick_ms: int
    """The log's time when it was read: that of the log's head, which may be far behind it."""
    rulesets: tuple[str, ...]
    """Versions that the fleet needs the bodies of before it."""


class Turn(NamedTuple):
    """The next block is not simply behind the last one."""

    place: Place
    why: str


class Blocks:
    """See the module."""

    def __init__(self, directory: Path, site: str, key: SigningKey, *, pack: bool = True) -> None:
        self._directory = directory
        self._site = site
        self.key = key
        """What blocks are signed with from here on."""
        self._pack = pack
        self._reader: SqliteReader | None = None
        self._folder = directory
        self._inode = (0, 0)
        self._place = Place()
        self._cuts: Iterator[Cut] | None = None
        self._version = self._first_version = ""
        self._core_version = 0
        self._tick_ms = 0
        self._newest = EVERYTHING
        """Of the log, at the last look."""
        self._looked_at = -LOOK_S
        self._told: set[str] = set()
        self._calm_from = self._calm_to = -1
        self._calm_frames = 0
        self.trouble = ""
        """Why nothing more comes although the log has more; "" when it has none."""

    def begin(self, place: Place) -> Turn | None:
        """Stand at ``place``; or say where to stand in its stead."""
        self.close()
        found = way.find(self._directory, place)
        if found.place != place:
            return Turn(found.place, found.why)
        self._open(found)
        return None

    def resend(self, place: Place, from_seq: int, *, state: bool, epoch: int) -> Turn:
        """Where to stand when the fleet asks again."""
        found = way.resend(self._directory, place, from_seq, state=state, epoch=epoch)
        return Turn(found.place, found.why)

    def _open(self, found: Way) -> None:
        self._folder, self._place = found.folder, found.place
        self._inode = _inode(found.folder)
        self._looked_at = -LOOK_S
        self._newest = EVERYTHING
        self._reader = open_reader(found.folder)
        self._version, self._core_version = "", 0
        self._told.clear()
        self._use(_version_at(self._reader, found.place.site_seq))
        self._first_version = self._version

    def close(self) -> None:
        self._cuts = None
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def ruleset(self, version: str) -> bytes | None:
        """The body of a version that a Cut names."""
        assert self._reader is not None, "begin first"
        return self._reader.ruleset(version)

    @property
    def read_to(self) -> int:
        """The last number that was read."""
        return self._place.site_seq

    @property
    def is_through(self) -> bool:
        """All that the present log had at the last ``more`` was read."""
        return self._place.site_seq >= self._newest and self._folder == self._directory

    def more(self) -> tuple[int, bool]:
        """The newest number of the log, and whether what was not read yet has more than frames and ticks of which
        nothing follows, or many of them; what is damaged is for ``next`` to tell. Looks at each row
        once. Raises LogError."""
        assert self._reader is not None, "begin first"
        self._newest = newest = self._reader.last_seq()
        return newest, newest > self._place.site_seq and self._is_urgent(self._reader)

    def _is_urgent(self, reader: SqliteReader) -> bool:
        if self._calm_to < self._place.site_seq or self._calm_from != self._place.site_seq:
            self._calm_from, self._calm_to, self._calm_frames = self._place.site_seq, self._place.site_seq, 0
        try:
            for span in reader.spans(self._calm_to):
                inside = span.inside
                if span.folded or inside.bad or inside.events or any(row.kind not in CALM for row in inside.inputs):
                    return True
                self._calm_frames += sum(row.kind == "frame" for row in inside.inputs)
                self._calm_to = span.last_seq
        except LogDamaged:
            return True
        return self._calm_frames >= CALM_FRAMES

    def next(self) -> Cut | Turn | None:
        """The next block; None when the log has no more."""
        if self._cuts is None:
            self._cuts = self._read()
        try:
            cut = next(self._cuts)
            if self.is_through:
                self._cuts = None
            return cut
        except StopIteration:
            self._cuts = None
            return self._at_end()
        except LogDamaged as damage:
            self._cuts = None
            return self._behind(damage)

    def _at_end(self) -> Turn | None:
        self.trouble = ""
        if self._folder != self._directory:
            return self._into_newer()
        return self._elsewhere()

    def _into_newer(self) -> Turn | None:
        folder = way.newer(self._directory, self._folder)
        if folder is None:
            return None
        found = way.begin(folder, self._place)
        return Turn(found.place, found.why)

    def _behind(self, damage: LogDamaged) -> Turn | None:
        turn = self._into_newer()
        if turn is not None:
            return turn
        found = way.behind_damage(self._folder, self._place, damage.record)
        if found is not None:
            return Turn(found.place, found.why)
        self.trouble = f"{damage}; nothing goes up until the next snapshot"
        return self._elsewhere()

    def _elsewhere(self) -> Turn | None:
        is_other = self._folder == self._directory and _inode(self._directory) != self._inode
        return Turn(self._place, "the log's file is another") if is_other else None

    def _read(self) -> Iterator[Cut]:
        assert self._reader is not None, "begin first"
        states: dict[str, bytes] = {}
        if self._place.needs_states and self._place.site_seq >= self._reader.folded_to():
            states = way.states_at(self._reader, self._place.site_seq)
        behind_folded = False
        for links, core_version in gather(self._versioned(walk(self._reader, self._place.site_seq))):
            if behind_folded and not links[0].folded:
                states = way.states_at(self._reader, self._place.site_seq)
            behind_folded = links[0].folded
            yield self._cut(links, core_version, states)
            states = {}

    def _versioned(self, links: Iterator[Link]) -> Iterator[tuple[Link, int]]:
        """Each link with the core version that its events were derived by."""
        for link in links:
            for row in link.inputs:
                if row.kind == "ruleset":
                    self._use(_version_of(row))
            yield link, self._core_version

    def _log_time(self, link: Link) -> int:
        """Looked at again once a second."""
        assert self._reader is not None, "begin first"
        if monotonic() - self._looked_at > LOOK_S:
            self._looked_at = monotonic()
            with suppress(LogDamaged):
                self._tick_ms = self._reader.head().tick_ms
        return max(self._tick_ms, link.tick_ms())

    def _use(self, version: str) -> None:
        if version and version != self._version:
            assert self._reader is not None
            body = self._reader.ruleset(version)
            self._version = version
            self._core_version = decode_decision(body).core_version if body is not None else 0

    def _cut(self, links: list[Link], core_version: int, states: dict[str, bytes]) -> Cut:
        named = [_version_of(row) for link in links for row in link.inputs if row.kind == "ruleset"]
        if states:
            named.append(states[DECISION].decode())
        elif not self._told:
            named.insert(0, self._first_version)
        epoch = self._place.epoch
        block = block_of(links, site=self._site, epoch=epoch, core_version=core_version, states=states)
        try:
            data = encode_block(block, self.key, pack=self._pack)
        except WireError as fault:
            raise LogDamaged(block.first_seq, str(fault)) from fault
        last = links[-1]
        self._place = replace(
            self._place, log_id=last.log_id, site_seq=last.last_seq, hash=last.hash, needs_states=False
        )
        new = tuple(version for version in dict.fromkeys(named) if version and version not in self._told)
        self._told.update(named)
        return Cut(data, last.log_id, block.first_seq, last.last_seq, last.hash, self._log_time(last), new)


def _version_of(row: InputRow) -> str:
    """The decision version that a rule set names; "" when it cannot be read."""
    with suppress(WireError):
        body = decode_input(row.data).body
        return body.version if isinstance(body, RuleSet) else ""
    return ""


def _version_at(reader: SqliteReader, site_seq: int) -> str:
    """The decision version in force behind ``site_seq``."""
    found = way.snapshot_in(reader, 0, site_seq)
    version, after = (found.snapshot.states[DECISION].decode(), found.at) if found is not None else ("", 0)
    rows = reader.inputs(max(after, reader.folded_to()), EVERYTHING)
    for row in takewhile(lambda row: row.site_seq <= site_seq, rows):
        if row.kind == "ruleset":
            version = _version_of(row)
    return version


def _inode(folder: Path) -> tuple[int, int]:
    """Raises LogBroken when there is no log."""
    try:
        found = (folder / DATABASE).stat()
    except OSError as fault:
        raise LogBroken(f"there is no log in {folder}") from fault
    return found.st_dev, found.st_ino
