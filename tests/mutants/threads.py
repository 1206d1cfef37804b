"""Seeded bugs of what is put away while a thread works on it, and of threads that hold up an end."""

from tests.mutants.mutant import Mutant

UPLINK = "tests/services/uplink/test_threads.py"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "a cancelled uplink does not wait for the thread that reads",
        "services/uplink/threads.py",
        "        while not working.done():\n",
        "        while False:\n",
        f"{UPLINK}::test_who_is_cancelled_ends_after_the_work",
    ),
    Mutant(
        "a loop that ends takes the reader from its thread",
        "services/uplink/threads.py",
        "asyncio.get_running_loop().run_in_executor(None, called)",
        "asyncio.ensure_future(asyncio.to_thread(called))",
        f"{UPLINK}::test_a_loop_that_ends_waits_for_the_work",
    ),
    Mutant(
        "a thread waits for the site's answer to a pushed file",
        "services/uplink/files.py",
        "            await asyncio.sleep(LOOK_S)\n",
        '            await asyncio.to_thread(__import__("time").sleep, self._wait_s)\n',
        "tests/services/uplink/test_pushed.py::test_a_link_that_is_lost_leaves_no_thread_behind",
    ),
)
