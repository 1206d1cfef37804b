"""The goals that must hold, each one function: a few runs with a fixed seed in `make test`, many in `make soak`.

A goal's module has ``run(count, seed) -> Outcome``: ``count`` independent runs, every choice drawn from ``seed``, so
that a failure is told by its goal and seed and can be repeated exactly.
"""
