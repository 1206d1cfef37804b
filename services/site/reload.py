"""A reload of the site file while everything runs: checked first, then guard, then the log, then the disk.

    check (a process of its own) --bad--> the old configuration stays; a line a fault, a config_rejected Report
                                 --same--> nothing
                                 --people--> in force at once; neither guard nor the log has to do with it
                 --good--> guard takes the plan (lower of both limits) --refused--> as bad
                                           -> RuleSet committed -> guard told plan_committed -> DIR/guard.json

A crash between any two steps leaves the old files in place: the next start checks the site file again.
"""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from services.site.adopt import CANDIDATE, adopt
from services.site.children import python
from services.site.guard_link import GuardLink
from services.site.service import Service
from shared.devices.plan import DecisionPlan, SitePlan
from shared.domain.inputs import ReportKind
from shared.runtime import places
from shared.runtime.lifecycle import PARENT, End
from shared.runtime.logging import logger
from shared.wire.plans import decode_site, encode_guard, encode_site

if TYPE_CHECKING:
    from services.site.hosted_link import HostedLink

CHECK_WAIT_S = 120.0
GUARD_WAIT_S = 5.0
GUARD_AWAY = ("guard is not connected; reload again when it is", "guard does not answer")
"""What says nothing about a plan."""
DETAIL_CHARACTERS_MAX = 900
"""The first faults; all of them are in the text log."""


@dataclass(slots=True)
class Reloader:
    """Does reloads one after the other; lives in the main thread."""

    source: Path
    data: Path
    service: Service
    link: "GuardLink | HostedLink"
    plan: SitePlan
    adopted: Callable[[SitePlan], None]
    ended: End
    """Set when the process is to end: nothing is begun or waited for then."""

    def reload(self, actor: str) -> bool | None:
        """Check the site file and put it in force. When the old one stays False; None when nothing was decided: the
        check did not end, guard is away, or we are to end."""
        log = logger(source=str(self.source))
        answer = self._check()
        if self.ended.is_set():
            return None
        if not answer:
            self._reject("the check did not end")
            return None
        faults = [str(fault) for fault in answer.get("faults", ())]
        if not answer.get("ok"):
            for fault in faults:
                log.warning("config_fault", fault=fault)
            return self._reject("; ".join(faults))
        body = places.find_file(self.data, CANDIDATE).read_bytes()
        plan = decode_site(body)
        guards = encode_guard(plan)
        version = sha256(guards).hexdigest()
        if body == encode_site(self.plan) and self.link.state.plan in ("", version):
            log.info("config_unchanged")
            return True
        if guards != encode_guard(self.plan) or self.link.state.plan not in ("", version):
            why = fixed_parts(self.plan, plan) or self._tell_guard(version, guards)
            if why:
                self._reject(why)
                return None if why in GUARD_AWAY else False
            self._commit(plan.decision, actor)
            self.link.plan_committed(version)
        self.plan = plan
        adopt(self.data, plan, self.source, dict(answer["sources"]))
        self.adopted(plan)
        log.info("config_changed", hash=version)
        return True

    def agree_with_guard(self) -> None:
        """After a start: a guard that lived with another plan gets the one that the log goes by now."""
        body = encode_guard(self.plan)
        version = sha256(body).hexdigest()
        state = self.link.state
        if state.connected and state.plan not in ("", version) and not self._tell_guard(version, body):
            self.link.plan_committed(version)

    def _tell_guard(self, version: str, body: bytes) -> str:
        """Empty when guard trips by the lower of both from now on; else why it does not."""
        if not self.link.plan(version, body):
            return GUARD_AWAY[0]
        end = monotonic() + GUARD_WAIT_S
        while monotonic() < end:
            state = self.link.state
            if version in (state.pending, state.plan):
                return ""
            if state.refusal:
                return f"guard refuses the plan: {state.refusal}"
            self.ended.wait(0.05)
        return GUARD_AWAY[1]

    def _commit(self, decision: DecisionPlan, actor: str) -> None:
        self.service.change_rules(decision, actor).result()

    def check_instead(self, path: Path, other: Path) -> dict[str, Any]:
        """What the check would say if ``path`` had the content of ``other``."""
        return self._check("--instead", str(path), str(other))

    def _check(self, *words: str) -> dict[str, Any]:
        """In a process of its own; what it prints, {} when it did not end by itself."""
        command = python("services.site.compile", str(self.source), str(self.data), *(words or ("--candidate",)))
        environment = {**os.environ, PARENT: str(os.getpid())}
        end = monotonic() + CHECK_WAIT_S
        output = b""
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            while process.returncode is None:
                try:
                    output, _ = process.communicate(timeout=0.2)
                except subprocess.TimeoutExpired:
                    if self.ended.is_set() or monotonic() >= end:
                        process.terminate()
        try:
            made = json.loads(output)
        except ValueError:
            return {}
        return made if isinstance(made, dict) else {}

    def _reject(self, why: str) -> bool:
        logger().warning("config_rejected", why=why)
        self.service.report(ReportKind.CONFIG_REJECTED, "config", why[:DETAIL_CHARACTERS_MAX], pulse=True)
        return False


def fixed_parts(old: SitePlan, new: SitePlan) -> str:
    """What a reload cannot change, as a sentence; empty when nothing of it differs."""
    if old.decision.site != new.decision.site:
        return f"site.id cannot change from {old.decision.site} to {new.decision.site} while it runs"
    return ""
