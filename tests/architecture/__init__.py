"""The house rules as tests: which room may use what, and what may stand in no file."""
