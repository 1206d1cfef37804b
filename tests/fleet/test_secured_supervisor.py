"""The fleet's supervision with its own rights over TLS, and the commands beside it."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from shared.bus.registry import COMMANDS, EVENTS
from shared.domain.events import Event
from shared.log.kafka.records import Place
from shared.log.kafka.stretch import read_stretch
from shared.wire.batches import decode_batch
from shared.wire.events import decode_event
from shared.wire.orders import FileOrder, decode_order
from shared.wire.pushes import check_file
from shared.wire.signing import read_public_key
from tests.e2e.foreign import wait_for
from tests.fleet.secured import Secured
from tests.testkit.process import Running

PROGRAM = Path(sys.executable).with_name("ampward")


def _values(fleet: Secured, topic: str, partition: int) -> list[bytes]:
    async def every() -> list[bytes]:
        stretch = read_stretch(fleet.service("supervisor"), Place(topic, partition))
        return [record.value or b"" async for record in stretch]

    return asyncio.run(every())


def _told(fleet: Secured) -> list[Event]:
    """Events of _fleet, which is in the first partition."""
    batches = map(decode_batch, _values(fleet, EVENTS.name, 0))
    return [decode_event(data) for batch in batches if batch.site == "_fleet" for data in batch.events]


def _order(fleet: Secured, partition: int) -> Callable[[], FileOrder | None]:
    def look() -> FileOrder | None:
        orders = map(decode_order, _values(fleet, COMMANDS.name, partition))
        return next((order for order in orders if isinstance(order, FileOrder)), None)

    return look


def test_a_silent_site_and_a_push_pass_every_right(secured: Secured, tmp_path: Path) -> None:
    """What it reads, writes and keeps it may; a site that never came is lost, an order to it is signed."""
    identity = secured.enroll("quiet")
    text = (secured.folder / "fleet.yaml").read_text()
    line = next(line for line in text.splitlines() if line.startswith("supervisor:"))
    config = secured.folder / "short.yaml"
    config.write_text(text.replace(line, f"{line.removesuffix('}')}, site_lost_after: 2s, start_grace: 100ms}}"))
    with Running([PROGRAM, "service", "supervisor", "--config", config]):
        wait_for(
            "the site to be lost",
            lambda: any(event.subject == "_fleet/quiet/site/site_lost" for event in _told(secured)),
            90,
        )
        rules = tmp_path / "rules.yaml"
        rules.write_text("rules: {}\n")
        words = [str(PROGRAM), "fleet", "push", str(rules), "--wait", "0", "--dir", str(secured.folder), "--sites"]

        def known() -> bool:
            return subprocess.run([*words, "quiet"], capture_output=True, check=False).returncode == 1

        wait_for("the site to be one that can be pushed to", known)
        other = subprocess.run([*words, "nobody"], capture_output=True, text=True, check=False)
        assert (other.returncode, "--sites nobody: not registered, allowed: " in other.stderr) == (3, True)
        partition = int(identity.joinpath("identity.json").read_text().partition('"partition": ')[2].partition(",")[0])
        order = wait_for("the order", _order(secured, partition))
        keys = [read_public_key(text) for text in (identity / "centre.pub").read_text().split()]
        check_file(order, {key.id: key for key in keys})
        assert "pending" in secured.ampward("fleet", "drift")
