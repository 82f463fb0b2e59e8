"""How sensitive are results to ε, p and K?"""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from analysis.document import (
    Figure,
    Mark,
    Row,
    Section,
    Table,
    gain_column,
    number_column,
    score_column,
    text_column,
)
from analysis.figures.curves import marginals
from analysis.figures.heatmap import epsilon_p_map
from analysis.figures.surrogate import surrogate_map
from analysis.marks import marks_of, settings_labels
from analysis.notation import number, seeds_text
from analysis.questions.sensitivity import AXES, epsilon_p_cells, marginal, panel_columns
from analysis.questions.surrogate import Surrogate, surrogates
from analysis.records import CONTROL, RELATIVE, SIZE, Metric, Records, describe, labels, rows
from analysis.records.drawn import names_of
from analysis.statistics import FEWEST

_MAPS, _LINES = 6, 5
_JOINT = " · "
"""Between the settings of a recipe, as `analysis.records.describe` has it."""
_SYMBOLS = {"epsilon": "ε", "relative epsilon": "relative ε", "p": "p", "k": "K"}


def section(records: Records) -> Section | None:
    """Maps and marginal curves, on validation: whoever picks a cell from them has not seen test data."""
    metric = records.selected
    cells = epsilon_p_cells(records, metric)
    curves = _curves(records, metric)
    if cells.empty and not curves:
        return None
    parts: list[Figure | Table] = []
    notes: list[str] = []
    mapped: set[str] = set()
    findings = [
        "No method was tried with several combinations of ε and p, so there is no map. There are curves "
        f"over {', '.join(_SYMBOLS.get(name, name.replace('_', ' ')) for name in curves)}."
    ]
    if len(cells):
        findings = _finding(cells, metric)
        grids = cells[cells["grid"]]
        best = grids[grids[CONTROL] == ""].groupby("panel")["mean"].max().mul(metric.sign)
        order = best.sort_values(ascending=False, kind="stable")
        names = {panel: _panel_name(records, cells[cells["panel"] == panel]) for panel in order.index}
        for panel in order.index[:_MAPS]:
            panel_cells = grids[grids["panel"] == panel]
            parts += _maps(panel_cells, names[panel], metric)
            mapped.add(str(panel_cells["workload"].iloc[0]))
        if len(order) > _MAPS:
            notes.append(
                f"The {_MAPS} maps with the best cells are drawn; {len(order) - _MAPS} more are in the table "
                "of cells (written whole with --format csv)."
            )
        fitted_maps = surrogates(records, cells, metric)
        parts += [_surrogate(fitted, metric, records.drawn) for fitted in fitted_maps if fitted.tells]
        notes += [_untold(fitted) for fitted in fitted_maps if not fitted.tells]
        parts.append(_cells_table(cells, records, metric))
    parts = [*_marginals(curves, metric, mapped), *parts]
    notes += _pooled(records)
    return Section("sensitivity", "Sensitivity to ε, p and K", findings, parts, notes)


def _pooled(records: Records) -> list[str]:
    """Lines on what maps and curves hold together."""
    found = []
    if records.drawn:
        names = names_of(records.drawn)
        found.append(
            f"Maps and curves pool what the search drew for the training: {names}. They have no gains."
        )
    if records.races:
        found.append("A race gave later seeds only to draws that were still good.")
    return found


def _panel_name(records: Records, cells: pd.DataFrame) -> str:
    columns = [c for c in panel_columns(records) if c not in ("stage", "workload")]
    constant = [c for c in columns if "." in c and records.trials[c].nunique(dropna=False) == 1]
    row = rows(cells.head(1))[0]
    return f"{row['workload']}: {describe(row, [c for c in columns if c not in constant])}"


def _finding(cells: pd.DataFrame, metric: Metric) -> list[str]:
    """What the attacks show, each training once."""
    cells = cells[(cells[CONTROL] == "") & (cells["missing"] | ~cells.duplicated("sample"))]
    tried, run = len(cells), int((cells["n"] > 0).sum())
    if not run:
        return [f"None of the {tried} ε×p combinations has a complete trial."]
    paired = cells[cells["gain"].notna()]
    if paired.empty:
        return [f"{run} of {tried} ε×p combinations ran. No gain over plain training is known."]
    better = int((paired["significant"] & (paired["gain"] > 0)).sum())
    worse = int((paired["significant"] & (paired["gain"] < 0)).sum())
    most = paired["gain"].max() * metric.scale
    testable = int(paired["p_value"].notna().sum())
    if not testable:
        seeds = float(paired["gain_n"].max())
        why = f"at most {seeds_text(seeds)}" if seeds < FEWEST else "gains that show no spread"
        return [
            f"{run} of {tried} ε×p combinations ran, each with {why}: the largest gain in {metric.name} "
            f"is {number(most, metric.decimals, signed=True)}, which may be luck."
        ]
    return [
        f"Of {testable} tested ε×p combinations {better} {'is' if better == 1 else 'are'} significantly "
        f"better than the baseline and {worse} worse in {metric.name} (paired t tests, Holm-corrected within "
        f"a map); the largest mean gain is {number(most, metric.decimals, signed=True)}."
    ]


def _maps(cells: pd.DataFrame, name: str, metric: Metric) -> list[Figure | Table]:
    panel = int(cells["panel"].iloc[0])
    named = settings_labels(cells, AXES)
    shapes = f"{cells['epsilon'].nunique()} values of ε by {cells['p'].nunique()} of p"
    attacks = cells[cells[CONTROL] == ""].dropna(subset="mean")
    ordered = rows(attacks.sort_values("mean", ascending=metric.sign < 0))
    peak = "".join(f" Best cell: ε {best['epsilon']:.3g}, p {best['p']:.3g}." for best in ordered[:1])
    holes = int(cells["missing"].sum())
    hatched = f" {holes} hatched cells have no complete trial." if holes else ""
    values: list[Figure | Table] = [
        Figure(
            f"map-{panel}-value",
            name,
            f"Mean {metric.label} per cell with the half width of its 95 % t interval.",
            f"The {'brightest' if metric.larger_is_better else 'darkest'} cell is the luckiest of many, and "
            "perhaps the best. Cells whose intervals overlap widely are not shown to differ.",
            f"Heat map of {metric.name}, {shapes}.{peak}{hatched}",
            partial(epsilon_p_map, cells, metric, gain=False),
            marks_of(cells, named, metric, gain=False),
        )
    ]
    gains: list[Figure | Table] = []
    if cells["gain"].notna().any():
        gains.append(
            Figure(
                f"map-{panel}-gain",
                f"{name}, gain",
                f"Gain in {metric.label} over the baseline of the same seeds with the half width of its "
                "95 % t interval; blue is better, red is worse.",
                "Hatched cells are not significantly different from the baseline (Holm within the map): "
                "do not read their colour as an effect.",
                f"Heat map of the {metric.gain_label}, {shapes}; "
                f"{int(cells['significant'].sum())} cells are significant.{hatched}",
                partial(epsilon_p_map, cells, metric, gain=True),
                marks_of(cells, named, metric, gain=True),
            )
        )
    return gains + values


def _surrogate(fitted: Surrogate, metric: Metric, drawn: Sequence[str]) -> Figure:
    pooled = f"all target sets, K and {names_of(drawn)}" if drawn else "all target sets and K"
    return Figure(
        f"surrogate-{fitted.workload}-{_called(fitted)}",
        f"{fitted.workload}: {_called(fitted)}, fitted to scattered trials",
        f"A Gaussian process through the n = {len(fitted.points)} trials that ran in full (dots, in the same "
        f"colours); {pooled} pooled. On the right: its uncertainty.{_stopped(fitted.pruned)}",
        "Where the right map is dark, nothing was measured nearby: do not read the left one there.",
        f"Fitted map of {metric.name} over ε and p from {len(fitted.points)} trials.",
        partial(surrogate_map, fitted, metric),
    )


def _called(fitted: Surrogate) -> str:
    relative = " at a relative ε" if fitted.scale == RELATIVE else ""
    return f"{fitted.method}{relative}{f' ({fitted.recipe})' if fitted.recipe else ''}"


def _untold(fitted: Surrogate) -> str:
    return (
        f"{fitted.workload}, {_called(fitted)}: no map is drawn of the {len(fitted.points)} scattered "
        "trials, because ε and p explain them no better than chance would."
    )


def _stopped(count: int) -> str:
    return f" {count} more were stopped early and are left out, so these are survivors." if count else ""


def _cells_table(cells: pd.DataFrame, records: Records, metric: Metric) -> Table:
    columns = [c for c in panel_columns(records) if c not in ("stage", "workload")]
    varied = [c for c in columns if "." not in c or cells[c].nunique(dropna=False) > 1]
    named = [*varied, *AXES, *records.drawn]
    frame = cells.assign(configuration=labels(cells, [c for c in named if c != "workload"]))
    frame = frame.assign(is_control=frame[CONTROL] != "", merit=-metric.sign * frame["mean"])
    frame = frame.sort_values(["is_control", "merit"], kind="stable")
    return Table(
        "cells",
        "All cells",
        "Every ε×p cell, best validation mean first; then those at an ε or p of 0, which are controls.",
        frame.drop(columns=["panel", "scale", "grid", "is_control", "merit"]),
        [
            text_column("workload", "workload"),
            text_column("configuration", "configuration"),
            number_column("n", "n"),
            score_column(metric),
            gain_column(metric),
            number_column("failed", "failed"),
        ],
        shown=3,
    )


def _curves(records: Records, metric: Metric) -> dict[str, pd.DataFrame]:
    """`marginal` of every hyperparameter that gives a curve.

    A relative ε has an axis of its own, and so has each number of the recipe that was searched.
    """
    curves = {}
    for column in [*(name for name in _SYMBOLS if name in records.trials), *_searched_numbers(records)]:
        table = marginal(records, column, metric)
        for scale, own in table.groupby("scale") if len(table) else ():
            axis = column.rpartition(".")[2]
            curves[f"relative {axis}" if scale == RELATIVE else axis] = own
    return curves


def _searched_numbers(records: Records) -> list[str]:
    """Numbers of recipes of which attacks were tried with several, but for the training size."""
    attacks = records.exploring()
    varied = [c for c in records.training if c != SIZE and attacks[c].dtype == float]
    several = attacks.groupby("workload")[varied].nunique().max() if varied else pd.Series(dtype=int)
    return [c for c in varied if several[c] > 1]


def _marginals(curves: dict[str, pd.DataFrame], metric: Metric, mapped: set[str]) -> list[Figure | Table]:
    figures: list[Figure | Table] = []
    for workload in sorted({w for table in curves.values() for w in table["workload"]}):
        own = {name: table[table["workload"] == workload] for name, table in curves.items()}
        own = _named({name: table for name, table in own.items() if len(table)})
        left_out = ""
        if (lines := len({name for table in own.values() for name in table["name"]})) > _LINES:
            own = _first_lines(own, metric)
            left_out = f" {_LINES} of {lines} curves are drawn, those with the best points."
        gain = all(table["gain"].notna().any() for table in own.values())
        maps = "; the maps below show it" if workload in mapped else ""
        figures.append(
            Figure(
                f"marginals-{workload}",
                f"{workload}: along one hyperparameter at a time",
                _how(pd.concat(own.values()), gain) + left_out,
                f"An average over bad settings of the other hyperparameters can hide a good region{maps}.",
                f"Curves of {metric.name} over {', '.join(own)}.",
                partial(marginals, own, metric, gain=gain),
                _curve_marks(own, metric, gain),
            )
        )
    return figures


def _named(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables with curves named by their method and by what not all of their recipes share."""
    recipes = {recipe for table in tables.values() for recipe in table["recipe"]}
    shared = set.intersection(*(set(recipe.split(_JOINT)) for recipe in recipes))

    def name(row: Row) -> str:
        own = [part for part in row["recipe"].split(_JOINT) if part not in shared]
        return _JOINT.join([row["method"], *own])

    return {axis: table.assign(name=[name(row) for row in rows(table)]) for axis, table in tables.items()}


def _curve_marks(curves: dict[str, pd.DataFrame], metric: Metric, gain: bool) -> list[Mark]:
    """The points of all curves, one panel after the other."""
    marks: list[Mark] = []
    for name, table in curves.items():
        axis = _SYMBOLS.get(name, name.replace("_", " "))
        named = [f"{row['name']}, {axis} {row['value']:.4g}" for row in rows(table)]
        marks += marks_of(table, named, metric, gain=gain)
    return marks


def _first_lines(tables: dict[str, pd.DataFrame], metric: Metric) -> dict[str, pd.DataFrame]:
    """The curves that have the best points."""
    points = pd.concat(tables.values())
    best = points.assign(merit=metric.sign * points["mean"]).groupby("name")["merit"].max()
    shown = best.sort_values(ascending=False, kind="stable").index[:_LINES]
    found = {axis: table[table["name"].isin(shown)] for axis, table in tables.items()}
    return {axis: table for axis, table in found.items() if len(table)}


def _how(points: pd.DataFrame, gain: bool) -> str:
    """What the points of some curves are."""
    low = points["gain_low" if gain else "low"]
    kinds = {
        False: "Each point of a grid averages the same other settings and seeds.",
        True: "Dotted: values that a search drew, where other settings also differ from point to point.",
    }
    told = []
    for sampled, own in points.groupby("sampled"):
        told.append(kinds[bool(sampled)] + _stopped(int(own.groupby("name")["pruned"].max().sum())))
    few = f"; a point of fewer than {FEWEST} seeds has none" if low.isna().any() else ""
    told.append(
        f"Bars are 95 % t intervals over seeds{few}."
        if low.notna().any()
        else "One seed a point: no intervals."
    )
    return " ".join(told)
