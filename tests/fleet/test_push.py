"""A file pushed by the centre to a real site: signed order, the site's own check, its log, what drifts."""

import asyncio
import json
from pathlib import Path

import pytest

from services.fleet import supervise_push
from services.fleet.supervise_log import MIGRATIONS
from services.fleet.supervise_push import Pushes, Told, Wanted, push, read_told, targets
from services.fleet.supervise_tell import Teller, Who
from shared.domain.errors import ConfigError
from shared.domain.inputs import Report, ReportKind
from shared.log.kafka.producer import Producer
from shared.runtime.clocks import SystemClock
from shared.runtime.postgres import migrate
from shared.wire.inputs import RuleSet, decode_input
from shared.wire.signing import SigningKey
from tests.e2e.foreign import Site, wait_for
from tests.fleet.database import new_database, pool_of
from tests.fleet.joined import PARTITION, SITE, Fleet, joined, recorded
from tests.fleet.supervised import FLEET_KEY
from tests.testkit.fleet import KafkaBroker, Postgres

GOOD = "rules: {disk_low: {off_delay: 2min}}\n"
BAD = "rules: {disk_low: {off_delay: 2}}\n"


def order(fleet: Fleet, body: str, number: int, key: SigningKey = FLEET_KEY) -> None:
    """As the supervisor sends it, whose own key was renewed since: the box knows the former one."""

    async def give() -> None:
        async with Producer(fleet.access, "centre") as producer:
            teller = Teller(producer, Who(SigningKey(bytes(32)), 0, fleet.prefix, key), SystemClock())
            await teller.file(Wanted(SITE, "rules.yaml", number, "anna", body), PARTITION)

    asyncio.run(give())


def reports(site: Site) -> list[Report]:
    bodies = (decode_input(data).body for data in recorded(site))
    return [body for body in bodies if isinstance(body, Report) and body.kind == ReportKind.PUSHED_FILE]


def test_a_site_takes_a_good_file_and_refuses_a_bad_or_foreign_one(tmp_path: Path, kafka: KafkaBroker) -> None:
    """The rule set in the log is by the centre's person; faults go back in words; only the centre's key counts."""
    fleet = Fleet(kafka.bootstrap)
    fleet.make()
    with joined(tmp_path, fleet) as (depot, site):
        (tmp_path / "identity" / "centre.pub").write_text(f"{FLEET_KEY.public.text()}\n")
        rules = depot.site_file.parent / "rules.yaml"
        rules.write_text("rules: {}\n")
        depot.site_file.write_text(f"{depot.site_file.read_text()}\ninclude: [rules.yaml]\n")
        order(fleet, BAD, 1)
        wait_for("the refusal", lambda: any("disk_low" in one.detail for one in reports(site)))
        assert (rules.read_text(), reports(site)[0].on) == ("rules: {}\n", False)
        order(fleet, GOOD, 2, SigningKey(bytes(31) + b"1"))
        order(fleet, GOOD, 3)
        wait_for("its report", lambda: len(reports(site)) == 2)
        assert rules.read_text() == GOOD, reports(site)
        wait_for("its report", lambda: len(reports(site)) == 2)
        assert reports(site)[1].on
        bodies = [decode_input(data).body for data in recorded(site)]
        assert [body.actor for body in bodies if isinstance(body, RuleSet)][-1] == "centre:anna"
        answers = {answer.id: answer for live in fleet.live() for answer in live.answers}
        assert answers["push-2-depot"].reason == "bad-signature"
        assert "disk_low" in answers["push-1-depot"].text


async def test_waves_wait_for_one_another_and_drift_is_known(postgres: Postgres) -> None:
    """From a push to what each site says of it, without a broker."""
    async with pool_of(await new_database(postgres)) as pool:
        await migrate(pool, MIGRATIONS)
        pushes = Pushes(pool)
        await pushes.know(["a", "b", "c"])
        with pytest.raises(ConfigError, match="--sites x: not registered, allowed: a, b, c"):
            await push(pool, "rules.yaml", GOOD, ["a", "x"], wave=1, actor="anna")
        with pytest.raises(ConfigError, match="no wave before it"):
            await push(pool, "rules.yaml", GOOD, ["c"], wave=2, actor="anna")
        number = await push(pool, "rules.yaml", GOOD, ["a", "b"], wave=1, actor="anna")
        assert [(one.site, one.id) for one in await pushes.due(1 << 40)] == [
            ("a", f"push-{number}-a"),
            ("b", f"push-{number}-b"),
        ]
        (first, second) = await targets(pool, number)
        await pushes.told(Told("a", "rules.yaml", first.wanted, is_in_force=True, words=""))
        with pytest.raises(ConfigError, match=r"have accepted|accepted: b \(pending\)"):
            await push(pool, "rules.yaml", GOOD, ["c"], wave=2, actor="anna")
        await pushes.told(Told("b", "rules.yaml", second.wanted, is_in_force=False, words="no"))
        assert await pushes.drifting() == {"b"}
        await pushes.told(Told("b", "rules.yaml", second.wanted, is_in_force=True, words=""))
        assert await pushes.drifting() == frozenset()
        await push(pool, "rules.yaml", GOOD, ["c"], wave=2, actor="anna")
        await pushes.told(Told("a", "rules.yaml", "0" * 64, is_in_force=True, words=""))
        assert [(one.site, one.state) for one in await targets(pool)] == [
            ("a", "changed"),
            ("b", "accepted"),
            ("c", "pending"),
        ]
        assert await pushes.drifting() == {"a"}


def test_what_is_no_report_of_a_file_says_nothing() -> None:
    """Another subject of the same kind."""
    assert read_told("a/_site/files", "on", "ab by anna") is None
    assert read_told("a/_site/tokens/x", "on", "ab by anna") is None
    assert json.dumps(read_told("a/_site/files/r.yaml", "on", "ab by anna")) == '["a", "r.yaml", "ab", true, ""]'
    assert supervise_push.NAME.fullmatch("../r.yaml") is None
