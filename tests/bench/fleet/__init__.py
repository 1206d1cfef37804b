"""The fleet's benchmark: one worker of ours beside Kafka Streams, on one broker, in one run."""
