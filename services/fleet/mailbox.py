"""The mailbox of a demo fleet: takes the notifier's webhooks on loopback and writes each into a file, one a line.

    python -m services.fleet.mailbox PORT FILE

A line is {at, id, body}: the CloudEvent as it came. It stands in for whoever receives webhooks in life.
Limits: a body of BODY_MAX bytes, one request at a time, the file's last FILE_MAX bytes (then it begins anew).
"""

import json
import sys
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Final

from shared.runtime.lifecycle import end_with_parent

BODY_MAX: Final = 1 << 20
FILE_MAX: Final = 64 << 20
WAIT_S: Final = 5.0


def serve(port: int, file: Path) -> HTTPServer:
    """Listening; ``serve_forever`` takes messages."""

    class Taker(BaseHTTPRequestHandler):
        timeout = WAIT_S

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not length.isdigit() or int(length) > BODY_MAX:
                self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
                return
            try:
                body = json.loads(self.rfile.read(int(length)))
            except ValueError:
                self._answer(HTTPStatus.BAD_REQUEST)
                return
            line = {"at": datetime.now(UTC).isoformat(), "id": self.headers.get("webhook-id", ""), "body": body}
            _append(file, json.dumps(line, ensure_ascii=False) + "\n")
            self._answer(HTTPStatus.NO_CONTENT)

        def _answer(self, status: HTTPStatus) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_words: Any) -> None:
            """The file says what came."""

    return HTTPServer(("127.0.0.1", port), Taker)


def _append(file: Path, line: str) -> None:
    if file.exists() and file.stat().st_size > FILE_MAX:
        file.unlink()
    with file.open("a", encoding="utf-8") as out:
        out.write(line)


def main(arguments: list[str]) -> None:
    """Until it is ended."""
    end_with_parent()
    with serve(int(arguments[0]), Path(arguments[1])) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
