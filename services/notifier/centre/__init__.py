"""The fleet's notifier: the pipeline of the site, fed from Kafka, with its ledger in PostgreSQL."""
