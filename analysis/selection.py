"""The best configurations, chosen on validation, and how far the choice flatters itself."""

import pandas as pd

from analysis.pairing import groups, summarise, with_gain
from analysis.records import COMPLETE, FAILED, Records


def configurations(records: Records) -> pd.DataFrame:
    """Every configuration with its validation mean, which orders them, and its test result.

    Returns:
        One row per configuration and kind of seeds, best validation mean first: the configuration's
        columns, ``fresh`` (whether a confirmation ran it), ``valid`` (mean validation value), ``passes``,
        ``run_id`` (of one trial), and the columns of `summarise` for the test metric.
    """
    trials = records.complete()
    if trials.empty:
        return pd.DataFrame()
    trials = trials.assign(
        config=groups(trials, records.configuration), fresh=trials["stage"].isin(records.confirmations)
    )
    table = summarise(with_gain(records, trials, records.reported), ["config", "fresh"])
    by = trials.groupby(["config", "fresh"])
    named = by[["passes", "run_id"]].first().assign(valid=by["value"].mean())
    first = trials.drop_duplicates("config")[["config", *records.configuration]]
    table = table.merge(named.reset_index(), on=["config", "fresh"]).merge(first, on="config")
    ascending = records.selected.sign < 0
    return table.sort_values("valid", ascending=ascending, kind="stable").reset_index(drop=True)


def failures(records: Records) -> pd.DataFrame:
    """Failures by reason: ``reason, n``, and of one of them ``workload, example`` (key) and ``run_id``."""
    trials = records.trials
    failed = trials[trials["state"] == FAILED]
    lost = trials[(trials["state"] == COMPLETE) & trials["value"].isna()]
    failed = pd.concat(
        [failed, lost.assign(reason="finished, but the selected metric is not a finite number")]
    )
    if failed.empty:
        return pd.DataFrame()
    failed = failed.assign(reason=failed["reason"].where(failed["reason"] != "", "no reason recorded"))
    table = failed.groupby("reason").agg(
        n=("key", "count"),
        workload=("workload", "first"),
        example=("key", "first"),
        run_id=("run_id", "first"),
    )
    return table.reset_index().sort_values(["n", "reason"], ascending=[False, True]).reset_index(drop=True)
