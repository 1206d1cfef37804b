"""The schema ``history`` in PostgreSQL, step by step. A step that was released is never changed; another follows.

No statement of the history names the schema: connections look into the one that they were made for (``schema`` of
shared.runtime.postgres.connect), so that a new history can grow beside the one in use (rebuild.py beside this).

place      how far each partition was read, and by which claim: rows and place move in one transaction
counter    the highest place in the journal: given in the order of commits, over all sites
site       a number for each site, what its history needs to go on, its batteries
series     a number for each point as long as its id and unit stay; point, layout, log: as at a site
teller     up to which number the deliveries of a ledger of the centre's notifier were taken
young      minutes of a device, all its points in one row, while the day lasts
minute     a day of a point: its minutes as packed columns (services.history.rolls)
hour       an hour of a point, one row: counts by quality, least, greatest, sum above the least, last
event      the journal: alarms, outputs, deliveries, modes, marks, refusals
discharge  how deep a battery was discharged
hole       where a site's log is not here
reading    single readings of a device, a minute or a part of it, all its points in one row (services.history.readings)

young, minute, hour and event are partitioned by month, reading by day; what is older than is kept goes by dropping
partitions. A row's month or day is that of ``at_ms``: the site's own time, or the broker's where that one cannot be
(times.py beside this).
The view ``hours`` is for people who write SQL, and for dashboards.
"""

from typing import Final

from shared.domain.units import DECIMALS, Unit
from shared.runtime.postgres import Migrations

SCHEMA: Final = "history"
DAY_MS: Final = 86_400_000
MINUTES: Final = ("young", "minute")
YEARS: Final = ("hour", "event")
READINGS: Final = ("reading",)
READING_COLUMNS: Final = ("site", "layout", "at_ms", "first_seq", "frames", "data")
EVENT_COLUMNS: Final = (
    "site", "place", "at_ms", "kind", "log", "room", "type", "site_seq", "ordinal", "tick_ms", "said_at_ms", "subject",
    "occurrence", "rule", "severity", "state", "value", "unit", "bound", "quality", "reason", "actor", "until_ms",
    "taken_ms",
)  # fmt: skip
HOUR_COLUMNS: Final = (
    "site", "series", "at_ms", "good", "uncertain", "bad", "low", "high", "excess", "last",
)  # fmt: skip

_FIRST = """
CREATE TABLE place (
    topic text NOT NULL, partition integer NOT NULL, next bigint NOT NULL DEFAULT 0, fence bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (topic, partition));
CREATE TABLE counter (one boolean PRIMARY KEY DEFAULT true CHECK (one), last bigint NOT NULL DEFAULT 0);
INSERT INTO counter DEFAULT VALUES;
CREATE TABLE site (
    no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, site text NOT NULL UNIQUE, partition integer NOT NULL,
    state text NOT NULL DEFAULT '', chain text, batteries text[] NOT NULL DEFAULT '{}',
    skip_before bigint NOT NULL DEFAULT 0, since_ms bigint NOT NULL DEFAULT 0);
CREATE TABLE series (
    site integer NOT NULL, no integer NOT NULL, unit text NOT NULL, decimals integer NOT NULL, PRIMARY KEY (site, no));
CREATE TABLE point (
    site integer NOT NULL, point text NOT NULL, unit text NOT NULL, series integer NOT NULL,
    PRIMARY KEY (site, point, unit));
CREATE TABLE layout (
    site integer NOT NULL, no integer NOT NULL, device text NOT NULL, series bytea NOT NULL, PRIMARY KEY (site, no));
CREATE TABLE log (
    site integer NOT NULL, no integer NOT NULL, log_id text NOT NULL, PRIMARY KEY (site, no));
CREATE TABLE teller (
    site integer NOT NULL, ledger text NOT NULL, last bigint NOT NULL, PRIMARY KEY (site, ledger));
CREATE TABLE young (
    site integer NOT NULL, layout integer NOT NULL, at_ms bigint NOT NULL, data bytea NOT NULL,
    PRIMARY KEY (site, layout, at_ms)) PARTITION BY RANGE (at_ms);
CREATE TABLE minute (
    site integer NOT NULL, series integer NOT NULL, at_ms bigint NOT NULL, data bytea NOT NULL,
    PRIMARY KEY (site, series, at_ms)) PARTITION BY RANGE (at_ms);
CREATE TABLE hour (
    site integer NOT NULL, series integer NOT NULL, at_ms bigint NOT NULL, good bigint NOT NULL,
    uncertain bigint NOT NULL, bad bigint NOT NULL, low bigint NOT NULL, high bigint NOT NULL, excess bigint NOT NULL,
    last bigint NOT NULL, PRIMARY KEY (site, series, at_ms)) PARTITION BY RANGE (at_ms);
CREATE INDEX hour_at ON hour USING brin (at_ms);
CREATE TABLE event (
    site integer NOT NULL, place bigint NOT NULL, at_ms bigint NOT NULL, kind smallint NOT NULL, log integer NOT NULL,
    room text NOT NULL, type text NOT NULL, site_seq bigint NOT NULL, ordinal integer NOT NULL,
    tick_ms bigint NOT NULL, said_at_ms bigint NOT NULL, subject text NOT NULL, occurrence text NOT NULL,
    rule text NOT NULL, severity text NOT NULL, state text NOT NULL, value text NOT NULL, unit text NOT NULL,
    bound text NOT NULL, quality text NOT NULL, reason text NOT NULL, actor text NOT NULL, until_ms bigint NOT NULL,
    taken_ms bigint NOT NULL, PRIMARY KEY (place, at_ms)) PARTITION BY RANGE (at_ms);
CREATE INDEX event_of ON event (site, kind, at_ms);
CREATE INDEX event_at ON event USING brin (at_ms);
CREATE TABLE discharge (
    site integer NOT NULL, battery text NOT NULL, began_at_ms bigint NOT NULL, ended_at_ms bigint NOT NULL,
    lasted_ms bigint NOT NULL, strings text NOT NULL, lowest_jar text NOT NULL, lowest_mv bigint NOT NULL,
    log integer NOT NULL, site_seq bigint NOT NULL, PRIMARY KEY (site, battery, log, site_seq));
CREATE TABLE hole (
    site integer NOT NULL, log integer NOT NULL, first_seq bigint NOT NULL, last_seq bigint NOT NULL,
    at_ms bigint NOT NULL, reason text NOT NULL, PRIMARY KEY (site, log, first_seq));
CREATE VIEW hours AS
SELECT site.site, point.point, CASE point.unit WHEN '{state}' THEN '' ELSE point.unit END AS unit,
    to_timestamp(at_ms / 1000.0) AS at,
    CASE WHEN good + uncertain > 0 THEN low / (10.0 ^ decimals) END AS min,
    CASE WHEN good + uncertain > 0 THEN high / (10.0 ^ decimals) END AS max,
    CASE WHEN good + uncertain > 0 THEN (low + excess::numeric / (good + uncertain)) / (10.0 ^ decimals) END AS mean,
    CASE WHEN good + uncertain > 0 THEN last / (10.0 ^ decimals) END AS last,
    CASE WHEN good + uncertain = 0 THEN 'bad' WHEN uncertain + bad > 0 THEN 'uncertain' ELSE 'good' END AS quality,
    good, uncertain, bad
FROM hour
JOIN site ON site.no = hour.site
JOIN series ON series.site = hour.site AND series.no = hour.series
JOIN point ON point.site = hour.site AND point.series = hour.series;
""".replace("{state}", Unit.STATE.value)

_READINGS = """
CREATE TABLE reading (
    site integer NOT NULL, layout integer NOT NULL, at_ms bigint NOT NULL, first_seq bigint NOT NULL,
    frames integer NOT NULL, data bytea NOT NULL) PARTITION BY RANGE (at_ms);
ALTER TABLE reading ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE INDEX reading_of ON reading (site, layout, at_ms);
"""
"""A row is written once, with the place behind its record: no key says so a second time. Its bytes are packed already:
PostgreSQL need not try."""

MIGRATIONS: Final = Migrations(SCHEMA, (_FIRST, _READINGS))


def decimals_of(unit: str) -> int:
    """How many decimals the stored integers of this unit have."""
    return DECIMALS[Unit(unit)]
