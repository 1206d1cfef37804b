"""The notifier's schema in PostgreSQL, step by step. A step that was released is never changed; another follows.

place      how far each partition was read: every event below ``next`` was looked at by its site's notifier
replica    which programs live, each for five seconds at a time
site       who holds a site (``fence`` rises with each change of hands), where it stands, what was seen of its log, and
           how far its live lane is known
record     what a site's notifier knows between two events (services.notifier.picture)
message    messages that are not settled
settled    the others, by the month in which they were planned: old months are dropped whole
report     what the topic of deliveries was not told yet
"""

from typing import Final

from shared.runtime.postgres import Migrations

SCHEMA: Final = "notifier"
MONTHLY: Final = ("settled",)
KEPT_MS: Final = 400 * 86_400_000
"""As long as ampward.events.v1 keeps what the messages tell of."""

_MESSAGE = """
    site text NOT NULL, id text NOT NULL, person text NOT NULL, channel text NOT NULL, form text NOT NULL,
    state text NOT NULL, attempts integer NOT NULL, due_ms bigint NOT NULL, planned_at_ms bigint NOT NULL,
    changed_at_ms bigint NOT NULL, repeat boolean NOT NULL, why text NOT NULL, body bytea NOT NULL
"""

_FIRST = f"""
CREATE TABLE notifier.place (
    topic text NOT NULL, partition integer NOT NULL, next bigint NOT NULL, PRIMARY KEY (topic, partition));
CREATE TABLE notifier.replica (name text PRIMARY KEY, until timestamptz NOT NULL);
CREATE TABLE notifier.site (
    site text PRIMARY KEY, partition integer NOT NULL, fence bigint NOT NULL DEFAULT 0,
    holder text NOT NULL DEFAULT '', stand bytea, seen bytea,
    ledger text NOT NULL DEFAULT gen_random_uuid()::text, last_report bigint NOT NULL DEFAULT 0);
CREATE INDEX site_partition ON notifier.site (partition);
CREATE TABLE notifier.record (
    site text NOT NULL, key text NOT NULL, value bytea NOT NULL, PRIMARY KEY (site, key));
CREATE TABLE notifier.message ({_MESSAGE}, PRIMARY KEY (site, id));
CREATE TABLE notifier.settled ({_MESSAGE}, PRIMARY KEY (planned_at_ms, site, id)) PARTITION BY RANGE (planned_at_ms);
CREATE INDEX settled_changed ON notifier.settled USING brin (changed_at_ms);
CREATE TABLE notifier.report (
    site text NOT NULL, number bigint NOT NULL, body bytea NOT NULL, PRIMARY KEY (site, number));
"""

_SECOND = "ALTER TABLE notifier.site ADD COLUMN live bytea;"

MIGRATIONS: Final = Migrations(SCHEMA, (_FIRST, _SECOND))
