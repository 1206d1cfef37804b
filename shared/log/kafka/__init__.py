"""Kafka behind our own words: the only place that imports aiokafka."""
