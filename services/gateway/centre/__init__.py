"""The gateway of a fleet: the same interface for all sites, over Kafka."""
