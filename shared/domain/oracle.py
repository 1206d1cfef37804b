"""The plain per-value version of the column rules: limits, deviations and differences, written from their definitions.

It is what shared.domain.columns and shared.domain.rows are tested against, scan after scan, and is not used by step().
It shares no code with them: one row after the other, one value after the other, in the words of the plan.

- A value at or over an upper limit (at or under a lower one) is raw TRUE; at least the deadband (at least one) inside
  it is raw FALSE; between, raw is what the condition is, and FALSE while that is unknown. A missing value is raw
  UNKNOWN.
- raw TRUE for on-delay makes the condition TRUE; at the end of the delay the value must be known, else the next sample
  that is TRUE makes it so. raw FALSE for off-delay makes it FALSE; a value that goes missing ends that delay.
- A limit with a compensation lies, in its modes, by so many uV a kelvin off: from its usual temperature to the last
  good value of its point, which counts between 0 and 50 °C.
- A limit with a factor is so many per cent of a baseline, halves up; without a baseline nothing is over it.
- The first raw FALSE makes an unknown condition FALSE at once. ``rises`` rises of raw inside ``window_ms`` make it TRUE
  without delay. A value is missing when it was bad, or is older than its stale time; at the same instant that comes
  first.
"""

from shared.domain.inputs import Scan
from shared.domain.plan import AlarmPlan, CompensationRow, DeviationRow, DifferenceRow, LimitRow, Mode, RoomPlan
from shared.domain.upkeep_plan import FactorRow

_Rule = LimitRow | DeviationRow | DifferenceRow


class _Point:
    """The newest value of a point."""

    __slots__ = ("good_ms", "is_good", "value", "was_good")

    def __init__(self, now_ms: int) -> None:
        self.value, self.is_good, self.was_good, self.good_ms = 0, False, False, now_ms


class _Row:
    """One row and its delays; a delay that does not run has no start."""

    __slots__ = (
        "compensation", "condition", "deadband", "factor", "falling_since", "is_overdue", "limit", "rises",
        "rising_since", "rule",
    )  # fmt: skip

    def __init__(self, rule: _Rule) -> None:
        self.rule, self.limit, self.deadband = rule, rule.limit, rule.deadband
        self.factor: FactorRow | None = None
        self.compensation: CompensationRow | None = None
        self.condition: bool | None = None
        self.rising_since: int | None = None
        self.falling_since: int | None = None
        self.is_overdue = False
        self.rises: tuple[int, ...] = ()


class Oracle:
    """All column rows of a room: ``conditions()`` after each ``take`` is what the columns must say."""

    def __init__(self, plan: RoomPlan, now_ms: int) -> None:
        self._plan = plan
        self._points = [_Point(now_ms) for _ in plan.points]
        self._modes = [Mode.UNKNOWN for _ in plan.batteries]
        rules: list[_Rule] = [*plan.limits, *plan.deviations, *plan.differences]
        self._rows = [_Row(rule) for rule in rules]
        for row in plan.compensations:
            self._rows[row.limit].compensation = row
        for factor in plan.factors:
            self._rows[factor.limit].factor = factor

    def conditions(self) -> list[bool | None]:
        """Of the limits, the deviations and the differences, in the order of the plan; None is unknown."""
        return [row.condition for row in self._rows]

    def advance(self, now_ms: int) -> None:
        """Let time pass."""
        for row in self._rows:
            alarm = self._alarm(row)
            if row.rising_since is not None and not row.is_overdue and row.rising_since + alarm.on_delay_ms <= now_ms:
                if self._is_known(row, row.rising_since + alarm.on_delay_ms):
                    row.condition, row.rising_since = True, None
                else:
                    row.is_overdue = True
            if row.falling_since is not None:
                due_ms = row.falling_since + alarm.off_delay_ms
                if due_ms <= now_ms and self._is_known(row, due_ms):
                    row.condition, row.falling_since = False, None
                elif not self._is_known(row, now_ms):
                    row.falling_since = None
        for point, plan in zip(self._points, self._plan.points, strict=True):
            if now_ms >= point.good_ms + plan.stale_ms:
                point.is_good = False

    def take(self, scan: Scan, now_ms: int) -> None:
        """Take one scan."""
        plan = next(s for s in self._plan.scans if s.device == scan.device)
        for i in range(plan.count):
            point = self._points[plan.first + i]
            point.is_good = int(scan.outcome) == 0 and int(scan.reasons[i]) == 0
            if point.is_good:
                point.value, point.was_good, point.good_ms = int(scan.values[i]), True, now_ms
        touched = range(plan.first, plan.first + plan.count)
        for row in self._rows:
            if any(p in touched for p in self._looks_at(row)):
                self._look(row, now_ms)
            elif row.falling_since is not None and not self._is_known(row, now_ms):
                row.falling_since = None

    def set_mode(self, battery: int, mode: Mode, now_ms: int) -> None:
        """The battery's mode changed: its limits are others from now on."""
        self._modes[battery] = mode
        for row in self._rows:
            if not isinstance(row.rule, LimitRow) or row.rule.battery != battery:
                continue
            if row.rule.by_mode or row.compensation is not None:
                row.limit = next((m.limit for m in row.rule.by_mode if m.mode is mode), row.rule.limit)
                self._look(row, now_ms)

    def set_baseline(self, baseline: int, value: int, now_ms: int) -> None:
        """A baseline was set, 0 for none: the limits that follow it are others from now on."""
        for row in self._rows:
            if row.factor is None or row.factor.baseline != baseline:
                continue
            if value == 0:
                row.limit, row.deadband = 1 << 55, 1
            else:
                row.limit = (2 * value * row.factor.percent + 100) // 200
                row.deadband = row.factor.deadband or row.limit // 50
            self._look(row, now_ms)

    def forget(self, prefix: str) -> None:
        """What these alarms look at was replaced: only what is true goes on."""
        for row in self._rows:
            if self._alarm(row).id.startswith(prefix):
                row.rises, row.rising_since, row.falling_since, row.is_overdue = (), None, None, False
                row.condition = row.condition or None

    def _look(self, row: _Row, now_ms: int) -> None:
        """One raw of one row."""
        if not self._is_known(row, now_ms):
            row.falling_since = None
        elif self._is_over(row):
            self._rise(row, now_ms)
        elif row.condition and not self._is_inside(row):
            row.falling_since = None
        else:
            self._fall(row, now_ms)

    def _rise(self, row: _Row, now_ms: int) -> None:
        alarm = self._alarm(row)
        row.falling_since = None
        if row.condition:
            return
        if row.rising_since is None:
            row.rising_since, row.is_overdue = now_ms, False
            if alarm.rises > 0 and alarm.on_delay_ms > 0:
                inside = [t for t in row.rises if t > now_ms - alarm.window_ms]
                row.rises = (*inside, now_ms)[-alarm.rises :]
        often = alarm.rises > 0 and alarm.on_delay_ms > 0 and len(row.rises) >= alarm.rises
        just_rose = row.rising_since == now_ms and not row.is_overdue
        if alarm.on_delay_ms == 0 or row.is_overdue or (often and just_rose):
            row.condition, row.rising_since, row.is_overdue = True, None, False

    def _fall(self, row: _Row, now_ms: int) -> None:
        row.rising_since, row.is_overdue = None, False
        if not row.condition or self._alarm(row).off_delay_ms == 0:
            row.condition = False
        elif row.falling_since is None:
            row.falling_since = now_ms

    def _is_over(self, row: _Row) -> bool:
        if isinstance(row.rule, LimitRow) and not row.rule.high:
            return self._measure(row) <= self._limit(row)
        return self._measure(row) >= self._limit(row)

    def _is_inside(self, row: _Row) -> bool:
        inside = max(row.deadband, 1)
        if isinstance(row.rule, LimitRow) and not row.rule.high:
            return self._measure(row) >= self._limit(row) + inside
        return self._measure(row) <= self._limit(row) - inside

    def _limit(self, row: _Row) -> int:
        """The limit now."""
        moves = row.compensation
        if moves is None or not isinstance(row.rule, LimitRow) or not self._points[moves.point].was_good:
            return row.limit
        if self._mode(row.rule.battery) not in moves.modes:
            return row.limit
        kelvin_1000 = min(max(self._points[moves.point].value, 0), 50_000) - moves.usual
        return row.limit + (2 * moves.uv_per_k * kelvin_1000 + 1_000_000) // 2_000_000

    def _mode(self, battery: int) -> Mode:
        return Mode.UNKNOWN if battery < 0 else self._modes[battery]

    def _measure(self, row: _Row) -> int:
        match row.rule:
            case LimitRow(point=point):
                return self._points[point].value
            case DeviationRow(point=point):
                return abs(self._points[point].value - self._median(row.rule))
            case DifferenceRow(a=a, b=b):
                difference = self._points[a].value - self._points[b].value
                return abs(difference) if row.rule.absolute else difference

    def _median(self, rule: DeviationRow) -> int:
        values = sorted(self._points[p].value for p in self._plan.groups[rule.group] if self._points[p].is_good)
        middle = len(values) // 2
        if len(values) % 2:
            return values[middle]
        return (values[middle - 1] + values[middle] + 1) // 2

    def _is_known(self, row: _Row, at_ms: int) -> bool:
        if isinstance(row.rule, DeviationRow):
            group = self._plan.groups[row.rule.group]
            return self._is_good(row.rule.point, at_ms) and sum(self._is_good(p, at_ms) for p in group) >= 3
        return all(self._is_good(p, at_ms) for p in self._looks_at(row))

    def _is_good(self, point: int, at_ms: int) -> bool:
        known = self._points[point]
        return known.is_good and at_ms < known.good_ms + self._plan.points[point].stale_ms

    def _looks_at(self, row: _Row) -> tuple[int, ...]:
        match row.rule:
            case LimitRow(point=point):
                return (point,)
            case DeviationRow(group=group):
                return self._plan.groups[group]
            case DifferenceRow(a=a, b=b):
                return (a, b)

    def _alarm(self, row: _Row) -> AlarmPlan:
        return self._plan.alarms[row.rule.alarm]
