"""Seeded bugs by which one who may write a topic ends the processes that read it."""

from tests.mutants.mutant import Mutant

SEATS = "tests/services/processor/test_seats.py"
WORKER = "tests/services/processor/test_worker.py"

MUTANTS = (
    Mutant(
        "a block that no fold understands ends the process",
        "services/processor/seats.py",
        "except Exception as fault:  # Whatever its site signed",
        "except ZeroDivisionError as fault:  # Whatever its site signed",
        f"{SEATS}::test_what_nobody_can_read_is_a_dead_letter",
    ),
    Mutant(
        "an input of a later program keeps the state from being written",
        "services/processor/block_fold.py",
        "        except WireError:\n            return self._at_ms\n",
        "        except ZeroDivisionError:\n            return self._at_ms\n",
        f"{SEATS}::test_an_input_of_a_later_program_passes_on",
    ),
    Mutant(
        "a dead letter has the whole key of its record",
        "shared/log/kafka/records.py",
        "self.key[:KEY_BYTES_MAX]",
        "self.key",
        f"{WORKER}::test_junk_of_any_size_becomes_a_letter_that_its_topic_takes",
    ),
    Mutant(
        "dead letters may be no larger than what they hold",
        "shared/bus/registry.py",
        "90 * DAY_MS, LARGEST_BYTES_MAX",
        "90 * DAY_MS, RECORD_BYTES_MAX",
        f"{WORKER}::test_junk_of_any_size_becomes_a_letter_that_its_topic_takes",
    ),
)
