"""What needs a container engine or a cluster, neither of which this project can install: `make containers-test`."""
