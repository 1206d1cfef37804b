"""From box to box: backup and restore."""

import sys
from getpass import getpass
from pathlib import Path
from typing import Annotated, Any

import typer

from services.site.command.options import DATA, Json
from services.site.command.output import plain, progress_bar, write, write_json
from services.site.command.trouble import Exit, Trouble

PANEL = "Backup and restore"
MIB = 1 << 20
SHOWN_MAX = 20

PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="File with the passphrase in its first line; else it is asked for."),
]


def add(app: typer.Typer) -> None:
    """Put these commands into the program."""
    here: dict[str, Any] = {"rich_help_panel": PANEL}
    app.command("backup", **here)(backup)
    app.command("restore", **here)(restore)


def backup(
    data: Annotated[Path, typer.Argument(help="Data folder; its site may be running.")] = DATA,
    file: Annotated[Path, typer.Argument(help="The new backup file.")] = Path("ampward-backup.tar.gz"),
    with_secrets: Annotated[
        bool, typer.Option("--secrets", help="Token, passwords and keys too, sealed with a passphrase.")
    ] = False,
    passphrase_file: PassphraseFile = None,
    history: Annotated[
        bool, typer.Option("--history", help="The history's tables too: they reach further back than frames are kept.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Back up a site into one file while it runs: log, ledger of messages, site files; secrets with a passphrase only.

    The log is copied as of one moment and verified before the file gets its name. A file that exists is never
    overwritten. Exit 0 done, 1 the log does not verify, 3 it could not be tried (no space, read-only, file exists).

    Example: ampward backup /var/lib/ampward /media/stick/depot-2026-11-22.tar.gz --secrets
    """
    from services.site.backup.making import make_backup
    from services.site.backup.manifest import Unsound
    from services.site.backup.sealing import check_passphrase

    if passphrase_file is not None and not with_secrets:
        raise Trouble("--passphrase-file is for --secrets: without it no secret is backed up", Exit.USAGE)
    passphrase = check_passphrase(_passphrase(passphrase_file, twice=True)) if with_secrets else b""
    try:
        made = make_backup(data, file, progress_bar, passphrase=passphrase, history=history)
    except Unsound as fault:
        raise Trouble(str(fault), Exit.NO) from fault
    manifest = made.manifest
    if as_json:
        told = {"file": str(file), "bytes": made.bytes, "id": manifest.id, "site": manifest.site}
        place = {"log_id": manifest.log_id, "head_seq": manifest.head_seq, "head": manifest.head_hash}
        members = [{"name": one.name, "size": one.size, "sha256": one.sha256} for one in manifest.members]
        lacks = {"left_out": manifest.left_out, "missing": made.missing, "urls": made.urls}
        write_json({**told, **place, **lacks, "secrets": manifest.is_sealed, "members": members})
        return Exit.DONE
    write(f"{file}: {made.bytes / MIB:.1f} MiB, {len(manifest.members)} members, records up to {manifest.head_seq}")
    _say_list("not in it, for want of a passphrase (--secrets)", manifest.left_out)
    _say_list("named by the site file, but not there", made.missing)
    _say_list("in clear in its site file, and maybe a secret (url_file keeps it out)", made.urls)
    write(f"to restore it on another box: ampward restore {file} NEW_DATA_FOLDER")
    return Exit.DONE


def restore(
    file: Annotated[Path, typer.Argument(help="The backup file.", exists=True, dir_okay=False, show_default=False)],
    data: Annotated[Path, typer.Argument(help="Empty or new data folder.")] = DATA,
    with_secrets: Annotated[
        bool, typer.Option("--secrets/--no-secrets", help="Open the sealed secrets, or leave them in the backup.")
    ] = True,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> int:
    """Restore a backup into an empty folder, on this or on a new box. Starts nothing.

    Every member is checked before anything is written, and the log's chain before it is put in place. The next start
    has a log_id of its own, says in the log that it was restored, sends nothing again and tells what is open in one
    summary. Exit 0 done, 1 the backup is not sound or the passphrase is another, 3 it could not be tried.

    Example: ampward restore /media/stick/depot-2026-11-22.tar.gz /var/lib/ampward
    """
    from services.site.backup.manifest import Unsound
    from services.site.backup.restoring import read_manifest
    from services.site.backup.restoring import restore as run

    try:
        is_sealed = read_manifest(file).is_sealed
        if passphrase_file is not None and not (with_secrets and is_sealed):
            raise Trouble(f"{file} has no secrets to open, or --no-secrets was given", Exit.USAGE)
        passphrase = _passphrase(passphrase_file, twice=False).encode() if with_secrets and is_sealed else b""
        made = run(file, data, progress_bar, passphrase=passphrase)
    except Unsound as fault:
        raise Trouble(str(fault), Exit.NO) from fault
    manifest = made.manifest
    source = str(data / manifest.source) if manifest.source else ""
    if as_json:
        told = {"data": str(data), "id": manifest.id, "made_at": manifest.made_at, "program": manifest.program}
        place = {"site": manifest.site, "log_id": manifest.log_id, "head_seq": manifest.head_seq}
        files = [{"name": name, "was": was} for name, was in made.files]
        write_json({**told, **place, "site_file": source, "secrets": made.has_secrets, "files": files})
        return Exit.DONE
    write(f"{data}: site {manifest.site or '(unknown)'} as of {manifest.made_at}, records up to {manifest.head_seq}")
    _say_list("site files, and where they stood", [f"{data / name}  was  {was}" for name, was in made.files])
    _say_list("secrets that are not in the backup", manifest.left_out)
    for line in _what_next(manifest.head_seq, source, data):
        write(line)
    return Exit.DONE


def _what_next(head_seq: int, source: str, data: Path) -> tuple[str, ...]:
    """What a person must know before the first start."""
    return (
        f"Stop the box it was made on before you start this one. What that box recorded after record {head_seq} is "
        "not here; if it goes on, both give the same numbers to different things, under different log_ids.",
        "Nothing that was planned or sent before the backup is sent again; what is open is told in one summary.",
        "This box has proven no output yet: `ampward commission` before you rely on it (armed).",
        f"start: ampward run {source or 'SITE.yaml'} --data {data}",
    )


def _say_list(what: str, lines: "tuple[str, ...] | list[str]") -> None:
    if lines:
        write(f"{what}:")
    for line in lines[:SHOWN_MAX]:
        write(f"  {plain(line)}")
    if len(lines) > SHOWN_MAX:
        write(f"  and {len(lines) - SHOWN_MAX} more")


def _passphrase(file: Path | None, *, twice: bool) -> str:
    """From the file's first line, else asked for on a terminal."""
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
        except UnicodeDecodeError:
            raise Trouble(f"{file}: not text", Exit.USAGE) from None
    if not sys.stdin.isatty():
        raise Trouble("no terminal to ask for the passphrase: give --passphrase-file", Exit.USAGE)
    given = getpass("passphrase: ")
    if twice and getpass("once more: ") != given:
        raise Trouble("the two are not the same", Exit.USAGE)
    return given
