"""The fleet against real servers: Apache Kafka, Mosquitto, PostgreSQL."""
