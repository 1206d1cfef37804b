"""Every change of the named tokens is told once, with who made it, over restarts too."""

from pathlib import Path

from services.gateway.roles import Role
from services.gateway.tokens import NamedToken, digest, encode_tokens, revoked
from services.site.token_watch import TokenWatch

ANNA = NamedToken("0a1b2c3d", "anna", Role.VIEWER, (), digest("s" * 43), 5, "cli:root")
BEN = NamedToken("ffffffff", "ben", Role.OPERATOR, ("a",), digest("b" * 43), 5, "cli:eva", until_ms=1_800_000_000_000)


class Log:
    """What was recorded, and the position beside it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "tokens.json"
        self.said: list[str] = []
        self.position: bytes | None = None
        self.watch = self.restarted()

    def restarted(self) -> TokenWatch:
        self.watch = TokenWatch(lambda: self.path, self.position, self._record)
        return self.watch

    def _record(self, changes: list[tuple[str, str]], position: bytes) -> None:
        self.said += [f"{name}: {text}" for name, text in changes]
        self.position = position

    def write(self, *tokens: NamedToken) -> list[str]:
        """What is told after the file was written."""
        self.path.unlink(missing_ok=True)
        self.path.write_bytes(encode_tokens(tokens))
        return self.look()

    def look(self) -> list[str]:
        self.said.clear()
        for _ in range(3):
            self.watch.look()
        return self.said


def test_making_and_revoking_are_told_with_who_did_it(tmp_path: Path) -> None:
    """Role, sites and end are in the sentence; each is told once."""
    log = Log(tmp_path)
    assert log.look() == []
    assert log.write(ANNA) == ["anna: token 0a1b2c3d added by cli:root: viewer, for every site, until it is revoked"]
    assert log.write(ANNA, BEN) == [
        "ben: token ffffffff added by cli:eva: operator, for a, until 2027-01-15T08:00:00.000Z"
    ]
    assert log.write(revoked(ANNA, 9, "cli:eva"), BEN) == ["anna: token 0a1b2c3d revoked by cli:eva"]


def test_a_restart_tells_only_what_changed_meanwhile(tmp_path: Path) -> None:
    """The log's position says what was told."""
    log = Log(tmp_path)
    log.write(ANNA)
    log.restarted()
    assert log.look() == []
    log.restarted()
    assert log.write(revoked(ANNA, 9, "cli:root"), revoked(BEN, 9, "cli:root")) == [
        "anna: token 0a1b2c3d revoked by cli:root",
        "ben: token ffffffff added by cli:eva: operator, for a, until 2027-01-15T08:00:00.000Z",
        "ben: token ffffffff revoked by cli:root",
    ]


def test_what_an_editor_did_is_told_too(tmp_path: Path) -> None:
    """A role that was raised in the file, a token that was cut out, a file that is gone."""
    log = Log(tmp_path)
    log.write(ANNA, BEN)
    raised = NamedToken("0a1b2c3d", "anna", Role.ENGINEER, (), ANNA.sha256, 5, "cli:root")
    assert log.write(raised, BEN) == [
        "anna: token 0a1b2c3d changed in the file: engineer, for every site, until it is revoked"
    ]
    assert log.write(BEN) == ["anna: token 0a1b2c3d removed from the file"]
    log.path.unlink()
    assert log.look() == ["ben: token ffffffff removed from the file"]


def test_a_broken_file_is_no_change(tmp_path: Path) -> None:
    """Nothing is taken for removed that could not be read."""
    log = Log(tmp_path)
    log.write(ANNA)
    log.path.write_text("{")
    assert log.look() == []


def test_no_hash_and_no_secret_is_told(tmp_path: Path) -> None:
    """Neither in the sentence nor in the position."""
    log = Log(tmp_path)
    said = log.write(ANNA)
    assert log.position is not None
    assert ANNA.sha256 not in said[0] + log.position.decode()
