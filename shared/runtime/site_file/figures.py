"""The figures of a rule at one place of the plant: built-in defaults, then the site's, the room's, the battery's.

Promises: a figure becomes an integer of its unit exactly or is a fault; keys that mean nothing to a rule are faults;
high_alarm > high_warning > low_warning > low_alarm holds with the deadbands; what protects cannot be taken away.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from shared.domain.catalogue import MINUTE, RULES, Rule
from shared.domain.plan import Mode, Severity
from shared.domain.units import DECIMALS, Unit, format_value
from shared.runtime.documents import Place
from shared.runtime.durations import format_duration
from shared.runtime.site_file.loading import Source
from shared.runtime.site_file.models import RuleModel
from shared.runtime.site_file.names import listing, near
from shared.runtime.site_file.values import scaled

CODE_LIMITS = {"h2_prealarm": 10_000, "h2_alarm": 20_000}
FLAMMABLE = 40_000
"""Lower flammable limit of hydrogen, 4 % by volume."""
PER_CELL = frozenset(
    {
        "jar_voltage_high_warning",
        "jar_voltage_high_alarm",
        "jar_voltage_low_warning",
        "jar_voltage_low_alarm",
        "jar_deviation",
        "string_voltage_high",
        "string_voltage_low",
    }
)
"""Rules whose volts in the site file are volts per cell."""
CELL_VOLTS_MAX = 4
BY_MODE = PER_CELL - {"jar_deviation"}
LIMITED = BY_MODE | {"jar_deviation", "jar_resistance_warning", "jar_resistance_alarm", "string_current_alarm"}
"""Rules that have no fixed default limit, but may be given one."""
OWN_KEYS = ("point", "high_high", "high", "low", "low_low", "closed", "rise")
PAIRS = (
    ("h2_alarm", "h2_prealarm"),
    ("jar_temp_alarm", "jar_temp_warning"),
    ("els_temp_alarm", "els_temp_warning"),
    ("els_level_red", "els_level_yellow"),
)
"""(graver, lighter) rules with fixed limits of the same value."""
ORDER = ("limit", "deadband", "by_mode", "enabled")
"""Keys that decide the order of limits."""
ON_DELAY_ADVISED_MAX_MS = 10 * MINUTE


@dataclass(frozen=True, slots=True)
class Figures:
    """A rule's figures, integers of its unit; None: derive it (or there is none)."""

    rule: str
    severity: Severity
    enabled: bool
    limit: int | None
    deadband: int
    on_delay_ms: int
    off_delay_ms: int
    latch: bool
    realarm_ms: int
    rises: int = 0
    window_ms: int = 0
    by_mode: tuple[tuple[Mode, int], ...] = ()
    over_ambient: int | None = None
    factor_percent: int | None = None
    floor: int | None = None
    at_least: int = 1
    every_ms: int = 0


Table = dict[str, Figures]


def built_in() -> Table:
    """The figures of the catalogue."""
    return {rule.id: _default(rule) for rule in RULES.values()}


def _default(rule: Rule) -> Figures:
    return Figures(
        rule.id,
        rule.severity,
        rule.enabled,
        rule.limit,
        rule.deadband or 0,
        rule.on_delay_ms,
        rule.off_delay_ms,
        rule.latch,
        rule.realarm_ms,
        over_ambient=rule.over_ambient,
        factor_percent=rule.factor_percent,
        at_least=rule.at_least or 1,
        every_ms=rule.every_ms,
    )


def is_own(model: RuleModel) -> bool:
    """True for a rule of the site's own: it names its points."""
    return model.point is not None


def overlay(source: Source, table: Table, rules: Mapping[str, RuleModel], place: Place) -> Table:
    """The table with the figures of one ``rules:`` section over it; each wrong key is a fault."""
    result = dict(table)
    for name, model in rules.items():
        here = (*place, name)
        if is_own(model) or source.is_broken((*here, "point")):
            continue
        rule = RULES.get(name)
        if rule is None:
            what = f"there is no rule {name}{near(name, RULES)}"
            source.fault(here, what, f"{listing(RULES)}; or a rule of your own with point:", value=False, needs=())
            continue
        result[name] = _overlaid(source, result[name], rule, model, here)
    if "h2_alarm" not in rules or rules["h2_alarm"].deadband is None:
        result["h2_alarm"] = replace(result["h2_alarm"], deadband=result["h2_prealarm"].deadband)
    _pairs(source, result, rules, place)
    return result


def _overlaid(source: Source, figures: Figures, rule: Rule, model: RuleModel, place: Place) -> Figures:
    _meaningless(source, rule, model, place)
    _protected(source, rule, model, place)
    _windows(source, model, place)
    if model.deadband is not None and model.deadband < 0:
        source.fault((*place, "deadband"), "is negative", "0 or more")
    _volts(source, rule, model, place)
    unit = rule.unit or Unit.STATE

    def figure(key: str, given: Decimal | None, before: int | None) -> int | None:
        if given is None:
            return before
        exact = to_unit(source, given, unit, (*place, key))
        return before if exact is None else exact

    delays = {
        key: value
        for key, value in (
            ("on_delay_ms", model.on_delay),
            ("off_delay_ms", model.off_delay),
            ("realarm_ms", model.realarm),
            ("latch", model.latch),
            ("rises", model.rises),
            ("window_ms", model.window),
            ("factor_percent", model.factor_percent),
            ("at_least", model.at_least),
            ("every_ms", model.every),
        )
        if value is not None
    }
    if (model.on_delay or 0) > ON_DELAY_ADVISED_MAX_MS and rule.on_delay_ms < ON_DELAY_ADVISED_MAX_MS:
        source.warn((*place, "on_delay"), f"{format_duration(model.on_delay or 0)} is long", "up to 10min is advised")
    modes = dict(figures.by_mode)
    for mode, given in model.by_mode.items():
        exact = to_unit(source, given, unit, (*place, "by_mode", mode.value))
        if exact is not None:
            modes[mode] = exact
    return replace(
        figures,
        severity=figures.severity if model.severity is None else Severity[model.severity.upper()],
        enabled=model.enabled if "enabled" in model.model_fields_set else _stays(figures, model),
        limit=figure("limit", model.limit, figures.limit),
        deadband=figure("deadband", model.deadband, figures.deadband) or 0,
        by_mode=tuple(sorted(modes.items())),
        over_ambient=figure("over_ambient", model.over_ambient, figures.over_ambient),
        floor=figure("floor", model.floor, figures.floor),
        **delays,  # type: ignore[arg-type]
    )


def _stays(figures: Figures, model: RuleModel) -> bool:
    """A rule that is off by default is on as soon as the site gives figures for it."""
    return figures.enabled or bool(model.model_fields_set)


def to_unit(source: Source, given: Decimal, unit: Unit, place: Place) -> int | None:
    """The integer of ``given`` in ``unit``; a decimal too many is a fault."""
    exact = scaled(given, unit)
    if exact is None:
        decimals = DECIMALS[unit]
        allowed = f"at most {decimals} decimals of {unit.value}" if decimals else "a whole number"
        source.fault(place, f"{given} is finer than can be decided on", allowed)
    return exact


def _meaningless(source: Source, rule: Rule, model: RuleModel, place: Place) -> None:
    has_limit = rule.limit is not None or rule.id in LIMITED
    allowed = {
        "limit": has_limit,
        "deadband": rule.deadband is not None or has_limit,
        "by_mode": rule.id in BY_MODE,
        "over_ambient": rule.over_ambient is not None,
        "factor_percent": rule.factor_percent is not None,
        "floor": rule.id.startswith("string_current") or rule.id == "thermal_runaway",
        "at_least": rule.at_least is not None,
        "every": rule.every_ms > 0,
        **dict.fromkeys(OWN_KEYS, False),
    }
    keys = [key for key, is_allowed in allowed.items() if is_allowed]
    for key in sorted(model.model_fields_set):
        if not allowed.get(key, True):
            what = f"means nothing for the rule {rule.id}"
            source.fault(
                (*place, key), what, f"{', '.join(keys)}, delays, latch, severity" if keys else "delays, severity"
            )


def _protected(source: Source, rule: Rule, model: RuleModel, place: Place) -> None:
    if not rule.protects:
        return
    if not model.enabled:
        source.fault((*place, "enabled"), f"{rule.id} protects people and cannot be switched off", "true")
    if rule.latch and model.latch is False and rule.severity is Severity.CRITICAL:
        source.fault((*place, "latch"), f"{rule.id} always latches", "true")
    elif rule.latch and model.latch is False:
        source.warn((*place, "latch"), f"{rule.id} should latch: its cause needs a look", "true is advised")
    if rule.id == "h2_alarm" and model.on_delay:
        source.fault((*place, "on_delay"), "the 2 % alarm is never delayed", "0s")
    if model.severity is not None and Severity[model.severity.upper()] < rule.severity:
        allowed = f"{rule.severity.label} or graver"
        source.fault((*place, "severity"), f"{rule.id} cannot be made lighter", allowed)


def _volts(source: Source, rule: Rule, model: RuleModel, place: Place) -> None:
    """Limits of jars and strings are volts per cell: a jar's or a string's volts would be far away from any cell's."""
    if rule.id not in PER_CELL:
        return
    given = {"limit": model.limit, **{f"by_mode.{mode}": value for mode, value in model.by_mode.items()}}
    for key, value in given.items():
        if value is not None and not 0 < value < CELL_VOLTS_MAX:
            source.fault((*place, *key.split(".")), f"{value} V is no cell's voltage", "volts per cell, as in 2.28")


def _windows(source: Source, model: RuleModel, place: Place) -> None:
    if (model.rises is None) != (model.window is None) and model.rise is None:
        key = "rises" if model.window is None else "window"
        needs = [(*place, "rises"), (*place, "window")]
        source.fault((*place, key), "rises and window go together", "both or none", needs=needs)


def _pairs(source: Source, table: Table, rules: Mapping[str, RuleModel], place: Place) -> None:
    """Order of limits with their deadbands, told where this section changed them."""
    for graver, lighter in PAIRS:
        changed = next((name for name in (graver, lighter) if name in rules and not is_own(rules[name])), None)
        if changed is None or is_doubtful(source, place, (graver, lighter)):
            continue
        ordered(source, (table[graver], table[lighter]), RULES[graver].unit or Unit.STATE, (*place, changed))
    hydrogen = [name for name in CODE_LIMITS if name in rules and not is_own(rules[name])]
    if is_doubtful(source, place, CODE_LIMITS):
        return
    for name in hydrogen:
        _hydrogen(source, table[name], (*place, name, "limit"))
    if hydrogen and table["h2_alarm"].deadband != table["h2_prealarm"].deadband:
        own = rules.get("h2_alarm")
        if own is not None and own.deadband is not None:
            what = "a detector has one deadband for both limits"
            source.fault((*place, "h2_alarm", "deadband"), what, "the one of h2_prealarm")


def is_doubtful(source: Source, place: Place, names: Iterable[str]) -> bool:
    """True when a figure of one of the rules was left out of the ``rules:`` at ``place`` or of those it lies over."""
    levels = [("rules",), *((*place[:end], "rules") for end in (2, 4) if len(place) > end)]
    places: list[Place] = [(*level, name) for level in levels for name in names]
    return any(
        source.is_gone(one) or source.is_broken((*one, "by_mode")) or any(source.is_gone((*one, key)) for key in ORDER)
        for one in places
        if source.is_broken(one)
    )


def _hydrogen(source: Source, figures: Figures, place: Place) -> None:
    limit = figures.limit or 0
    if not 0 < limit < FLAMMABLE:
        source.fault(place, f"{format_value(limit, Unit.H2_VOL)} %vol protects nobody", "above 0 and under 4 %vol")
    elif figures.deadband >= limit and figures.rule == "h2_prealarm":
        source.fault((*place[:-1], "deadband"), "reaches down to zero: it would never return", "less than the limit")
    if limit > CODE_LIMITS[figures.rule]:
        usual = format_value(CODE_LIMITS[figures.rule], Unit.H2_VOL)
        source.warn(place, f"is above the usual {usual} %vol by code", f"at most {usual} unless an authority allows it")


def ordered(source: Source, pair: tuple[Figures, Figures], unit: Unit, place: Place, *, high: bool = True) -> None:
    """The graver limit lies outside the lighter one, and returns not before it."""
    graver, lighter = pair
    if graver.limit is None or lighter.limit is None or not (graver.enabled and lighter.enabled):
        return
    sign = 1 if high else -1
    word = "above" if high else "under"
    if sign * (graver.limit - lighter.limit) <= 0:
        what = f"{graver.rule} ({format_value(graver.limit, unit)}) must lie {word} {lighter.rule}"
        source.fault(place, what, f"{word} {format_value(lighter.limit, unit)} {unit.value}", needs=())
    elif sign * (graver.limit - lighter.limit) < graver.deadband:
        what = f"with its deadband {graver.rule} returns beyond the limit of {lighter.rule}"
        least = format_value(abs(graver.limit - lighter.limit), unit)
        source.fault(place, what, f"a deadband of at most {least} {unit.value}", needs=())


def own_rules(rules: Mapping[str, RuleModel], place: Place) -> Iterator[tuple[str, RuleModel, Place]]:
    """The site's own rules of one section with their places."""
    for name, model in rules.items():
        if is_own(model):
            yield name, model, (*place, name)
