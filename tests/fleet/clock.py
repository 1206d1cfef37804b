"""The time of these tests: servers check certificates by the machine's clock, so they are made by it."""

import datetime

NOW = datetime.datetime.now(datetime.UTC)
