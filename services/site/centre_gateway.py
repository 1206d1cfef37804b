"""`ampward service gateway` as the centre runs it: with what is built in at all sites, and their past when there is a
database."""

from services.gateway.centre import service
from services.site.fleet_past import opened
from services.site.upkeep_items import upkeep
from shared.runtime.fleet_file import FleetPlan

TOPICS = service.TOPICS


def main(plan: FleetPlan) -> int:
    """Until INT or TERM; the exit code."""
    return service.main(plan, opened if plan.postgres_url_file else None, upkeep)
