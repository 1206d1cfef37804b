"""Everything that shows Ampward keeps its promises. `make test` runs it; tests/testkit holds the tools."""
