"""The core's version: raised whenever a released golden file would change."""

CORE_VERSION = 1
