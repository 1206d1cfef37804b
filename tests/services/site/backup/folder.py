"""A data folder with everything that a backup takes: a real log, a ledger, a checked site file, secrets."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.notifier.ledger import Ledger
from services.site.backup.copying import Tell
from services.site.backup.making import Made, make_backup
from services.site.compile import compile_site

RELEASED = Path(__file__).parents[3] / "golden" / "folder" / "released"
EXAMPLE = Path(__file__).parents[4] / "infra" / "sites" / "examples"
PASSPHRASE = b"correct horse battery"
SECRETS = {
    "token": "the-machine-token",
    "smtp.secret": "the-smtp-password",
    "hook.secret": "whsec_the-hook-secret",
    "beat.url": "https://beat.example.org/the-url-of-the-heartbeat",
}
MORE = """
people: {anna: {email: anna@example.org}}
notify: [{to: [anna], by: [email, webhook]}]
channels:
  email: {host: 192.0.2.9, port: 587, tls: starttls, from: box@example.org, user: box, password_file: smtp.secret}
  webhook: {url: "https://example.org/hook?key=shown", secret_file: hook.secret}
heartbeat: {url_file: beat.url}
"""


@contextmanager
def quiet(_what: str) -> Iterator[Tell]:
    """No bar."""
    yield lambda _done, _of: None


def make_folder(folder: Path) -> Path:
    """DIR with a log of 800 records, and its site file in a folder beside it."""
    data, site = folder / "data", folder / "etc"
    data.mkdir()
    site.mkdir()
    shutil.copyfile(RELEASED / "log.db", data / "log.db")
    Ledger(data).open()
    for name in ("first-site.yaml", "io.yaml"):
        shutil.copyfile(EXAMPLE / name, site / name)
    source = site / "first-site.yaml"
    source.write_text(source.read_text() + MORE)
    for name in ("smtp.secret", "hook.secret", "beat.url"):
        (site / name).write_text(SECRETS[name])
    answer = compile_site(source, data)
    assert answer["ok"] is True, answer
    (data / "token").write_text(SECRETS["token"])
    (data / "commission.json").write_text("{}")
    (data / "tokens.json").write_text('{"version": 1, "tokens": []}')
    return data


def back_up(data: Path, file: Path, passphrase: bytes = b"") -> Made:
    return make_backup(data, file, quiet, passphrase=passphrase)
