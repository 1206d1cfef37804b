"""Puts a checked plan in force for the next start of every process: DIR/guard.json, site.json, start.json.

guard's first, each in one step: after a crash between two of them the site file is checked again, because start.json
still names the old bytes.
"""

import json
import os
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from services.site.start import DEMO_PORT, DEMO_PTY, START, Start, guard_file
from shared.devices.plan import SitePlan
from shared.runtime import places
from shared.wire.plans import encode_guard, encode_site

CANDIDATE = places.CANDIDATE
"""A checked plan that is not in force yet."""


def adopt(data: Path, plan: SitePlan, source: Path, sources: dict[str, str]) -> str:
    """``sources`` are the files it was made from, with their hashes as they were read. Gives guard's plan's hash."""
    body, guards = encode_site(plan), encode_guard(plan)
    version = sha256(guards).hexdigest()
    start = Start(
        hash=version,
        source=str(source.resolve()),
        sources=sources,
        site=plan.decision.site,
        http=plan.http,
        mqtt=plan.mqtt.url,
        simulate=plan.simulate,
        demo=plan.demo,
        site_hash=sha256(body).hexdigest(),
        uplink=bool(plan.uplink.kafka),
        hosted=plan.is_hosted,
        environment={name: os.environ[name] for name in (DEMO_PORT, DEMO_PTY) if name in os.environ},
    )
    places.write_file(data, places.GUARD_PLAN, guard_file(version, guards))
    places.write_file(data, places.SITE_PLAN, body)
    places.write_file(data, START, json.dumps(asdict(start), indent=1).encode() + b"\n")
    return version
