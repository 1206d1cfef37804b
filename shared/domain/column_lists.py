"""Columns as plain integers and back, and what of them goes on under another plan."""

from shared.domain.columns import Columns


def as_lists(columns: Columns) -> dict[str, list[int]]:
    """The columns that a snapshot keeps, as plain integers."""
    return {
        "values": columns.values.tolist(),
        "reasons": columns.reasons.tolist(),
        "good_ms": columns.good_ms.tolist(),
        "at_ms": columns.at_ms.tolist(),
        "lost": [int(flag) for flag in columns.lost.tolist()],
        "bad": list(columns.bad),
        "cond": list(columns.cond),
        "pend": list(columns.pend),
        "warm": columns.warm.tolist(),
    }


def restore_lists(columns: Columns, data: dict[str, list[int]]) -> None:
    """Fill fresh columns, whose limits are set, from :func:`as_lists`."""
    columns.values[:] = data["values"]
    columns.reasons[:] = data["reasons"]
    columns.good_ms[:] = data["good_ms"]
    columns.at_ms[:] = data["at_ms"]
    columns.lost[:] = [flag == 1 for flag in data["lost"]]
    columns.bad[:] = bytes(data["bad"])
    columns.cond[:] = bytes(data["cond"])
    columns.pend[:] = bytes(data["pend"])
    for at, temperature in enumerate(data.get("warm", ())):
        columns.warm_up(at, temperature)
    for row in range(columns.index.column_rows):
        columns.bound(row)


def copy_points(old: Columns, new: Columns, pairs: list[tuple[int, int]]) -> None:
    """Take over values, reasons and times of points, (old, new), under a new plan."""
    for o, n in pairs:
        new.values[n] = old.values[o]
        new.reasons[n] = old.reasons[o]
        new.good_ms[n] = old.good_ms[o]
        new.at_ms[n] = old.at_ms[o]
        new.lost[n] = old.lost[o]


def copy_temperatures(old: Columns, new: Columns, pairs: list[tuple[int, int]]) -> None:
    """Let compensations go on with the temperatures of their points, (old, new), that were ever good."""
    followed = zip(old.index.plan.compensations, old.warm.tolist(), strict=True)
    known = {row.point: warm for row, warm in followed if warm != row.usual}
    before = {n: o for o, n in pairs}
    for at, row in enumerate(new.index.plan.compensations):
        if not new.reasons[row.point]:
            new.warm_up(at, int(new.values[row.point]))
        elif before.get(row.point) in known:
            new.warm_up(at, known[before[row.point]])
