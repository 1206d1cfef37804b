"""Who is told what by the centre: a file in the site file's form, of which people, channels and routes count.

    version: 1
    site: {id: centre, time_zone: Europe/Berlin, language: de}
    people: {anna: {email: a@example.org}}
    channels: {email: {...}}
    notify: [{match: {severity: critical}, to: [anna], by: [email]}]

Promises: the same checks as of a site's own file, with file, line and key. It holds for every site, so a route cannot
name rooms. Refuses: a file from which nobody is told anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from shared.domain.errors import ConfigError
from shared.domain.notify_plan import NotifyPlan
from shared.runtime.site_file.loading import load_source
from shared.runtime.site_file.messages import check_people, notify_plan
from shared.runtime.site_file.site_checks import check_zone


@dataclass(frozen=True, slots=True)
class PeopleOfAll:
    """What the centre's notifier decides by, for every site alike."""

    plan: NotifyPlan
    time_zone: str
    language: str
    files: tuple[Path, ...] = ()
    """From which it was read."""


def read_people(path: Path, env: Mapping[str, str]) -> PeopleOfAll:
    """The file's people. Raises ConfigError with every fault, one a line.

    The heartbeat and the daily test message are each site's own: here they are left out.
    """
    source, faults = load_source(path, env)
    if source is not None:
        check_zone(source)
        check_people(source)
        faults = source.faults
        if not source.model.notify and not faults:
            source.fault(("notify",), "nobody is told anything", "routes with people and a channel")
    wrong = [fault for fault in faults if fault.severity == "error"]
    if source is None or wrong:
        raise ConfigError("\n".join(map(str, wrong)))
    site, files = source.model.site, tuple(dict.fromkeys((path, *source.files)))
    return PeopleOfAll(replace(notify_plan(source), heartbeat=(), daily_test=()), site.time_zone, site.language, files)
