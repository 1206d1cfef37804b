"""A running site as the command line sees it: DIR/run.json, DIR/token, and HTTP on loopback.

Only the standard library's client, so that a command starts quickly. Every trouble is a :class:`Trouble` in words.
"""

import getpass
import http.client
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from services.site.command.trouble import Exit, Trouble
from shared.runtime import places

ANSWER_S = 10.0
STREAM_S = 40.0
"""The stream gives a sign of life every 15 s."""
LINE_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class Told:
    """One block of the event stream."""

    cursor: str
    event: str
    data: Any


class RunningSite:
    """HTTP to one site."""

    def __init__(self, address: str, token: str) -> None:
        self.address = address
        self._token = token

    @classmethod
    def of_folder(cls, data: Path) -> "RunningSite":
        """The site that runs in this data folder, or the whole fleet that runs in this one."""
        fleet = find_fleet(data)
        address, file = fleet or (str(read_run(data).get("http", "")), places.find_file(data, places.TOKEN))
        try:
            token = file.read_text(encoding="utf-8").strip()
        except PermissionError:
            raise Trouble(f"{file} is not yours to read: only the user who runs the site may") from None
        except OSError as error:
            raise Trouble(f"{file}: {error.strerror}") from None
        return cls(address, token)

    @classmethod
    def of_url(cls, url: str) -> "RunningSite":
        """The site at http://HOST:PORT with the token of the environment."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.netloc or parts.path not in ("", "/"):
            raise Trouble(f"{url}: not the address of a site, allowed: http://HOST:PORT", Exit.USAGE)
        token = os.environ.get("AMPWARD_TOKEN", "")
        if not token:
            raise Trouble("the site's token is not known: put it into AMPWARD_TOKEN (it is in the site's DIR/token)")
        return cls(parts.netloc, token)

    def get(self, path: str, **query: str) -> Any:
        """The JSON of a path. Raises Trouble for anything but 200."""
        answer = self._ask("GET", _with(path, query))
        if answer.status != 200:
            raise Trouble(f"the site answers {answer.status}: {problem_words(answer.body)}")
        return answer.body

    def ask(self, path: str) -> Answer:
        """A path whose answers other than 200 mean something."""
        return self._ask("GET", path)

    def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        return self._ask("POST", path, json.dumps(body).encode())

    def _ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        connection = http.client.HTTPConnection(self.address, timeout=ANSWER_S)
        try:
            connection.request(method, path, body, self._headers())
            response = connection.getresponse()
            return Answer(response.status, json.loads(response.read() or b"null"))
        except (OSError, http.client.HTTPException) as error:
            raise self._silent(error) from None
        except ValueError:
            raise Trouble(f"what answers at {self.address} is not a site of ours") from None
        finally:
            connection.close()

    def events(self, **query: str) -> Iterator[Told]:
        """The event stream until it ends; it stands when this returns. Raises Trouble when it breaks."""
        connection = http.client.HTTPConnection(self.address, timeout=STREAM_S)
        try:
            connection.request("GET", _with("/api/v1/events", query), headers=self._headers())
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._silent(error) from None
        return self._events(connection, response)

    def _events(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> Iterator[Told]:
        try:
            if response.status != 200:
                code = Exit.USAGE if response.status == 422 else Exit.NOT_TRIED
                raise Trouble(f"the site answers {response.status}: {problem_words(_json(response.read()))}", code)
            yield from _blocks(response)
        except (OSError, http.client.HTTPException) as error:
            raise self._silent(error) from None
        finally:
            connection.close()

    def _silent(self, error: Exception) -> Trouble:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        return Trouble(f"the site at {self.address} does not answer: {why}; is `ampward run` running?")

    def _headers(self) -> dict[str, Any]:
        return {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "Ampward-Actor": f"cli:{os_user()}".encode(),
        }


def find_fleet(data: Path) -> tuple[str, Path] | None:
    """Address and token file of the gateway of a fleet in this folder; None for no fleet's folder.

    Raises Trouble, also for a fleet that is not up or is only being started.
    """
    try:
        found = places.find_gateway(data)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise Trouble(f"{data / places.FLEET} cannot be read: {error}") from None
    if found is None and (data / places.FLEET_LOCK).exists() and not (data / places.FLEET).exists():
        raise not_up(data)
    return found


def not_up(folder: Path) -> Trouble:
    """What to say of a fleet without fleet.json: its launcher holds the lock from before its first server is started
    until its last one has ended."""
    from services.fleet.launcher import holder

    pid = holder(folder)
    if not pid:
        return Trouble(f"no fleet runs in {folder}: start it with `ampward fleet up --dir {folder}`")
    return Trouble(f"the fleet in {folder} is not ready: pid {pid} is starting or stopping it; try again in a minute")


def refuse_fleet(data: Path, where: str) -> None:
    """Raises Trouble when this is a fleet's folder and what is asked for is a site's; ``where`` the fleet's is."""
    if not (data / places.FLEET).exists() and not (data / "fleet.yaml").exists():
        return
    demo = sorted(str(each) for each in data.glob("demo/*/") if (each / places.SITE_PLAN).exists())
    here = f" ({', '.join(demo)})" if demo else ""
    raise Trouble(f"{data} is a fleet's folder, and this is asked of one site's{here}; {where}")


def read_run(data: Path) -> dict[str, Any]:
    """DIR/run.json. Raises Trouble when no site runs there."""
    try:
        record = json.loads(places.find_file(data, places.RUN).read_bytes())
    except FileNotFoundError:
        raise Trouble(
            f"no site runs in {data}: start one with `ampward run --data {data}`, or name its --data"
        ) from None
    except (OSError, ValueError) as error:
        raise Trouble(f"{data / places.RUN} cannot be read: {error}") from None
    return record if isinstance(record, dict) else {}


def os_user() -> str:
    """Who sits at the keyboard, also behind sudo."""
    name = os.environ.get("SUDO_USER") or ""
    if not name:
        try:
            name = getpass.getuser()
        except (KeyError, OSError):
            name = f"uid-{os.getuid()}"
    return "".join(char for char in name if char.isprintable())[:64] or "unknown"


def problem_words(body: Any) -> str:
    """A problem body in words."""
    if not isinstance(body, dict):
        return "without words"
    errors = body.get("errors") or []
    if errors:
        return "; ".join(
            f"{error['field']}: {error['message']}" + (f", allowed: {error['allowed']}" if error.get("allowed") else "")
            for error in errors
        )
    detail = body.get("detail") or ""
    return f"{body.get('title', 'without words')}{': ' if detail else ''}{detail}"


def _with(path: str, query: Mapping[str, str]) -> str:
    given = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(given)}" if given else path


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _blocks(response: http.client.HTTPResponse) -> Iterator[Told]:
    fields: dict[str, str] = {}
    while True:
        line = response.readline(LINE_MAX)
        if not line:
            return
        text = line.decode().rstrip("\r\n")
        if text:
            name, _, value = text.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield Told(fields.get("id", ""), fields.get("event", ""), json.loads(fields["data"]))
            fields = {}
        else:
            fields = {}
