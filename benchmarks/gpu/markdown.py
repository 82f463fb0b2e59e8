"""Rows as tables for docs/how-to/lanes.md and docs/reference/performance.md."""

from collections.abc import Mapping, Sequence

from benchmarks.gpu.jobs import ALONE, COMPILED, LANES, PROCESSES, RIGHT
from benchmarks.gpu.rows import OK, WRONG, Row
from benchmarks.gpu.tables import TABLES


def document(runs: Sequence[tuple[Mapping[str, str], Sequence[Row]]]) -> str:
    """All runs, each with its tables."""
    return "\n\n".join(
        "\n\n".join([", ".join(head.values()) or "unknown machine", *_tables(rows)]) for head, rows in runs
    )


def _tables(rows: Sequence[Row]) -> list[str]:
    found = ["## For docs/how-to/lanes.md", _lanes(rows)]
    found += ["## For docs/reference/performance.md", _performance(rows)]
    for table in TABLES:
        timed = [row for row in rows if row.job.table == table and row.job.measure not in RIGHT]
        if timed:
            found += [f"## {TABLES[table].title}", _speed(timed)]
    return [*found, "## Is it right?", _right([row for row in rows if row.job.measure in RIGHT])]


def _lanes(rows: Sequence[Row]) -> str:
    lines = ["| table | one at a time | processes | lanes | target |", "|---|---|---|---|---|"]
    for name, table in TABLES.items():
        own = [row for row in rows if row.job.table == name]
        base = _best(own, ALONE)
        cells = [_cell(_best(own, measure), base) for measure in (ALONE, PROCESSES, LANES)]
        lines.append(f"| {table.title} | {' | '.join(cells)} | {table.target} |")
    return "\n".join(lines)


def _performance(rows: Sequence[Row]) -> str:
    lines = ["| what | target | measured | n | met | |", "|---|---|---|---:|---|---|"]
    right = [row for row in rows if row.job.measure in RIGHT]
    held = sum(row.state == OK for row in right)
    what = "steps in float32 beside float64 on the CPU, and lanes beside trials alone: errors within bounds"
    lines.append(f"| {what} | all | {held} of {len(right)} | {len(right)} | {_met(held == len(right))} | |")
    for name, table in TABLES.items():
        own = [row for row in rows if row.job.table == name]
        base = _best(own, ALONE)
        for measure, target in ((PROCESSES, "—"), (LANES, table.target), (COMPILED, "—")):
            best = _best(own, measure)
            if base is None or best is None:
                continue
            ratio = _middle(best) / _middle(base)
            met = "—" if target == "—" else _met(ratio >= float(target.split()[1]))
            n = len(best.figures["seconds"])
            what = f"trials an hour, {table.title}: {best.name} ÷ one at a time"
            lines.append(f"| {what} | {target} | {ratio:.1f} | {n} | {met} | {best.result} |")
    return "\n".join(lines)


def _speed(rows: Sequence[Row]) -> str:
    base = _best(rows, ALONE)
    lines = ["| how | trials per hour | ratio | peak memory, MiB |", "|---|---:|---:|---:|"]
    for row in rows:
        memory = row.figures.get("peak_mib")
        ratio = f"{_middle(row) / _middle(base):.1f}" if base is not None and row.state == OK else ""
        cells = [row.name, _safe(row.result).removesuffix(" trials/h"), ratio]
        lines.append(f"| {' | '.join(cells)} | {'' if memory is None else f'{memory:,.0f}'} |")
    return "\n".join(lines)


def _right(rows: Sequence[Row]) -> str:
    lines = ["| of | what | error | bound | the same bits twice | |", "|---|---|---:|---:|---|---|"]
    for row in rows:
        found, measured = row.figures, row.state in (OK, WRONG)
        numbers = [f"{found[name]:.0e}" if measured else "" for name in ("error", "bound")]
        twice = {True: "yes", False: "no"}.get(found.get("repeats", ""), "")
        verdict = {OK: "ok", WRONG: "**wrong**"}.get(row.state, f"**{_safe(row.result)}**")
        cells = [TABLES[row.job.table].title, row.name, *numbers, twice, verdict]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _best(rows: Sequence[Row], measure: str) -> Row | None:
    measured = [row for row in rows if row.job.measure == measure and row.state == OK]
    return max(measured, key=_middle, default=None)


def _middle(row: Row) -> float:
    return float(row.figures["per_hour"][0])


def _cell(row: Row | None, base: Row | None) -> str:
    if row is None:
        return "unmeasured"
    many = f", {row.name}" if row.job.at_once > 1 else ""
    ratio = f" ({_middle(row) / _middle(base):.1f} ×{many})" if base is not None and row is not base else ""
    return f"{_middle(row):,.0f}/h{ratio}"


def _met(met: bool) -> str:
    return "yes" if met else "**no**"


def _safe(text: str) -> str:
    """Without what would end a cell."""
    return text.replace("|", "\\|")
