"""The history: a projection of the log, in a process of its own, that nothing waits for."""
