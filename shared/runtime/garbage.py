"""Python's cyclic collector, tuned for a process that makes many short-lived tuples and no cycles.

By default every 700 new tuples cost a collection, and every so many of those a walk over the whole plan and state of a
site: a tenth of the time of a busy writer. What lives for ever is taken out of the walk, the rest is looked at seldom.
Memory is freed by reference counts all the same.
"""

import gc

YOUNG = 50_000
"""Objects between two looks at the youngest: about 5 MB of events."""


def settle() -> None:
    """To be called once, when everything that lives for ever has been made."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
