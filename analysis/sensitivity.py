"""How results depend on ε, p and K: cells of maps, and curves over one hyperparameter at a time."""

import numpy as np
import pandas as pd

from analysis.pairing import adjusted, summarise, with_gain
from analysis.records import COMPLETE, FAILED, PRUNED, Metric, Records, control_names

AXES = ("epsilon", "p")
_GRID_SHARE = 0.5
_CROWDED = 12
_BINS = 8


def panel_columns(records: Records) -> list[str]:
    """What one ε×p map holds fixed: everything that names a configuration but ε and p, and the stage."""
    return ["stage", *(c for c in records.configuration if c not in AXES)]


def epsilon_p_cells(records: Records, metric: Metric) -> pd.DataFrame:
    """Every cell of every ε×p map, tidy; of methods, not of their controls, and only where ε or p varies.

    Args:
        records: What was recorded.
        metric: What the cells show.

    Returns:
        One row per cell: `panel_columns`, ``panel`` (a number), ``epsilon``, ``p``, ``n, mean, low, high``,
        ``gain_n, gain, gain_low, gain_high, p_value, p_holm`` (Holm within the map), ``significant``,
        ``failed``, ``pruned`` (counts of trials), ``grid`` (whether the map is a grid rather than
        scattered trials) and ``missing`` (a cell of a grid that has no complete trial).
    """
    trials = records.trials
    if not set(AXES) <= set(trials.columns):
        return pd.DataFrame()
    fixed = panel_columns(records)
    attacks = trials[trials["epsilon"].notna() & trials["p"].notna()]
    attacks = attacks[~attacks["stage"].isin(records.confirmations) & (control_names(attacks) == "")]
    varied = attacks.groupby(fixed, dropna=False)[list(AXES)].transform("nunique").max(axis=1) > 1
    attacks = attacks[varied]
    if attacks.empty:
        return pd.DataFrame()
    attacks = attacks.assign(panel=attacks.groupby(fixed, dropna=False).ngroup())
    usable = attacks[(attacks["state"] == COMPLETE) & attacks["value"].notna()]
    table = summarise(with_gain(records, usable, metric), ["panel", *AXES])
    unusable = (attacks["state"] == FAILED) | ((attacks["state"] == COMPLETE) & attacks["value"].isna())
    states = attacks.assign(failed=unusable, pruned=attacks["state"] == PRUNED)
    counts = states.groupby(["panel", *AXES])[["failed", "pruned"]].sum().reset_index()
    cells = _complete_grids(counts).merge(table, on=["panel", *AXES], how="left")
    cells[["n", "gain_n", "failed", "pruned"]] = (
        cells[["n", "gain_n", "failed", "pruned"]].fillna(0).astype(int)
    )
    cells = adjusted(cells, ["panel"])
    names = attacks.groupby("panel")[fixed].first().reset_index()
    return cells.assign(missing=cells["n"] == 0).merge(names, on="panel")


def _complete_grids(counts: pd.DataFrame) -> pd.DataFrame:
    """Adds the absent combinations of every panel that is a grid for the greater part."""
    panels = []
    for _, panel in counts.groupby("panel"):
        epsilons, ps = np.sort(panel["epsilon"].unique()), np.sort(panel["p"].unique())
        is_grid = len(panel) >= _GRID_SHARE * len(epsilons) * len(ps)
        if is_grid:
            whole = pd.MultiIndex.from_product([epsilons, ps], names=AXES).to_frame(index=False)
            panel = whole.assign(panel=panel["panel"].iloc[0]).merge(panel, on=["panel", *AXES], how="left")
        panels.append(panel.assign(grid=is_grid))
    return pd.concat(panels, ignore_index=True)


def marginal(records: Records, hyperparameter: str, metric: Metric) -> pd.DataFrame:
    """Curve over one hyperparameter, everything else averaged, seed by seed.

    The average runs over whatever other values were tried. Of values that were sampled rather than laid out
    as a grid, where nearly every trial has its own, eight bins with as many trials each are made, at their
    medians; beside a grid they are left out.

    Returns:
        One row per workload, method and value: ``value`` and the columns of `summarise`, n in seeds.
    """
    trials = records.exploring()
    if hyperparameter not in trials:
        return pd.DataFrame()
    trials = trials[trials[hyperparameter].notna()]
    trials = trials.assign(**{hyperparameter: _positions(trials, hyperparameter, records)})
    scored = with_gain(records, trials.dropna(subset=hyperparameter), metric)
    table = summarise(scored, ["workload", "method", hyperparameter])
    return table.rename(columns={hyperparameter: "value"})


def _positions(trials: pd.DataFrame, hyperparameter: str, records: Records) -> pd.Series:
    """Where on its curve each trial stands; missing for values that only one of many configurations has."""
    values = trials[hyperparameter]
    if values.nunique() <= _CROWDED:
        return values
    configurations = trials.drop_duplicates(records.configuration)[hyperparameter].value_counts()
    shared = configurations.index[configurations > 1]
    if len(shared) > 1:
        return values.where(values.isin(shared))
    return values.groupby(pd.qcut(values, _BINS, duplicates="drop")).transform("median")
