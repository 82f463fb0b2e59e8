"""How results depend on ε, p and K: cells of maps, and curves over one hyperparameter at a time."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.pairing import adjusted, groups, summarise, with_gain
from analysis.recipes import recipes
from analysis.records import COMPLETE, CONTROL, FAILED, PRUNED, Metric, Records, scale_of

AXES = ("epsilon", "p")
_GRID_SHARE = 0.5
_BINS, _FEWEST = 8, 3


def panel_columns(records: Records) -> list[str]:
    """What one ε×p map holds fixed: the stage, and what trials were asked for with; not ε, p and `drawn`."""
    return ["stage", *(c for c in records.spelling if c not in (*AXES, *records.drawn))]


def _along(trials: pd.DataFrame, *axes: str) -> pd.Series:
    """Which trials are attacks, or the end of an axis: an ε or p of 0 that was not asked for as a control."""
    ends = (trials[list(axes)] == 0).any(axis=1)
    if "control" in trials:
        ends &= trials["control"].fillna("none") == "none"
    return (trials[CONTROL] == "") | ends


def epsilon_p_cells(records: Records, metric: Metric) -> pd.DataFrame:
    """Every cell of every ε×p map, tidy; of methods, not of their controls, and only where ε or p varies.

    Cells at an ε or p of 0 are shown and not tested: they are controls, and those at p = 0 the baseline.

    Args:
        records: What was recorded.
        metric: What the cells show.

    Returns:
        One row per cell: `panel_columns`, ``panel`` (a number), ``scale`` (what its ε is measured in, see
        `analysis.records.scale_of`), ``epsilon``, ``p``, `CONTROL`, the columns of
        `summarise` with ``p_holm`` (Holm within the map) and ``significant``, ``failed``, ``pruned`` (counts
        of trials; ``trials`` holds their rows too), ``grid`` (whether the map is a grid rather than scattered
        trials) and ``missing`` (a cell of a grid that has no complete trial). Of settings in
        `Records.drawn` a cell has the value, or nothing where its trials differ; it then has no gain, and
        its map is no grid.
    """
    trials = records.trials
    if not set(AXES) <= set(trials.columns):
        return pd.DataFrame()
    fixed = panel_columns(records)
    attacks = trials[trials["epsilon"].notna() & trials["p"].notna() & _along(trials, *AXES)]
    attacks = attacks[~attacks["stage"].isin(records.confirmations)]
    panels = attacks.assign(attack=attacks[CONTROL] == "").groupby(fixed, dropna=False)
    varied = panels[list(AXES)].transform("nunique").max(axis=1) > 1
    attacks = attacks[varied & panels["attack"].transform("any")]
    if attacks.empty:
        return pd.DataFrame()
    attacks = attacks.assign(panel=attacks.groupby(fixed, dropna=False).ngroup(), scale=scale_of(attacks))
    usable = attacks[(attacks["state"] == COMPLETE) & attacks["value"].notna()]
    table = summarise(_pooled(records, with_gain(records, usable, metric)), ["panel", *AXES])
    unusable = (attacks["state"] == FAILED) | ((attacks["state"] == COMPLETE) & attacks["value"].isna())
    states = attacks.assign(failed=unusable, pruned=attacks["state"] == PRUNED).groupby(["panel", *AXES])
    counts = states[["failed", "pruned"]].sum().join(states[CONTROL].first())
    rows = {place: tuple(own) for place, own in states.groups.items()}
    counts = counts.assign(trials=pd.Series(rows)).reset_index()
    stages = attacks.groupby("panel")["stage"].first()
    if records.drawn:
        alike = attacks.groupby(["panel", *AXES])[records.drawn]
        own = alike.first().where(alike.nunique() == 1).reset_index()
        counts = counts.merge(own, on=["panel", *AXES])
    cells = _complete_grids(counts, stages.isin(records.grids))
    for column in records.drawn:
        several = cells[column].isna() & cells["trials"].notna()
        cells["grid"] &= ~several.groupby(cells["panel"]).transform("any")
    cells = cells.merge(table.drop(columns="trials"), on=["panel", *AXES], how="left")
    cells[["n", "gain_n", "failed", "pruned"]] = (
        cells[["n", "gain_n", "failed", "pruned"]].fillna(0).astype(int)
    )
    cells[CONTROL] = cells[CONTROL].fillna("")
    cells["is_baseline"] = cells["is_baseline"].eq(True)
    cells["p_value"] = cells["p_value"].where(cells[CONTROL] == "")
    cells = adjusted(cells, ["panel"])
    names = attacks.groupby("panel")[["scale", *fixed]].first().reset_index()
    return cells.assign(missing=cells["n"] == 0).merge(names, on="panel")


def _pooled(records: Records, scored: pd.DataFrame) -> pd.DataFrame:
    """Trials without gains where settings are pooled: each would be over plain training of other settings."""
    return scored.assign(gain=np.nan) if records.drawn else scored


def _complete_grids(counts: pd.DataFrame, laid_out: pd.Series) -> pd.DataFrame:
    """Adds the absent combinations of every panel that is a grid for the greater part.

    Args:
        counts: The cells that were tried.
        laid_out: By panel, whether its stage is a grid; drawn values make one only where no row and no column
            has a cell alone.
    """
    panels = []
    for name, panel in counts.groupby("panel"):
        epsilons, ps = np.sort(panel["epsilon"].unique()), np.sort(panel["p"].unique())
        fewest = min(panel[axis].value_counts().min() for axis in AXES)
        filled = len(panel) >= _GRID_SHARE * len(epsilons) * len(ps)
        is_grid = filled and bool(laid_out[name] or fewest > 1)
        if is_grid:
            whole = pd.MultiIndex.from_product([epsilons, ps], names=AXES).to_frame(index=False)
            panel = whole.assign(panel=panel["panel"].iloc[0]).merge(panel, on=["panel", *AXES], how="left")
        panels.append(panel.assign(grid=is_grid))
    return pd.concat(panels, ignore_index=True)


def marginal(records: Records, hyperparameter: str, metric: Metric) -> pd.DataFrame:
    """Curves over one hyperparameter, seed by seed; of attacks, and p down to 0.

    Other hyperparameters of the method are averaged; each recipe has a curve of its own. Of grids the largest
    full one is used: every point of a curve averages the very same other settings and seeds. Only where no
    grid has several values, those that a search sampled are shown; where nearly every trial has its own, up
    to eight bins of at least three trials are made, at their medians. Absolute and relative ε have curves of
    their own.

    Args:
        records: What was recorded.
        hyperparameter: A column of a method's settings, or of a recipe's that is a number.
        metric: What the curves show.

    Returns:
        One row per workload, method, recipe and value, of curves with at least two: ``value``, ``recipe``
        (see `analysis.recipes.recipes`), ``name`` (of the curve: method and recipe), ``scale`` (for ε what it
        is measured in, see `analysis.records.scale_of`, for others ""), the columns of `summarise` with n in
        seeds, ``sampled`` (whether other settings differ from point to point) and ``pruned`` (how many trials
        of the curve's stages were stopped early and are not in it).
    """
    trials = records.complete(controls=True)
    if hyperparameter not in trials:
        return pd.DataFrame()
    along = _along(trials, *({hyperparameter} & set(AXES))) & trials[hyperparameter].notna()
    trials = trials[along & ~trials["stage"].isin(records.confirmations)]
    if hyperparameter in records.training:
        trials = trials[~records.plain(trials)]
    recipe = recipes(records, records.trials, {hyperparameter, *records.drawn})
    scale = scale_of(records.trials) if hyperparameter == "epsilon" else ""
    named = records.trials[[]].assign(recipe=recipe, scale=scale)
    trials = trials.join(named)
    stopped = records.trials[records.trials["state"] == PRUNED].join(named)
    kind = ["workload", "method", "recipe", "scale"]
    curves = []
    for _, own in trials.groupby(kind):
        laid_out = own["stage"].isin(records.grids)
        curve = _largest_grid(own[laid_out], hyperparameter, _others(records, hyperparameter))
        sampled = curve.empty
        if sampled:
            curve = own[~laid_out].assign(**{hyperparameter: _bins(own.loc[~laid_out, hyperparameter])})
        if curve[hyperparameter].nunique() > 1:
            beside = stopped.merge(curve[[*kind, "stage"]].drop_duplicates())
            curves.append(curve.assign(sampled=sampled, pruned=beside["key"].nunique()))
    if not curves:
        return pd.DataFrame()
    scored = _pooled(records, with_gain(records, pd.concat(curves), metric))
    table = summarise(scored, [*kind, "sampled", "pruned", hyperparameter])
    names = [" · ".join(filter(None, row)) for row in zip(table["method"], table["recipe"], strict=True)]
    return table.rename(columns={hyperparameter: "value"}).assign(name=names)


def _others(records: Records, hyperparameter: str) -> list[str]:
    """What is equal at all points of a curve."""
    columns = ("workload", "method", *records.hyperparameters, *records.training, "seed")
    return [c for c in columns if c != hyperparameter]


def _largest_grid(trials: pd.DataFrame, hyperparameter: str, others: Sequence[str]) -> pd.DataFrame:
    """The trials of those other settings that were tried with all of several values; empty where none were.

    A setting that several stages tried is in it once. Of the sets of values that were tried together, the one
    that gives the most comparisons is taken.
    """
    settings = groups(trials, others)
    tried = {number: frozenset(own) for number, own in trials[hyperparameter].groupby(settings)}
    times = Counter(tried.values())

    def comparisons(values: frozenset[float]) -> tuple[int, int, list[float]]:
        having = sum(n for others, n in times.items() if values <= others)
        return (len(values) - 1) * having, len(values), sorted(values)

    values: frozenset[float] = max(times, key=comparisons, default=frozenset())
    if len(values) < 2:
        return trials.head(0)
    having = [number for number, others in tried.items() if values <= others]
    grid = trials[settings.isin(having) & trials[hyperparameter].isin(values)]
    return grid.drop_duplicates([*others, hyperparameter])


def _bins(values: pd.Series) -> pd.Series:
    """Sampled values as they are where each was drawn twice or more, else the medians of bins."""
    bins = min(_BINS, len(values) // _FEWEST)
    if len(values) >= 2 * values.nunique() or not bins:
        return values
    return values.groupby(pd.qcut(values, bins, duplicates="drop")).transform("median")
