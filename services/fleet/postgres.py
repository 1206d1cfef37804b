"""PostgreSQL on this machine: a cluster of its own in a folder, made once, with one user and a random password.

The server refuses to run as root; then it runs as the account ``postgres``, which owns the data folder and nothing
else. It listens on loopback only. ``postgres.url`` (0600) is the address with the password, for services.
"""

import os
import pwd
import secrets
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.fleet.files import write_private
from services.fleet.servers import Server, ServerAbsent, ServerFailed, Started, run

USER = "ampward"
DATABASE = "ampward"
ACCOUNT = "postgres"
URL_FILE = "postgres.url"
MADE = "made"
"""Written when the cluster is complete: without it the folder was never started and is made anew."""

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
}
_DEBIAN = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True)
class PostgresPlan:
    """Where and how it runs. ``more`` are settings that replace or follow ours."""

    folder: Path
    log: Path
    port: int
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The address without the password."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def url_file(self) -> Path:
        return self.folder / URL_FILE


def postgres_server(plan: PostgresPlan) -> Server:
    """The server to start. Raises ServerAbsent, or ServerFailed when the cluster cannot be made."""
    programs = find_programs()
    account = ACCOUNT if os.geteuid() == 0 else ""
    data = plan.folder / "data"
    plan.folder.mkdir(parents=True, exist_ok=True)
    if not (plan.folder / MADE).exists():
        _make(plan, programs, account)
    password = (plan.folder / "password").read_text(encoding="utf-8").strip()
    write_private(plan.url_file, plan.url.replace(f"{USER}@", f"{USER}:{password}@") + "\n")
    settings = {**SETTINGS, "port": str(plan.port), **plan.more}
    words = tuple(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
    return Server(
        name="postgres",
        command=(str(programs / "postgres"), "-D", str(data), *words),
        log=plan.log,
        is_ready=lambda started: _is_ready(started, data),
        stop_signal=signal.SIGINT,  # "fast": TERM waits for every client to leave
        user=account,
    )


def find_programs() -> Path:
    """The folder with initdb and postgres, the newest version's. Raises ServerAbsent."""
    versions = [path for path in _DEBIAN.glob("*/bin") if path.parent.name.isdecimal() and (path / "initdb").exists()]
    if versions:
        return max(versions, key=lambda path: int(path.parent.name))
    found = shutil.which("initdb")
    if found is None:
        raise ServerAbsent("PostgreSQL 15 or later is needed: install it (Debian: apt-get install postgresql)")
    return Path(found).resolve().parent


def _make(plan: PostgresPlan, programs: Path, account: str) -> None:
    """initdb with a password nobody else knows, and the database."""
    data, password_file = plan.folder / "data", plan.folder / "password"
    if data.exists():
        shutil.rmtree(data)
    data.mkdir(mode=0o700)
    write_private(password_file, secrets.token_urlsafe(24) + "\n")
    if account:
        try:
            entry = pwd.getpwnam(account)
        except KeyError:
            raise ServerAbsent(
                f"PostgreSQL does not run as root, and there is no account {account!r}: run this as a plain user"
            ) from None
        for path in (data, password_file):
            os.chown(path, entry.pw_uid, entry.pw_gid)
    initdb = (
        *(str(programs / "initdb"), "-D", str(data), "--username", USER, "--pwfile", str(password_file)),
        *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-instructions"),
    )
    run(initdb, "PostgreSQL's initdb", user=account)
    single = (str(programs / "postgres"), "--single", "-D", str(data), "postgres")
    said = run(single, "PostgreSQL, making the database,", user=account, said=f"CREATE DATABASE {DATABASE}\n")
    if "ERROR" in said:
        raise ServerFailed(f"PostgreSQL cannot make the database:\n{said}")
    if account:
        os.chown(password_file, os.geteuid(), os.getegid())
    write_private(plan.folder / MADE, "")


def _is_ready(started: Started, data: Path) -> bool:
    """By the eighth line of postmaster.pid, as PostgreSQL's own pg_ctl does it."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0] == str(started.pid) and lines[7].strip() == "ready"
