"""The fleet's history: every site's blocks from Kafka, in PostgreSQL, as the site's own history would have it."""
