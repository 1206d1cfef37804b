"""`python -m tests.containers.compose`: docker-compose.yml built and run for real, by docker or by podman-compose.

It builds an image a service, starts everything, waits until each container says that it is alive and the centre's
stream shows raised alarms of both sites, kills a service and sees it do its share again, ends each service by TERM
within its grace period with exit code 0, and removes containers and volumes. Under a project name of its own: a
running fleet of yours is not touched, if AMPWARD_PORT (18080 here) is free. The last line says what was seen.
"""

import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable

from services.site.command.service import SERVICES
from tests.architecture.source import ROOT

PORT = int(os.environ.setdefault("AMPWARD_PORT", "18080"))
PROJECT = "ampward-try"
SITES = ("north", "south")
GRACE_S = 30
ALIVE = "/opt/ampward/container/healthy"


def engine() -> tuple[str, list[str]]:
    """The program for one container, and the words for all of them."""
    if shutil.which("podman-compose"):
        return "podman", ["podman-compose", "--parallel", "1", "-p", PROJECT]
    if shutil.which("docker"):
        return "docker", ["docker", "compose", "-p", PROJECT]
    raise SystemExit("neither podman-compose nor docker is on this machine")


def run(*words: str, fails: bool = False) -> str:
    """What a command printed. Ends the program when it fails and may not."""
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0 and not fails:
        raise SystemExit(f"{' '.join(words)}: exit {done.returncode}")
    return done.stdout.strip()


def wait_for(what: str, look: Callable[[], bool], within_s: float = 300) -> float:
    """How long it took."""
    began = time.monotonic()
    while not look():
        if time.monotonic() - began > within_s:
            raise SystemExit(f"after {within_s:g} s still waiting for {what}")
        time.sleep(0.5)
    return time.monotonic() - began


class Fleet:
    """The running project."""

    def __init__(self) -> None:
        self.one, self.all = engine()

    def container(self, service: str) -> str:
        names = run(self.one, "ps", "-a", "--format", "{{.Names}}").split()
        (found,) = (name for name in names if name.replace("_", "-") == f"{PROJECT}-{service}-1")
        return found

    def is_alive(self, service: str) -> bool:
        """By the very command of its health check."""
        words = (self.one, "exec", self.container(service), ALIVE)
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    def is_ready(self, service: str) -> bool:
        """Whether it does its share."""
        ask = "import urllib.request as r; r.urlopen('http://127.0.0.1:9464/readyz', timeout=5)"
        words = (self.one, "exec", self.container(service), "/opt/ampward/bin/python", "-c", ask)
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    def raised(self) -> set[str]:
        """Sites with a raised alarm, by the centre's stream from its beginning."""
        token = run(self.one, "exec", self.container("gateway"), "cat", "token", fails=True)
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
        found: set[str] = set()
        try:
            path = "/api/v1/events?type=ampward.alarm.raised."
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            for line in connection.getresponse():
                if line.startswith(b"data:"):
                    found.add(str(json.loads(line[5:])["subject"]).partition("/")[0])
        except (OSError, http.client.HTTPException, KeyError, ValueError):
            pass  # The end of what there is, or a gateway that is not there yet: looked at again.
        finally:
            connection.close()
        return found


def main() -> int:
    """0 when everything was seen."""
    fleet = Fleet()
    run(*fleet.all, "build")
    try:
        run(*fleet.all, "up", "-d")
        ours = (*SERVICES, *(f"site-{site}" for site in SITES))
        for service in ours:
            wait_for(f"{service} to be alive", lambda name=service: fleet.is_alive(name))  # type: ignore[misc]
        took = wait_for("alarms of both sites in one stream", lambda: set(SITES) <= fleet.raised())
        sys.stdout.write(f"alarms of {' and '.join(SITES)} in one stream, {took:.0f} s after all were alive\n")
        for service in SERVICES:
            wait_for(f"{service} to be ready", lambda name=service: fleet.is_ready(name))  # type: ignore[misc]
        sys.stdout.write(f"ready: {', '.join(SERVICES)}\n")
        run(fleet.one, "kill", "-s", "KILL", fleet.container("processor"))
        run(fleet.one, "start", fleet.container("processor"), fails=True)
        wait_for("a killed processor to be ready again", lambda: fleet.is_ready("processor"))
        for service in ours:
            name, began = fleet.container(service), time.monotonic()
            run(fleet.one, "stop", "-t", str(GRACE_S), name)
            code = run(fleet.one, "inspect", "-f", "{{.State.ExitCode}}", name)
            if code != "0":
                raise SystemExit(f"{service} ended with {code} at TERM")
            sys.stdout.write(f"{service}: ended by TERM in {time.monotonic() - began:.1f} s\n")
    finally:
        run(*fleet.all, "down", "-v", fails=True)
    sys.stdout.write(f"built, run and ended: {len(ours)} containers of ours\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
