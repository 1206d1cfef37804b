"""One hosted site on this machine: its folder held, its file checked, its two processes kept running.

    services.site --hosted     log, core, messages; what its devices hand in by MQTT (services.site.hosted_link)
    services.uplink            the log to Kafka, signed with the site's key, as from any other site

    DATA/SITE/         the site's data folder, as on a box; ``home`` in it names it for the lease
    HOSTED/SITE/       identity.json, signing.key, centre.pub as `ampward enroll --hosted` made them; site.yaml

Promises: two processes never write one log: the folder's lock is held by the bridge and both of them, until all
have ended. A process that ends is started again within RESTART_S, one that gives no sign for SILENT_S is killed. A
site file that is changed is taken as a reload; a bad one leaves the last good plan in force and is told.
"""

import asyncio
import json
import os
import secrets
import signal
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any, Final

from services.gateway.address import bind_loopback, shown_address
from services.gateway.times import rfc3339
from services.site import folder
from services.site.children import python
from services.site.formats import refuse_newer
from services.site.hosted_link import FIELDS, HOSTED
from services.site.readiness import SITE_SILENT_S
from services.site.start import file_hash, read_start
from shared.domain.errors import ConfigError
from shared.runtime import places
from shared.runtime.fleet_file import FleetPlan
from shared.runtime.lifecycle import PARENT

SITE_FILE: Final = "site.yaml"
SIGNING_KEY: Final = "signing.key"
IDENTITY: Final = "identity.json"
HOME: Final = "home"
LOOK_S: Final = 0.5
RESTART_S: Final = 1.0
SILENT_S: Final = SITE_SILENT_S
"""After its first sign; loading may take long on a busy machine."""
END_S: Final = 12.0
CHECK_S: Final = 120.0
UPLINK: Final = 'uplink: {kafka: "${AMPWARD_KAFKA}", identity: "${AMPWARD_IDENTITY}"}'
Tell = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one hosted site."""

    site: str
    given: Path
    """HOSTED/SITE"""
    data: Path
    """DATA/SITE"""

    @property
    def is_complete(self) -> bool:
        """There is an identity and a site file."""
        return all((self.given / name).is_file() for name in (SITE_FILE, SIGNING_KEY, IDENTITY))

    def home(self) -> str:
        """The name of the folder that has the log, made with the folder."""
        folder.make(self.data)
        path = self.data / HOME
        if not path.exists():
            places.replace_file(path, secrets.token_hex(16).encode() + b"\n", 0o600)
        return path.read_text(encoding="ascii").strip()


class HostedSite:
    """One term: ``run`` until ``stop``; when it returns no process of the site is left."""

    def __init__(self, where: Places, plan: FleetPlan, tell: Tell) -> None:
        self._where = where
        self._plan = plan
        self._tell = tell
        self._alive_at = 0.0
        self._seen = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Raises Busy while another process holds the folder, ConfigError when there is no good site file."""
        where, data = self._where, self._where.data
        async with AsyncExitStack() as clean_up:
            folder.make(data)
            lock = folder.lock(data)
            clean_up.callback(os.close, lock)
            refuse_newer(data)
            folder.refuse_unfinished(data)
            folder.ensure_token(data)
            self._write_identity()
            self._write_broker()
            await self._check()
            listening = bind_loopback("127.0.0.1:0")
            clean_up.callback(listening.close)
            alive, sign = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            for each in (alive, sign):
                clean_up.callback(os.close, each)
            self._write_run(listening)
            loop = asyncio.get_running_loop()
            loop.add_reader(alive, self._on_alive, alive)
            clean_up.callback(loop.remove_reader, alive)
            words = [str(data), str(where.given / SITE_FILE), "--hosted"]
            words += ["--http-fd", str(listening.fileno()), "--alive-fd", str(sign)]
            site = asyncio.create_task(
                self._answer(listening, words, (lock, listening.fileno(), sign), stop), name=f"site {where.site}"
            )
            uplink = asyncio.create_task(
                self._keep("services.uplink", [str(data)], (lock,), stop), name=f"uplink {where.site}"
            )
            try:
                await asyncio.gather(site, uplink)
            finally:
                for task in (site, uplink):
                    task.cancel()
                await asyncio.gather(site, uplink, return_exceptions=True)
                (data / places.RUN).unlink(missing_ok=True)

    def _environment(self) -> dict[str, str]:
        identity = str(self._where.data / "identity")
        own = {"AMPWARD_SITE": self._where.site, "AMPWARD_KAFKA": self._plan.bootstrap, "AMPWARD_IDENTITY": identity}
        return {**os.environ, **own, PARENT: str(os.getpid())}

    # What the processes read

    def _write_identity(self) -> None:
        """The site's keys with the bridge's own way into Kafka: links, so that a renewed file is seen at once."""
        given, made, plan = self._where.given, self._where.data / "identity", self._plan
        made.mkdir(mode=0o700, exist_ok=True)
        try:
            body = json.loads((given / IDENTITY).read_bytes())
        except (OSError, ValueError) as fault:
            raise ConfigError(f"{given / IDENTITY}: {type(fault).__name__}: {fault}") from fault
        body |= {"kafka_user": plan.kafka_user if plan.is_tls else ""}
        _have(made / IDENTITY, json.dumps(body).encode())
        links = {SIGNING_KEY: given / SIGNING_KEY, "centre.pub": given / "centre.pub"}
        if plan.is_tls:
            links |= {"kafka.password": Path(plan.kafka_password_file), "ca.pem": Path(plan.kafka_ca_file)}
        for name, target in links.items():
            link = made / name
            if not link.is_symlink() or link.readlink() != target.resolve():
                link.unlink(missing_ok=True)
                link.symlink_to(target.resolve())

    def _write_broker(self) -> None:
        self._plan.broker()  # Raises ConfigError when there is none.
        body = dict(zip(FIELDS, (self._plan.mqtt_url, *self._plan.mqtt), strict=True))
        _have(self._where.data / HOSTED, json.dumps(body).encode())

    def _write_run(self, listening: socket.socket) -> None:
        """The uplink hands commands in at the site's own door."""
        record = {"pid": os.getpid(), "http": shown_address(listening), "mqtt": self._plan.mqtt_url}
        folder.write_run(self._where.data, {**record, "started_at": rfc3339(int(time() * 1000))})

    async def _check(self) -> None:
        """Compile the site file; the last good plan stands in for a bad one. Raises ConfigError when there is none."""
        source = self._where.given / SITE_FILE
        self._seen = file_hash(source)
        process = await asyncio.create_subprocess_exec(
            *python("services.site.compile", str(source), str(self._where.data)),
            env=self._environment(), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            process_group=0,
        )  # fmt: skip
        try:
            async with asyncio.timeout(CHECK_S):
                output, _ = await process.communicate()
            answer = json.loads(output)
        except (TimeoutError, ValueError) as fault:
            answer = {"ok": False, "faults": [f"the check did not end: {type(fault).__name__}"]}
        finally:
            await _end(process)
        faults = [str(fault) for fault in answer.get("faults", ())]
        start = read_start(self._where.data)
        if not answer["ok"]:
            self._tell("hosted_file_is_bad", f"{self._where.site}: {'; '.join(faults)}")
        if start is None or not start.hosted or start.site != self._where.site:
            site = self._where.site
            why = "; ".join(faults) if start is None else f"{source}: not the file of the hosted site {site}"
            raise ConfigError(f"{why}; allowed: site: {{id: {site}}}, devices on a bus {{mqtt: in}}")
        if not start.uplink:
            self._tell("hosted_without_uplink", f"{source}: nothing goes up; allowed: {UPLINK}")

    # The processes

    async def _answer(
        self, listening: socket.socket, words: list[str], descriptors: tuple[int, ...], stop: asyncio.Event
    ) -> None:
        """The site process; behind its end nobody answers at its door, and who asks there learns it at once."""
        with listening:
            await self._keep("services.site", words, descriptors, stop)

    async def _keep(self, module: str, words: list[str], descriptors: tuple[int, ...], stop: asyncio.Event) -> None:
        """Run it until ``stop``, again when it ends."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                process = await asyncio.create_subprocess_exec(
                    *python(module, *words),
                    env=self._environment(), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
                    pass_fds=descriptors, process_group=0,
                )  # fmt: skip
                try:
                    await self._watch(process, stopping, is_site=len(descriptors) > 1)
                finally:
                    await _end(process)
                if not stop.is_set():
                    self._tell("hosted_process_ended", f"{self._where.site}: {module} ended with {process.returncode}")
                    await asyncio.wait([stopping], timeout=RESTART_S)
        finally:
            stopping.cancel()

    async def _watch(
        self, process: asyncio.subprocess.Process, stopping: "asyncio.Future[Any]", *, is_site: bool
    ) -> None:
        """Until it ends, hangs, or is to end."""
        if is_site:
            self._alive_at = 0.0
        ended: asyncio.Future[Any] = asyncio.ensure_future(process.wait())
        try:
            while not (ended.done() or stopping.done()):
                await asyncio.wait([ended, stopping], timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                if is_site and self._alive_at and asyncio.get_running_loop().time() - self._alive_at > SILENT_S:
                    self._tell("hosted_process_hangs", self._where.site)
                    with suppress(ProcessLookupError):
                        process.kill()
                    return
                # Before its first sign it has no ear for the signal, and would end by it.
                is_heard = is_site and self._alive_at > 0
                if is_heard and (now := file_hash(self._where.given / SITE_FILE)) not in ("", self._seen):
                    self._seen = now
                    with suppress(ProcessLookupError):
                        process.send_signal(signal.SIGHUP)
        finally:
            ended.cancel()

    def _on_alive(self, descriptor: int) -> None:
        with suppress(BlockingIOError):
            os.read(descriptor, 4096)
        self._alive_at = asyncio.get_running_loop().time()


def _have(path: Path, content: bytes) -> None:
    """Written only when it is not so: a disk that takes nothing keeps no site from beginning again."""
    if not path.is_file() or path.read_bytes() != content:
        places.replace_file(path, content, 0o600)


async def _end(process: asyncio.subprocess.Process) -> None:
    """TERM, then KILL; returns when it has ended."""
    waiting = asyncio.ensure_future(process.wait())
    try:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.send_signal(number)
            await asyncio.wait([waiting], timeout=END_S)
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.kill()
        raise
    finally:
        waiting.cancel()
