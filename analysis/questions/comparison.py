"""Sweeps side by side: what their files ask for differently, and the same configurations, paired by seed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.pairing import groups
from analysis.records import CONFIGURATION, Metric, Records, labels
from analysis.statistics import ALPHA, estimate, holm


def compare_sweeps(first: Records, second: Records) -> pd.DataFrame:
    """What changed between two sweeps, for every configuration that both ran.

    Two sweeps ran one configuration if they asked for the same hyperparameters and settings; their code and
    data may differ. Settings that one of them trained once are one configuration. A pair has equal seeds.

    Args:
        first: The older.
        second: The newer, whose reported metric is compared.

    Returns:
        One row per configuration: ``workload, configuration, n`` (pairs), ``first, second`` (means over
        pairs), ``change, low, high`` (positive where the second is better), ``p_value``, ``p_holm`` and
        ``significant``; the largest changes first.
    """
    metric = second.reported
    settings = {c for side in (first, second) for c in (*side.method_settings, *side.trained)}
    columns = sorted({"workload", "method", *settings})
    sides = {"first": _scores(first, columns, metric), "second": _scores(second, columns, metric)}
    both = pd.concat(sides, names=["side"]).reset_index(level="side").reset_index(drop=True)
    both = both.dropna(subset="score")
    if both.empty:
        return pd.DataFrame()
    both["asked"] = groups(both, columns)
    trained = both.drop_duplicates(["asked", "side"]).pivot(
        index="asked", columns="side", values=CONFIGURATION
    )
    both["config"] = both["asked"].map(groups(trained, list(trained.columns)))
    scores = both.pivot_table(index=["config", "seed"], columns="side", values="score")
    pairs = scores.reindex(columns=list(sides)).dropna().reset_index()
    shown = [c for c in columns if c != "workload" and both[c].nunique(dropna=False) > 1]
    named = both.drop_duplicates("config").set_index("config")
    named["configuration"] = labels(named, shown)
    rows = []
    for config, pair in pairs.groupby("config"):
        change = estimate(metric.sign * (pair["second"] - pair["first"]))
        row = named.loc[config, ["workload", "configuration"]].to_dict()
        row |= {"n": change.n, "first": pair["first"].mean(), "second": pair["second"].mean()}
        row |= {"change": change.mean, "low": change.low, "high": change.high, "p_value": change.p}
        rows.append(row)
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows)
    table["p_holm"] = holm(table["p_value"])
    table["significant"] = table["p_holm"] < ALPHA
    return table.sort_values("change", key=abs, ascending=False, kind="stable").reset_index(drop=True)


def differing_settings(several: Sequence[Records]) -> pd.DataFrame:
    """The settings, versions and machines in which sweeps differ.

    Returns:
        One row per setting that is not the same in all: ``setting`` (its place in a sweep file, stages by
        their names), and a column ``0, 1, …`` for each sweep with its value as text, "" where it has none.
    """
    found = [dict(_settings(records)) for records in several]
    names = list(dict.fromkeys(name for each in found for name in each))
    values = {name: [each.get(name, "") for each in found] for name in names}
    rows = [
        {"setting": name, **{str(at): value for at, value in enumerate(own)}}
        for name, own in values.items()
        if len(set(own)) > 1
    ]
    return pd.DataFrame(rows)


def _settings(records: Records) -> Iterator[tuple[str, str]]:
    asked = {name: value for name, value in records.sweep.items() if name not in ("name", "summary")}
    stages = asked.pop("stages", ())
    yield from _flat("", asked)
    for stage in stages:
        yield from _flat(f"{stage.get('name')}.", {k: v for k, v in stage.items() if k != "name"})
    for name, version in sorted(records.versions.items()):
        yield f"version of {name}", version
    if records.runs:
        last = records.runs[-1]
        yield from ((name, str(last[name])) for name in ("commit", "tree", "cpu", "gpus") if last.get(name))


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """Settings by their place in a sweep file; what is not set is left out."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{prefix}{name}.", inner)
    elif value is not None:
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        yield prefix.removesuffix("."), text


def _scores(records: Records, columns: list[str], metric: Metric) -> pd.DataFrame:
    trials = records.complete(controls=True)
    column = records.values(metric)
    score = trials[column] if column in trials else float("nan")
    return trials.reindex(columns=[*columns, CONFIGURATION, "seed"]).assign(score=score)
