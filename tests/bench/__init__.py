"""Benchmarks of one site on this machine: `make bench` measures them all and writes bench/site.json.

Each module here has one function ``measure(say) -> dict[str, float]``: it measures what tests.bench.targets names under
it, calls ``say("...")`` with a line whenever a second or so has passed, and asserts nothing about speed. It runs in a
process of its own.
"""
