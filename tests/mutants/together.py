"""Seeded bugs of frames that are taken together, and of the figures of alarms."""

from tests.mutants.mutant import Mutant

RUNS = "tests/domain/test_runs.py"
FIGURES = "tests/services/processor/test_figures.py"
TOGETHER = "tests/services/processor/test_apply_all.py"
WORKER = "tests/services/processor/test_worker.py"
_OWN = "        begun = [asyncio.create_task(self._take_own(each, parts[each.place])) for each in partitions]\n"
_FAULT = "                    self._fault = fault\n                    raise\n"

MUTANTS = (
    Mutant(
        "a value that comes back inside is passed over with calm ones",
        "shared/domain/runs.py",
        " | (one <= self._lo) | (other <= self._lo)",
        "",
        f"{RUNS}::test_most_scans_go_by_runs",
    ),
    Mutant(
        "bounds that a turn has moved are not followed",
        "shared/domain/runs.py",
        "            part.follow()\n",
        "            pass\n",
        f"{RUNS}::test_runs_end_as_steps_do",
    ),
    Mutant(
        "calm scans go past a timer that is due",
        "shared/domain/runs.py",
        "bisect_left(run.ticks, timers.next_due_ms(state), at)",
        "end",
        f"{RUNS}::test_runs_end_as_steps_do",
    ),
    Mutant(
        "a hole before a run is not noticed",
        "shared/domain/runs.py",
        "            and self._run.device_seq + at == known.device_seq + 1\n",
        "",
        f"{RUNS}::test_runs_end_as_steps_do",
    ),
    Mutant(
        "an alarm that a person has shelved is crossed as if nobody had",
        "shared/domain/crossings.py",
        '        or record.override != "none"\n',
        "",
        f"{RUNS}::test_runs_end_as_steps_do",
    ),
    Mutant(
        "a crossing alarm is not suppressed by a device that is lost",
        "shared/domain/crossings.py",
        "plan.suppressed_by and not state.records.keys().isdisjoint(plan.suppressed_by)",
        "False",
        f"{RUNS}::test_runs_end_as_steps_do",
    ),
    Mutant(
        "the close of the occurrence before is not told by a crossing",
        "shared/domain/crossings.py",
        "over & (left != _A), ",
        "over & (left == _E), ",
        f"{RUNS}::test_most_scans_go_by_runs",
    ),
    Mutant(
        "an alarm that was acked is not cleared by a crossing",
        "shared/domain/crossings.py",
        "        letters[was_acked] = as_column(_BACK[1])",
        "        letters[was_acked] = as_column(_BACK[0])",
        f"{RUNS}::test_runs_end_as_steps_do",
    ),
    Mutant(
        "the close of an occurrence names the one that begins",
        "shared/domain/crossings.py",
        "name_of.take(follows - 1)",
        "name_of.take(follows)",
        f"{RUNS}::test_most_scans_go_by_runs",
    ),
    Mutant(
        "a row that was crossed keeps its old bounds",
        "shared/domain/runs.py",
        "            state.columns.bound(row)\n",
        "            pass\n",
        f"{RUNS}::test_most_scans_go_by_runs",
    ),
    Mutant(
        "a value in the deadband ends what is over its limit",
        "shared/domain/runs.py",
        "x <= columns.off_at.take(rows)",
        "x < columns.on_at.take(rows)",
        f"{RUNS}::test_runs_end_as_steps_do",
    ),
    Mutant(
        "a fault of one partition is passed over as others are folded beside it",
        "services/processor/worker.py",
        _FAULT,
        "                    del fault\n",
        f"{WORKER}::test_trouble_of_one_partition_acknowledges_nothing_of_another",
    ),
    Mutant(
        "partitions of a take are folded one after another",
        "services/processor/worker.py",
        _OWN,
        _OWN.replace("]", "][:1]")
        + "        await asyncio.wait(begun)\n"
        + _OWN.replace("begun =", "begun +=").replace("partitions]", "partitions[1:]]"),
        f"{WORKER}::test_partitions_of_a_take_are_folded_side_by_side",
    ),
    Mutant(
        "a partition that is folded beside others takes their records too",
        "services/processor/worker.py",
        _OWN,
        _OWN.replace("parts[each.place]", "list(records)"),
        f"{WORKER}::test_partitions_of_a_take_are_folded_side_by_side",
    ),
    Mutant(
        "what waits behind a fault of its partition is folded all the same",
        "services/processor/worker.py",
        "self._fault is None and self._partitions",
        "self._partitions",
        f"{WORKER}::test_trouble_of_a_take_that_still_goes_on_is_raised_and_ends_its_partition",
    ),
    Mutant(
        "frames of another boot go on with a run",
        "shared/wire/frame_runs.py",
        "form.texts != first.texts",
        "form.texts[:3] != first.texts[:3]",
        "tests/wire/test_inputs.py::test_a_run_ends_before_what_does_not_go_on_with_it",
    ),
    Mutant(
        "frames of equal length go on with a run whatever they say",
        "shared/wire/frame_runs.py",
        "    good = (texts == texts[0]).all(axis=1)\n",
        "    good = (texts == texts).all(axis=1)\n",
        "tests/wire/test_inputs.py::test_each_frame_of_a_long_run_is_what_it_is_by_itself",
    ),
    Mutant(
        "an absent value of a run is taken for nought",
        "shared/devices/columns.py",
        "        return values[: bad.argmax()] if bad.any() else values\n",
        "        return values\n",
        f"{TOGETHER}::test_a_value_that_is_absent_ends_a_run",
    ),
    Mutant(
        "a batch of events that comes again is counted again",
        "services/processor/figures.py",
        "batch.last_seq <= kpi.last_seq",
        "batch.last_seq < kpi.last_seq",
        f"{FIGURES}::test_what_comes_again_is_counted_once",
    ),
    Mutant(
        "the last figures of a window that is over are not told",
        "services/processor/figures.py",
        "        self._due[batch.site, begin] = kpi\n",
        "        self._due[batch.site, 0] = kpi\n",
        f"{FIGURES}::test_a_window_that_is_over_is_told_with_all_its_figures",
    ),
)
