"""Files that are pushed to a launched fleet while its processes are killed, and what must come of them.

A person pushes rules by `ampward fleet push`, to all sites at once or in waves of one site; whom a dead database turns
away pushes again. At the end, of every site:

- the list of drift is what a push brings that nobody disturbed: accepted, the same hash wanted and on the box;
- each order in ampward.commands.v1 is signed by the centre's key, and has one content however often it was sent;
- each order is one Report in the site's log, however often it came and whoever died; none refuses a good file;
- the file stands beside the site file, with the content of the last push.
"""

import asyncio
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from shared.bus.registry import COMMANDS
from shared.domain.errors import BadSignature
from shared.domain.inputs import Report, ReportKind
from shared.log.store import open_reader
from shared.wire.inputs import decode_input
from shared.wire.orders import FileOrder, decode_order
from shared.wire.pushes import check_file, file_hash
from shared.wire.signing import read_public_key
from tests.soak.fleet_account import LOOK_S, records
from tests.soak.launched import RULES, Launched, rules

ANSWER_S = 300
AGAIN_S, PATIENCE_S = 1.0, 180.0
"""A server that is killed again and again is started again ever later, after half a minute at most."""
DRIFT_S = 300.0
"""Above the time after which the supervisor sends an order again."""

Items = list[dict[str, Any]]


class Pushing:
    """Pushes one content after another, each to all sites."""

    def __init__(self, fleet: Launched, *, in_waves: bool) -> None:
        self._fleet = fleet
        self._waves = fleet.sites if in_waves else (",".join(fleet.sites),)
        self._thread = threading.Thread()
        self.count = 0
        self.faults: list[str] = []
        self.undisturbed = self._undisturbed()

    def begin(self) -> None:
        """The next one, in a thread, when the one before is through."""
        if not self._thread.is_alive():
            self._thread = threading.Thread(target=self._push, name="pushing", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """The last one is through."""
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def content(self) -> str:
        """What was pushed last."""
        return rules(self.count)

    def wanted(self) -> Items:
        """The drift list as it has to be: the undisturbed push's with another content."""
        digest = file_hash(self.content)
        return [{**each, "wanted": digest, "actual": digest} for each in self.undisturbed]

    def drift(self) -> Items:
        """As `ampward fleet drift` lists it; nothing while the database is away."""
        asked = self._ampward("drift", "--json")
        return list(json.loads(asked.stdout)["items"]) if asked.returncode in (0, 1) else []

    def _undisturbed(self) -> Items:
        self._push()
        found = self.drift()
        states = {each["site"]: each["state"] for each in found}
        assert states == dict.fromkeys(self._fleet.sites, "accepted"), (found, self.faults)
        assert not self.faults
        return found

    def _push(self) -> None:
        self.count += 1
        file = self._fleet.folder.parent / RULES
        file.write_text(self.content, encoding="utf-8")
        for wave, sites in enumerate(self._waves, 1):
            words = ("push", str(file), "--sites", sites, "--wave", str(wave), "--wait", str(ANSWER_S))
            end = monotonic() + PATIENCE_S
            while (done := self._ampward(*words)).returncode == 3 and monotonic() < end:
                sleep(AGAIN_S)
            if done.returncode:
                self.faults.append(f"push {self.count} to {sites}: {done.returncode} {done.stdout[-300:]}{done.stderr}")
                return

    def _ampward(self, *words: str) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("ampward")
        command = [str(program), "fleet", *words, "--dir", str(self._fleet.folder)]
        return subprocess.run(command, capture_output=True, text=True, timeout=2 * ANSWER_S, check=False)


async def judge_pushes(pushing: Pushing, fleet: Launched, faults: list[str]) -> None:
    """Everything was pushed and answered; see the module."""
    faults += pushing.faults
    wanted = pushing.wanted()
    found: Items = []
    try:
        async with asyncio.timeout(DRIFT_S):
            while (found := await asyncio.to_thread(pushing.drift)) != wanted:
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        faults.append(f"the list of drift is not that of an undisturbed push: {found}")
    for site in fleet.sites:
        orders = [decode_order(record.value or b"") for record in await records(fleet, site, COMMANDS)]
        files = [order for order in orders if isinstance(order, FileOrder)]
        centre = (fleet.identity(site) / "centre.pub").read_text(encoding="ascii").split()
        faults += [f"{site}: {each}" for each in judge_orders(files, centre, reports_of(fleet, site))]
        if fleet.given(site, RULES).read_text(encoding="utf-8") != pushing.content:
            faults.append(f"{site}: the file on the box is not the one that was pushed last")


def judge_orders(orders: Sequence[FileOrder], centre: Sequence[str], reports: Sequence[Report]) -> list[str]:
    """What is wrong with the orders of one site and what its log says of them."""
    keys = {key.id: key for key in map(read_public_key, centre)}
    wrong: list[str] = []
    by_id: dict[str, str] = {}
    for order in orders:
        try:
            check_file(order, keys)
        except BadSignature as fault:
            wrong.append(f"order {order.id}: {fault}")
        if by_id.setdefault(order.id, order.body) != order.body:
            wrong.append(f"order {order.id} was sent with two contents")
    wrong += [f"a good file was refused: {each.detail}" for each in reports if not each.on]
    told = Counter(each.detail.partition(" by ")[0] for each in reports if each.on)
    asked = Counter(map(file_hash, by_id.values()))
    if told != asked:
        wrong.append(f"{asked.total()} orders for {len(asked)} contents became {told.total()} Reports for {len(told)}")
    return wrong


def reports_of(fleet: Launched, site: str) -> list[Report]:
    """What a site's log says of pushed files."""
    log = open_reader(fleet.data(site))
    try:
        bodies = (decode_input(row.data).body for row in log.inputs(0, 1 << 30) if row.kind == "report")
        return [body for body in bodies if isinstance(body, Report) and body.kind == ReportKind.PUSHED_FILE]
    finally:
        log.close()
