"""Real brokers for tests: Mosquitto on a free loopback port, killed and started again; certificates of our own."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shared.bus.address import BrokerAddress
from shared.bus.broker import find_mosquitto, is_listening, mosquitto_command
from tests.testkit.ports import free_port


@dataclass
class Mosquitto:
    """One Mosquitto. ``more`` are lines of configuration instead of allow_anonymous."""

    folder: Path
    more: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def address(self) -> BrokerAddress:
        return BrokerAddress("127.0.0.1", self.port, tls=False)

    def start(self) -> "Mosquitto":
        """Returns when it accepts connections."""
        more = [*(self.more or ["allow_anonymous true"]), *(["user root"] if os.geteuid() == 0 else [])]
        command = mosquitto_command(find_mosquitto(), self.port, self.folder, more)
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not is_listening(self.address):
            assert self._process.poll() is None, "Mosquitto has ended"
            assert time.monotonic() < deadline, "Mosquitto does not listen"
            time.sleep(0.01)
        return self

    def kill(self) -> None:
        """kill -9: what it had in memory is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@dataclass(frozen=True)
class Certificates:
    """A little authority, a certificate for 127.0.0.1 and one for a client."""

    folder: Path

    @property
    def ca(self) -> str:
        return str(self.folder / "ca.crt")

    def file(self, name: str) -> str:
        return str(self.folder / name)

    def make(self) -> "Certificates":
        """With openssl, valid for a day."""
        self._run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
                  "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.crt")  # fmt: skip
        for name in ("broker", "client"):
            self._run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                      "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
            (self.folder / f"{name}.ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
            self._run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                      "-days", "1", "-extfile", f"{name}.ext", "-out", f"{name}.crt")  # fmt: skip
        return self

    def _run(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)
