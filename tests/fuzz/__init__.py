"""Fuzz targets: one for each parser. A parser answers or raises its declared error; it never crashes, hangs or grows.

`make test` runs each with a few dozen fixed examples, `make fuzz` with thousands of new ones.
"""
