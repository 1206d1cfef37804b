"""A process that becomes a broker: installs Mosquitto and turns into it, or hosts amqtt.

    python -m shared.bus.broker_host PORT FOLDER install|amqtt

Exit 3 when there is no broker to be had. TERM and INT end it.
"""

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from shared.bus.broker import find_mosquitto, mosquitto_command

INSTALL_S = 300
ABSENT = 3


def install_mosquitto() -> str:
    """Path of the program after an installation by the package manager; empty when that failed."""
    # RUNLEVEL=1: the package must not start a service of its own.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = ["apt-get", "install", "-y", "--no-install-recommends", "mosquitto"]
    for command in (install, ["apt-get", "update"], install):
        try:
            subprocess.run(command, env=environment, capture_output=True, timeout=INSTALL_S, check=False, umask=0o022)
        except (OSError, subprocess.TimeoutExpired):
            break
        if found := find_mosquitto():
            return found
    return ""


async def host_amqtt(port: int) -> None:
    """An amqtt broker on loopback until TERM or INT."""
    from amqtt.broker import Broker  # type: ignore[import-untyped]  # an optional extra without types

    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    broker = Broker(config)
    await broker.start()
    await ended.wait()
    await broker.shutdown()


def main(arguments: Sequence[str]) -> int:
    """Become a broker; gives the exit code when that was not possible or is over."""
    port, folder, how = int(arguments[0]), Path(arguments[1]), arguments[2]
    if how == "install":
        program = find_mosquitto() or install_mosquitto()
        if program:
            os.execv(program, mosquitto_command(program, port, folder))
    if importlib.util.find_spec("amqtt") is None:
        sys.stderr.write("no broker: Mosquitto could not be installed, and the extra ampward[amqtt] is not there\n")
        return ABSENT
    asyncio.run(host_amqtt(port))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
