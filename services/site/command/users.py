"""Named tokens: who may come in over HTTP beside the machine token. They work on the data folder, site running or not.

Each change takes effect at the next request and is recorded in the site's log with who made it, at once when the site
runs, else when it starts.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from services.site.command.client import os_user
from services.site.command.options import DATA, Data, Json, duration_ms
from services.site.command.output import table, write, write_json
from services.site.command.trouble import Exit, Trouble

PANEL = "People"
SECRET_PREFIX = "ampward_"
"""So that a secret is recognised where it should not be: in a chat, in a repository."""

Name = Annotated[str, typer.Argument(help="1 to 40 of a-z 0-9 _ -: who acts, as the log will say.", show_default=False)]


def add(app: typer.Typer) -> None:
    """Put these commands into the program."""
    users = typer.Typer(no_args_is_help=True, help="Named tokens for people and programs: add, list, revoke.")
    users.command("add")(add_user)
    users.command("list")(list_users)
    users.command("revoke")(revoke_user)
    app.add_typer(users, name="user", rich_help_panel=PANEL)


def add_user(
    name: Name,
    role: Annotated[
        str, typer.Option("--role", help="viewer reads; operator acknowledges and shelves too; engineer does all.")
    ],
    sites: Annotated[str, typer.Option("--sites", help="Only these sites, by comma; none: every site.")] = "",
    for_: Annotated[str, typer.Option("--for", help="How long it is good: 90d. Without: until it is revoked.")] = "",
    data: Data = DATA,
    as_json: Json = False,
) -> int:
    """Make a named token and show its secret, once. Only a hash of it is kept.

    Exit 1 when there is a token of this name already.

    Example: ampward user add anna --role operator --for 90d
    """
    from services.gateway.roles import ROLES_ALLOWED, Role
    from services.gateway.tokens import NAMES_TAKEN, SITES_MAX, TOKENS_MAX, NamedToken, digest
    from shared.domain.ids import ID_ALLOWED, is_id

    if not is_id(name) or name in NAMES_TAKEN:
        raise Trouble(f"{name}: not a name for a token, allowed: {ID_ALLOWED}, and not machine", Exit.USAGE)
    if role not in set(Role):
        raise Trouble(f"--role {role}: no such role, allowed: {ROLES_ALLOWED}", Exit.USAGE)
    chosen = tuple(dict.fromkeys(site.strip() for site in sites.split(",") if site.strip()))
    wrong = next((site for site in chosen if not is_id(site)), "")
    if wrong or len(chosen) > SITES_MAX:
        raise Trouble(f"--sites {wrong or 'too many'}: allowed are {SITES_MAX} site ids ({ID_ALLOWED})", Exit.USAGE)
    now_ms = _now_ms()
    until_ms = now_ms + duration_ms(for_) if for_ else 0
    secret = SECRET_PREFIX + secrets.token_urlsafe(32)
    with _changing(data) as book:
        if any(token.name == name and token.is_good(now_ms) for token in book.tokens):
            raise Trouble(f"{name} has a token already: revoke it first (`ampward user revoke {name}`)", Exit.NO)
        if sum(not token.is_revoked for token in book.tokens) >= TOKENS_MAX:
            raise Trouble(f"there are {TOKENS_MAX} tokens already: revoke one first", Exit.NO)
        made = NamedToken(
            id=secrets.token_hex(4), name=name, role=Role(role), sites=chosen, sha256=digest(secret),
            made_at_ms=now_ms, made_by=f"cli:{os_user()}", until_ms=until_ms,
        )  # fmt: skip
        book.tokens.append(made)
    if as_json:
        write_json({**_told(made, now_ms), "secret": secret})
        return Exit.DONE
    write(f"{name} is {role} {_where(made.sites)}, until {_until(made)}. The secret, shown only now:")
    write(secret)
    return Exit.DONE


def list_users(data: Data = DATA, as_json: Json = False) -> int:
    """List the named tokens: role, sites, until when, who made them. Secrets are not kept and cannot be shown.

    Example: ampward user list
    """
    now_ms = _now_ms()
    tokens = _read(data)
    if as_json:
        write_json([_told(token, now_ms) for token in tokens])
        return Exit.DONE
    if not tokens:
        write("no named tokens; `ampward user add NAME --role viewer` makes one")
        return Exit.DONE
    rows = [
        (told["name"], told["role"], ", ".join(told["sites"]) or "every site", told["state"], told["until"] or "",
         told["made_by"], told["id"])
        for told in (_told(token, now_ms) for token in tokens)
    ]  # fmt: skip
    for line in table(("name", "role", "sites", "state", "until", "made by", "id"), rows):
        write(line)
    return Exit.DONE


def revoke_user(name: Name, data: Data = DATA) -> int:
    """Revoke a named token: it opens nothing from the next request on, and its open streams end.

    Exit 1 when there is no living token of this name.

    Example: ampward user revoke anna
    """
    from services.gateway.tokens import revoked

    with _changing(data) as book:
        known = [token for token in book.tokens if token.name == name and not token.is_revoked]
        if not known:
            names = ", ".join(token.name for token in book.tokens if not token.is_revoked)
            raise Trouble(f"{name}: no such token, allowed: {names or 'none is there'}", Exit.NO)
        by = f"cli:{os_user()}"
        book.tokens[:] = [revoked(token, _now_ms(), by) if token in known else token for token in book.tokens]
    write(f"{name} is revoked")
    return Exit.DONE


class _Book:
    def __init__(self, tokens: list[Any]) -> None:
        self.tokens = tokens


@contextmanager
def _changing(data: Path) -> Iterator[_Book]:
    """The tokens, to be changed by one command at a time: written when the block ends well."""
    from services.gateway.tokens import encode_tokens
    from services.site.folder import ensure_token
    from shared.runtime import places

    if not data.is_dir():
        raise Trouble(f"{data} is no data folder: `ampward run --data {data}` makes one, or name yours with --data")
    guard = os.open(ensure_token(data), os.O_RDONLY)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)
        book = _Book(_read(data))
        yield book
        places.write_file(data, places.TOKENS, encode_tokens(book.tokens))
    finally:
        os.close(guard)


def _read(data: Path) -> list[Any]:
    from services.gateway.tokens import TokensBroken, decode_tokens
    from shared.runtime import places

    path = places.find_file(data, places.TOKENS)
    try:
        return list(decode_tokens(path.read_bytes()))
    except FileNotFoundError:
        return []
    except PermissionError:
        raise Trouble(f"{path} is not yours to read: only the user who runs the site may") from None
    except TokensBroken as fault:
        raise Trouble(f"{path} cannot be read: {fault}") from None


def _told(token: Any, now_ms: int) -> dict[str, Any]:
    from services.gateway.times import rfc3339

    state = "revoked" if token.is_revoked else "good" if token.is_good(now_ms) else "expired"
    return {
        "name": token.name,
        "id": token.id,
        "role": token.role.value,
        "sites": list(token.sites),
        "state": state,
        "until": rfc3339(token.until_ms),
        "made_at": rfc3339(token.made_at_ms),
        "made_by": token.made_by,
        "revoked_at": rfc3339(token.revoked_at_ms),
        "revoked_by": token.revoked_by,
    }


def _where(sites: tuple[str, ...]) -> str:
    return f"of {', '.join(sites)}" if sites else "of every site"


def _until(token: Any) -> str:
    from services.gateway.times import rfc3339

    return rfc3339(token.until_ms) or "it is revoked"


def _now_ms() -> int:
    from shared.runtime.clocks import SystemClock

    return SystemClock().wall_ms()
