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
    Mutant(
        "a log is closed under the writer that the disk holds",
        "services/site/service.py",
        "        if self.writer.is_alive():\n",
        "        if False:\n",
        "tests/services/site/test_service_end.py::test_a_log_is_not_closed_under_a_writer_that_the_disk_holds",
    ),
    Mutant(
        "positions are read by the writer's connection while it writes",
        "services/site/service.py",
        "        stored = {name: self.runner.position(name) for name in wanted}\n        self.writer.start()\n",
        "        self.writer.start()\n        stored = {name: self.runner.position(name) for name in wanted}\n",
        "tests/services/site/test_service_end.py::test_the_log_is_the_writers_alone_once_it_writes",
    ),
    Mutant(
        "who waits for a place in the queue of an ended writer waits for ever",
        "services/site/writer.py",
        "            if self._ending.is_set():\n",
        "            if False:\n",
        "tests/services/site/test_writer.py::test_who_wants_something_done_does_not_wait_for_ever_for_a_full_queue",
    ),
    Mutant(
        "a line is dropped under the thread that connects it",
        "shared/bus/mqtt.py",
        "self._loop.run_in_executor(None, self._connect, address, credentials, will, will_delay_s)",
        "asyncio.ensure_future(asyncio.to_thread(self._connect, address, credentials, will, will_delay_s))",
        "tests/bus/test_mqtt.py::test_a_loop_that_ends_leaves_the_line_to_the_thread_that_connects",
    ),
    Mutant(
        "a serial line's end waits for its driver for ever",
        "shared/fieldbus/rtu.py",
        "asyncio.to_thread(self._thread.join, END_S)",
        "asyncio.to_thread(self._thread.join)",
        "tests/fieldbus/test_bad_lines.py::test_a_thread_that_a_driver_holds_does_not_hold_up_the_end",
    ),
    Mutant(
        "a worker waits for ever for a process that is stuck",
        "services/processor/hands.py",
        "asyncio.to_thread(self._process.wait, END_S)",
        "asyncio.to_thread(self._process.wait)",
        "tests/services/processor/test_hands.py::test_a_process_that_does_not_end_is_killed",
    ),
    Mutant(
        "commissioning that is broken off waits for an answer",
        "services/guard/commission.py",
        "waiting = asyncio.ensure_future(_answer(self.person.ask, question))",
        "waiting = asyncio.ensure_future(asyncio.to_thread(self.person.ask, question))",
        "tests/services/guard/test_commission.py::test_who_breaks_off_at_a_question_need_not_answer_it",
    ),
    Mutant(
        "commissioning that is broken off leaves the output on",
        "services/guard/commission.py",
        "    except BaseException:\n        await rig.switch(bound.plan.safe_on)\n",
        "    except BaseException:\n",
        "tests/services/guard/test_commission.py::test_who_breaks_off_at_a_question_need_not_answer_it",
    ),
    Mutant(
        "a question that is left behind ends the program by a fatal error",
        "services/site/command/files.py",
        "        line = sys.stdin.readline()\n",
        '        line = input() + "\\n"\n',
        "tests/services/command/test_questions.py::test_ctrl_c_at_a_question_ends_the_program",
    ),
    Mutant(
        "a notifier that cannot begin leaves its ledger open",
        "services/notifier/service.py",
        "        except BaseException:\n            await self._ledger.close()\n            raise\n",
        "        except BaseException:\n            raise\n",
        "tests/services/notifier/test_ledger_end.py::test_a_notifier_that_is_ended_while_it_begins_closes_its_ledger",
    ),
    Mutant(
        "a notifier whose channel fails at the end leaves its ledger open",
        "services/notifier/service.py",
        "        finally:\n            await self._ledger.close()\n",
        "        finally:\n            await asyncio.sleep(0)\n",
        "tests/services/notifier/test_ledger_end.py::test_a_channel_that_fails_at_the_end_leaves_no_ledger_open",
    ),
    Mutant(
        "a thread takes rule sets from the loop that follows them",
        "services/gateway/centre/stock.py",
        "body = self._known.body(version) if self._known is not None else None",
        "body = await asyncio.to_thread(self._known.body, version) if self._known is not None else None",
        "tests/services/gateway/test_centre_stock.py::test_the_rule_sets_are_asked_for_in_the_loop_that_follows_them",
    ),
)
